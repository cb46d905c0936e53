package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	G "gorgonia.org/gorgonia"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// Train trains one model on the text and calls onStep, if not nil, after every step. A
// step whose loss or gradient is not finite leaves the model and the optimizer unchanged.
// Such a run has diverged, which is a result, not an error; it continues unless the config
// has StopOnDivergence. If ctx is cancelled, Train returns the model and the record after
// the current step. WithCheckpoints makes it possible to go on from there.
func Train(
	ctx context.Context, c Config, text *Corpus, onStep func(Step), options ...Option,
) (*transformer.Model, Run, error) {
	if err := Check(c, text); err != nil {
		return nil, Run{Config: c}, err
	}
	run := Run{Config: on(c, text)}
	l, err := newLoop(c, text)
	if err == nil {
		defer l.close()
		for _, o := range options {
			if o == nil {
				return nil, run, errors.New("train: an option is nil")
			}
			o(l)
		}
		if err = l.keeper.resume(l, &run); err == nil {
			err = l.run(ctx, &run, onStep)
		}
	}
	if err != nil {
		return nil, run, fmt.Errorf("train: norm %s, step %d: %w", c.Norm, len(run.Steps)+1, err)
	}
	return l.model, run, nil
}

// loop is a run in progress: a model on a training graph and on an evaluation graph.
type loop struct {
	Config
	text     *Corpus
	model    *transformer.Model
	weights  []G.ValueGrad
	solver   *AdamW
	batches  *batches
	val      []int32  // the validation text
	windows  []int    // places in val at which evaluated sequences start
	parts    []Domain // of the text
	train    pass
	eval     pass
	noise    *transformer.NormNoise
	prober   *prober
	around   *landscape
	buffers  *layers.Snapshot // BatchNorm's running statistics before the step
	keeper   *keeper          // of checkpoints; nil for none
	start    time.Time
	training time.Duration // spent on steps and probes, without evaluation
}

func newLoop(c Config, text *Corpus) (*loop, error) {
	text = text.first(c.TextShare)
	g := G.NewGraph()
	model, found, err := start(g, c, text)
	if err != nil {
		return nil, err
	}
	l := &loop{
		model:   model,
		Config:  c,
		text:    text,
		solver:  NewAdamW(c.LR, c.Beta1, c.Beta2, c.WeightDecay),
		batches: newBatches(text.Train, c.Context, c.Seed),
		val:     text.Val,
		windows: windowsIn(text.valSpans(), c.Context, c.Batch, c.EvalBatches),
		parts:   text.parts(),
		noise:   transformer.NewNormNoise(c.NormNoise, c.Seed),
		start:   time.Now(),
	}
	if err := l.solver.startFrom(c.Init, found.Loaded, model.Learnables()); err != nil {
		return nil, err
	}
	l.batches.ordered = arranged(c, text)
	if l.train, err = newPass(g, l.model.WithNoise(l.noise), c.Batch, c.Context); err != nil {
		return nil, err
	}
	learnables := l.model.Learnables()
	if _, err := G.Grad(l.train.loss, learnables...); err != nil {
		return nil, err
	}
	l.weights = G.NodesToValueGrads(learnables)
	// Without BindDualValues a weight's gradient is the value of the node that Grad made
	// for it: Gorgonia neither copies it nor adds it to the previous step's.
	l.train.vm = G.NewTapeMachine(g)
	l.prober = newProber(l.train.activations, c.Heads, learnables)
	l.buffers = l.model.Snapshot()
	l.around = newLandscape(&l.train, l.model)
	if l.eval, err = l.validation(layers.Evaluation); err != nil {
		return nil, err
	}
	return l, nil
}

// validation returns a pass over validation batches in the given mode.
func (l *loop) validation(mode layers.Mode) (pass, error) {
	return passOn(l.model, mode, min(l.Batch, len(l.windows)/len(l.parts)), l.Context)
}

func (l *loop) close() {
	l.train.close()
	l.eval.close()
}

