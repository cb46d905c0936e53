package train

import (
	"context"
	"fmt"
	"math"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

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
		Norm: norm, Bias: c.Bias, Seed: c.Seed,
	}, err
}

// Train trains one model on the text. onStep, if not nil, is called after every
// step. A gradient or a loss, the validation's too, that is not finite ends the
// run: it has diverged, which is a result and no error. So is a cancelled context,
// after the step at hand; the model and the record are then those so far.
func Train(ctx context.Context, c Config, text *Corpus, onStep func(Step)) (*transformer.Model, Run, error) {
	c.Data, c.DataSHA256, c.Vocabulary = text.Path, text.SHA256, string(text.Vocabulary)
	run := Run{Config: c}
	if err := Check(c, text); err != nil {
		return nil, run, err
	}
	l, err := newLoop(c, text)
	if err != nil {
		return nil, run, fmt.Errorf("train: %w", err)
	}
	defer l.close()
	run.Summary = Summary{Norm: c.Norm, Parameters: l.model.Parameters(), BestVal: Float(math.NaN()), LastVal: Float(math.NaN())}
	for len(run.Steps) < c.Steps && run.Summary.DivergedAt == 0 {
		if ctx.Err() != nil {
			run.Summary.Interrupted = true
			break
		}
		s, err := l.step(len(run.Steps))
		if err != nil {
			return nil, run, fmt.Errorf("train: norm %s, step %d: %w", c.Norm, len(run.Steps)+1, err)
		}
		run.Steps = append(run.Steps, s)
		run.Summary.add(s)
		if onStep != nil {
			onStep(s)
		}
	}
	return l.model, run, nil
}

// add takes a step into the summary.
func (s *Summary) add(step Step) {
	if s.Steps == 0 {
		s.FirstLoss = step.Loss
	}
	s.Steps, s.LastLoss, s.TokensPerSec, s.Seconds = step.Step, step.Loss, step.TokensPerSec, step.Seconds
	if step.GradNorm > s.MaxGradNorm || !step.GradNorm.Finite() {
		s.MaxGradNorm = step.GradNorm
	}
	finite := step.Loss.Finite() && step.GradNorm.Finite()
	if step.ValLoss != nil {
		s.LastVal = *step.ValLoss
		finite = finite && s.LastVal.Finite()
		if s.LastVal.Finite() && !(s.BestVal <= s.LastVal) { // BestVal is NaN at first
			s.BestVal = s.LastVal
		}
	}
	if !finite {
		s.DivergedAt = step.Step
	}
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
	start    time.Time
	training time.Duration // spent on steps, not on evaluation
}

func newLoop(c Config, text *Corpus) (*loop, error) {
	mc, err := c.model(text)
	if err != nil {
		return nil, err
	}
	g := G.NewGraph()
	l := &loop{
		Config:  c,
		solver:  NewAdamW(c.LR, c.Beta1, c.Beta2, c.WeightDecay),
		batches: newBatches(text.Train, c.Context, c.Seed),
		val:     text.Val,
		windows: windows(text.Val, c.Context, c.Batch, c.EvalBatches),
		start:   time.Now(),
	}
	if l.model, err = transformer.New(g, mc); err != nil {
		return nil, err
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

	eg := G.NewGraph()
	em, err := l.model.On(eg, layers.Evaluation)
	if err != nil {
		return nil, err
	}
	if l.eval, err = newPass(eg, em, min(c.Batch, len(l.windows)), c.Context); err != nil {
		return nil, err
	}
	l.eval.vm = G.NewTapeMachine(eg)
	return l, nil
}

func (l *loop) close() {
	l.train.vm.Close()
	l.eval.vm.Close()
}

// step trains on one batch and, where it is time, evaluates.
func (l *loop) step(i int) (s Step, err error) {
	began := time.Now()
	l.batches.next(l.train.ids, l.train.targets)
	s = Step{Step: i + 1, LR: Float(l.Rate(i))}
	if s.Loss, err = l.train.run(); err != nil {
		return s, err
	}
	norm, err := ClipGradNorm(l.weights, l.Clip)
	if err != nil {
		return s, err
	}
	s.GradNorm = Float(norm)
	if s.Loss.Finite() && s.GradNorm.Finite() {
		l.solver.LR = float64(s.LR)
		if err := l.solver.Step(l.weights); err != nil {
			return s, err
		}
	}
	l.training += time.Since(began)
	s.TokensPerSec = Float(float64(s.Step*l.Batch*l.Context) / l.training.Seconds())
	if s.Step%l.EvalEvery == 0 || s.Step == l.Steps {
		v, err := l.evaluate()
		if err != nil {
			return s, err
		}
		s.ValLoss = &v
	}
	s.Seconds = Float(time.Since(l.start).Seconds())
	return s, nil
}

// evaluate is the mean loss over the validation windows.
func (l *loop) evaluate() (Float, error) {
	var sum Float
	batch := len(l.eval.ids) / l.Context
	for i := 0; i < len(l.windows); i += batch {
		for j, at := range l.windows[i : i+batch] {
			copy(l.eval.ids[j*l.Context:(j+1)*l.Context], l.val[at:])
			copy(l.eval.targets[j*l.Context:(j+1)*l.Context], l.val[at+1:])
		}
		loss, err := l.eval.run()
		if err != nil {
			return 0, err
		}
		sum += loss
	}
	return sum / Float(len(l.windows)/batch), nil
}

// pass is a machine that computes the loss of a batch; ids and targets are the
// memory that it reads.
type pass struct {
	ids, targets []int
	loss         *G.Node
	vm           G.VM
}

func newPass(g *G.ExprGraph, m *transformer.Model, batch, context int) (p pass, err error) {
	p.ids, p.targets = make([]int, batch*context), make([]int, batch*context)
	input := func(name string, ids []int) *G.Node {
		v := tensor.New(tensor.WithShape(batch, context), tensor.WithBacking(ids))
		return G.NewTensor(g, tensor.Int, 2, G.WithShape(batch, context), G.WithName(name), G.WithValue(v))
	}
	logits, err := m.Logits(input("ids", p.ids))
	if err != nil {
		return p, err
	}
	p.loss, err = m.Loss(logits, input("targets", p.targets))
	return p, err
}

func (p *pass) run() (Float, error) {
	defer p.vm.Reset()
	if err := p.vm.RunAll(); err != nil {
		return 0, err
	}
	return Float(p.loss.Value().Data().(float32)), nil
}
