package train

import (
	"context"
	"fmt"
	"math"
	"time"

	G "gorgonia.org/gorgonia"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// Train trains one model on the text. onStep, if not nil, is called after every
// step. A step whose loss or gradient is not finite leaves the model and the optimizer
// as they were: the run has diverged, which is a result and no error, and goes on
// unless the config asks to stop. A cancelled context ends it after the step at hand;
// the model and the record are then those so far.
func Train(ctx context.Context, c Config, text *Corpus, onStep func(Step)) (*transformer.Model, Run, error) {
	run := Run{Config: on(c, text)}
	if err := Check(c, text); err != nil {
		return nil, run, err
	}
	l, err := newLoop(c, text)
	if err == nil {
		defer l.close()
		err = l.run(ctx, &run, onStep)
	}
	if err != nil {
		return nil, run, fmt.Errorf("train: norm %s, step %d: %w", c.Norm, len(run.Steps)+1, err)
	}
	return l.model, run, nil
}

// loop is a model on a training and on an evaluation graph.
type loop struct {
	Config
	model    *transformer.Model
	weights  []G.ValueGrad
	solver   *AdamW
	batches  *batches
	val      []int32 // the validation text
	windows  []int   // and the places in it that are evaluated
	train    pass
	eval     pass
	prober   *prober
	buffers  *layers.Snapshot // BatchNorm's running statistics before the step
	start    time.Time
	training time.Duration // spent on steps and probes, not on evaluation
}

func newLoop(c Config, text *Corpus) (*loop, error) {
	g := G.NewGraph()
	model, _, err := start(g, c, text)
	if err != nil {
		return nil, err
	}
	l := &loop{
		model:   model,
		Config:  c,
		solver:  NewAdamW(c.LR, c.Beta1, c.Beta2, c.WeightDecay),
		batches: newBatches(text.Train, c.Context, c.Seed),
		val:     text.Val,
		windows: windows(text.Val, c.Context, c.Batch, c.EvalBatches),
		start:   time.Now(),
	}
	if l.train, err = newPass(g, l.model, c.Batch, c.Context); err != nil {
		return nil, err
	}
	learnables := l.model.Learnables()
	if _, err := G.Grad(l.train.loss, learnables...); err != nil {
		return nil, err
	}
	l.weights = G.NodesToValueGrads(learnables)
	// Without BindDualValues a weight's gradient is the value of the node that Grad
	// made for it, neither copied nor added to the last step's.
	l.train.vm = G.NewTapeMachine(g)
	l.prober = newProber(l.train.activations, c.Heads, learnables)
	l.buffers = l.model.Snapshot()
	if l.eval, err = l.placed(layers.Evaluation); err != nil {
		return nil, err
	}
	return l, nil
}

// placed computes the loss of validation batches in the given mode.
func (l *loop) placed(mode layers.Mode) (pass, error) {
	return placed(l.model, mode, min(l.Batch, len(l.windows)), l.Context)
}

func (l *loop) close() {
	l.train.close()
	l.eval.close()
}

// run does all steps that are left and takes their record.
func (l *loop) run(ctx context.Context, run *Run, onStep func(Step)) (err error) {
	s := &run.Summary
	s.Norm, s.Parameters = l.Norm, l.model.Parameters()
	if s.InitVal, err = l.evaluate(&l.eval); err != nil {
		return err
	}
	untrained := run.Untrained()
	for len(run.Steps) < l.Steps && !s.Stopped && !s.Interrupted {
		if ctx.Err() != nil {
			s.Interrupted = true
			break
		}
		step, err := l.step(run)
		if err != nil {
			return err
		}
		run.Steps = append(run.Steps, step)
		if !step.Finite() && s.NonFinite == "" {
			s.NonFinite = l.nonFinite(step)
		}
		s.Stopped = l.StopOnDivergence && len(run.Steps) < l.Steps && lost(run.Steps, l.Warmup, untrained)
		if onStep != nil {
			onStep(step)
		}
	}
	if s.TrainModeVal, err = l.trainModeLoss(run); err != nil {
		return err
	}
	run.Speed = runlog.Speed{
		TokensPerSec: runlog.Float(float64(len(run.Steps)) * float64(l.Batch*l.Context) / l.training.Seconds()),
		Seconds:      runlog.Float(time.Since(l.start).Seconds()),
	}
	run.Measure()
	return nil
}

// step trains on one batch and, where it is time, probes and evaluates.
func (l *loop) step(run *Run) (s Step, err error) {
	began := time.Now()
	i := len(run.Steps)
	l.batches.next(l.train.ids, l.train.targets)
	s = Step{Step: i + 1, LR: runlog.Float(rate(l.Config, i))}
	probe := l.Probes(s.Step)
	if probe {
		l.prober.before()
	}
	l.buffers.Take()
	if s.Loss, err = l.train.run(); err != nil {
		return s, err
	}
	if probe {
		run.Probes = append(run.Probes, l.prober.read(s.Step))
	}
	norm, err := ClipGradNorm(l.weights, l.Clip)
	if err != nil {
		return s, err
	}
	s.GradNorm = runlog.Float(norm)
	if s.Finite() {
		l.solver.LR = float64(s.LR)
		if err := l.solver.Step(l.weights); err != nil {
			return s, err
		}
	} else {
		l.buffers.Restore()
	}
	if probe {
		l.prober.readUpdates(&run.Probes[len(run.Probes)-1])
	}
	l.training += time.Since(began)
	if l.Evaluates(s.Step) {
		v, err := l.evaluate(&l.eval)
		if err != nil {
			return s, err
		}
		s.ValLoss = &v
	}
	return s, nil
}

// evaluate is the mean loss of a pass over the validation windows, or the first
// batch's that is not finite.
func (l *loop) evaluate(p *pass) (runlog.Float, error) {
	var sum runlog.Float
	n := l.batchesOf(p)
	for i := range n {
		loss, err := l.loss(p, i)
		if err != nil || !loss.Finite() {
			return loss, err
		}
		sum += loss
	}
	return sum / runlog.Float(n), nil
}

// batchesOf is how many of a pass's batches the validation windows fill.
func (l *loop) batchesOf(p *pass) int { return len(l.windows) * l.Context / len(p.ids) }

// loss is that of a pass over one batch of the validation windows.
func (l *loop) loss(p *pass, batch int) (runlog.Float, error) {
	n := len(p.ids) / l.Context
	for j, at := range l.windows[batch*n : (batch+1)*n] {
		widen(p.ids[j*l.Context:(j+1)*l.Context], l.val[at:])
		widen(p.targets[j*l.Context:(j+1)*l.Context], l.val[at+1:])
	}
	return p.run()
}

// trainModeLoss is the validation loss of the last weights with each batch's own
// statistics, where the run has come to its end.
func (l *loop) trainModeLoss(run *Run) (runlog.Float, error) {
	if len(run.Steps) < l.Steps {
		return runlog.Float(math.NaN()), nil
	}
	p, err := l.placed(layers.Training)
	if err != nil {
		return 0, err
	}
	defer p.close()
	l.buffers.Take() // training mode changes BatchNorm's running statistics
	defer l.buffers.Restore()
	return l.evaluate(&p)
}