// run takes the remaining steps and records them.
func (l *loop) run(ctx context.Context, run *Run, onStep func(Step)) (err error) {
	s := &run.Summary
	s.Norm, s.Parameters = l.Norm, l.model.Parameters()
	if len(run.Steps) == 0 { // a checkpoint has it
		if s.InitVal, err = l.evaluate(&l.eval); err != nil {
			return err
		}
	}
	untrained := run.Untrained()
	for len(run.Steps) < l.Steps && !s.Stopped && !s.Interrupted {
		if ctx.Err() != nil {
			s.Interrupted = true
			l.keeper.save(l, run, true)
			break
		}
		l.keeper.save(l, run, false)
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
	if s.DomainVal, err = l.domainLosses(run); err != nil {
		return err
	}
	if err := l.recomputedLosses(run); err != nil {
		return err
	}
	run.Speed = runlog.Speed{
		TokensPerSec: runlog.Float(float64(len(run.Steps)) * float64(l.Batch*l.Context) / l.training.Seconds()),
		Seconds:      runlog.Float(time.Since(l.start).Seconds()),
	}
	run.Measure()
	return nil
}

// step trains on one batch, and probes and evaluates if the config says so for this step.
func (l *loop) step(run *Run) (s Step, err error) {
	began := time.Now()
	i := len(run.Steps)
	l.batches.next(l.train.ids, l.train.targets)
	l.noise.Draw()
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
	surveys := l.Surveys(s.Step)
	if surveys {
		l.around.start()
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
	if surveys && s.Finite() {
		if s.Landscape, err = l.around.read(s.Loss); err != nil {
			return s, err
		}
	}
	if l.Evaluates(s.Step) {
		v, err := l.evaluate(&l.eval)
		if err != nil {
			return s, err
		}
		s.ValLoss = &v
	}
	return s, nil
}

// evaluate returns the mean loss of a pass over the validation windows, or the first
// batch's loss that is not finite.
func (l *loop) evaluate(p *pass) (runlog.Float, error) { return l.evaluateOn(p, l.windows) }

// evaluateOn is evaluate on some of the windows, which fill batches.
func (l *loop) evaluateOn(p *pass, windows []int) (runlog.Float, error) {
	var sum runlog.Float
	batch := len(p.ids) / l.Context
	for w := range slices.Chunk(windows, batch) {
		loss, err := l.loss(p, w)
		if err != nil || !loss.Finite() {
			return loss, err
		}
		sum += loss
	}
	return sum / runlog.Float(len(windows)/batch), nil
}

// windowsOf returns the validation windows of a domain.
func (l *loop) windowsOf(domain int) (windows []int) {
	for i := domain; i < len(l.windows); i += len(l.parts) {
		windows = append(windows, l.windows[i])
	}
	return windows
}

// domainLosses returns the validation loss of the last weights on each domain. It returns
// nil if the text has no domains or the run ended before its last step.
func (l *loop) domainLosses(run *Run) (losses []runlog.DomainLoss, err error) {
	if len(l.parts) < 2 || len(run.Steps) < l.Steps {
		return nil, nil
	}
	for i, d := range l.parts {
		loss, err := l.evaluateOn(&l.eval, l.windowsOf(i))
		if err != nil {
			return nil, err
		}
		losses = append(losses, runlog.DomainLoss{Domain: d.Name, Loss: loss})
	}
	return losses, nil
}

// loss returns the loss of a pass over one batch of windows.
func (l *loop) loss(p *pass, batch []int) (runlog.Float, error) {
	for j, at := range batch {
		widen(p.ids[j*l.Context:(j+1)*l.Context], l.val[at:])
		widen(p.targets[j*l.Context:(j+1)*l.Context], l.val[at+1:])
	}
	return p.run()
}

// trainModeLoss returns the validation loss of the last weights with each batch's own
// statistics, or NaN if the run ended before its last step.
func (l *loop) trainModeLoss(run *Run) (runlog.Float, error) {
	if len(run.Steps) < l.Steps {
		return runlog.Float(math.NaN()), nil
	}
	p, err := l.validation(layers.Training)
	if err != nil {
		return 0, err
	}
	defer p.close()
	l.buffers.Take() // training mode changes BatchNorm's running statistics
	defer l.buffers.Restore()
	return l.evaluate(&p)
}
