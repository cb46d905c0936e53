package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	G "gorgonia.org/gorgonia"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
)

// Check finds the first reason why a run of the config on the text cannot be.
func Check(c Config, text *Corpus) error {
	if err := c.Validate(); err != nil {
		return err
	}
	m, err := c.model(text)
	if err != nil {
		return err
	}
	if err := m.Validate(); err != nil {
		return err
	}
	if c.Batch*c.Context < m.Norm.MinRows {
		return fmt.Errorf("train: the norm %s needs a batch of %d tokens or more, batch %d of context %d has %d",
			c.Norm, m.Norm.MinRows, c.Batch, c.Context, c.Batch*c.Context)
	}
	return text.Fits(c.Context)
}

func (c Config) model(text *Corpus) (transformer.Config, error) {
	norm, err := transformer.NormByName(c.Norm)
	return transformer.Config{
		Vocab: len(text.Vocabulary), Context: c.Context,
		Layers: c.Layers, Heads: c.Heads, Channels: c.Channels,
		Norm: norm, Placement: c.Placement, GELU: c.GELU, QKNorm: c.QKNorm, Bias: c.Bias, Seed: c.Seed,
	}, err
}

// Train trains one model on the text. onStep, if not nil, is called after every
// step. A step whose loss or gradient is not finite changes no weights: the run has
// diverged, which is a result and no error, and goes on unless the config asks to
// stop. A cancelled context ends it after the step at hand; the model and the
// record are then those so far.
func Train(ctx context.Context, c Config, text *Corpus, onStep func(Step)) (*transformer.Model, Run, error) {
	run := Run{Config: c.on(text)}
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
	val      []int // the validation text
	windows  []int // and the places in it that are evaluated
	train    pass
	eval     pass
	prober   *prober
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
	untrained, notBelow := run.Config.untrained(s.InitVal)
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
	run.Speed = Speed{
		TokensPerSec: Float(float64(len(run.Steps)) * float64(l.Batch*l.Context) / l.training.Seconds()),
		Seconds:      Float(time.Since(l.start).Seconds()),
	}
	s.measure(run.Steps, untrained, notBelow)
	return nil
}

// step trains on one batch and, where it is time, probes and evaluates.
func (l *loop) step(run *Run) (s Step, err error) {
	began := time.Now()
	i := len(run.Steps)
	l.batches.next(l.train.ids, l.train.targets)
	s = Step{Step: i + 1, LR: Float(l.Rate(i))}
	probe := l.probes(s.Step)
	if probe {
		l.prober.before()
	}
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
	s.GradNorm = Float(norm)
	if s.Finite() {
		l.solver.LR = float64(s.LR)
		if err := l.solver.Step(l.weights); err != nil {
			return s, err
		}
	}
	if probe {
		l.prober.readUpdates(&run.Probes[len(run.Probes)-1])
	}
	l.training += time.Since(began)
	if s.Step%l.EvalEvery == 0 || s.Step == l.Steps {
		v, err := l.evaluate(&l.eval)
		if err != nil {
			return s, err
		}
		s.ValLoss = &v
	}
	return s, nil
}

// probes says whether the network is looked into at a step: the first, every
// ProbeEvery-th and the last.
func (l *loop) probes(step int) bool {
	return l.ProbeEvery > 0 && (step == 1 || step%l.ProbeEvery == 0 || step == l.Steps)
}

// evaluate is the mean loss of a pass over the validation windows, or the first
// batch's that is not finite.
func (l *loop) evaluate(p *pass) (Float, error) {
	var sum Float
	n := l.batchesOf(p)
	for i := range n {
		loss, err := l.loss(p, i)
		if err != nil || !loss.Finite() {
			return loss, err
		}
		sum += loss
	}
	return sum / Float(n), nil
}

// batchesOf is how many of a pass's batches the validation windows fill.
func (l *loop) batchesOf(p *pass) int { return len(l.windows) * l.Context / len(p.ids) }

// loss is that of a pass over one batch of the validation windows.
func (l *loop) loss(p *pass, batch int) (Float, error) {
	n := len(p.ids) / l.Context
	for j, at := range l.windows[batch*n : (batch+1)*n] {
		copy(p.ids[j*l.Context:(j+1)*l.Context], l.val[at:])
		copy(p.targets[j*l.Context:(j+1)*l.Context], l.val[at+1:])
	}
	return p.run()
}

// trainModeLoss is the validation loss of the last weights with each batch's own
// statistics, where the run has come to its end.
func (l *loop) trainModeLoss(run *Run) (Float, error) {
	if len(run.Steps) < l.Steps {
		return Float(math.NaN()), nil
	}
	p, err := l.placed(layers.Training)
	if err != nil {
		return 0, err
	}
	defer p.close()
	before := l.model.State() // training mode changes BatchNorm's running statistics
	loss, err := l.evaluate(&p)
	return loss, errors.Join(err, l.model.Load(before))
}
