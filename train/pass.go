package train

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
	"gorgonorm/layers"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// pass is a graph that computes the loss of a batch, and its machine.
type pass struct {
	ids, targets []int // the batch, which the caller fills
	g            *G.ExprGraph
	activations  *transformer.Activations
	loss         *G.Node
	vm           G.VM
}

// newPass builds the loss on the model's graph. The caller makes the machine.
func newPass(g *G.ExprGraph, m *transformer.Model, batch, context int) (p pass, err error) {
	p.g = g
	p.ids, p.targets = make([]int, batch*context), make([]int, batch*context)
	input := func(name string, ids []int) *G.Node {
		v := tensor.New(tensor.WithShape(batch, context), tensor.WithBacking(ids))
		return G.NewTensor(g, tensor.Int, 2, G.WithShape(batch, context), G.WithName(name), G.WithValue(v))
	}
	if p.activations, err = m.Forward(input("ids", p.ids)); err != nil {
		return p, err
	}
	p.loss, err = m.Loss(p.activations.Logits, input("targets", p.targets))
	return p, err
}

// passOn returns a pass of the model on a new graph, in the given mode.
func passOn(m *transformer.Model, mode layers.Mode, batch, context int) (pass, error) {
	g := G.NewGraph()
	m, err := m.On(g, mode)
	if err != nil {
		return pass{}, err
	}
	p, err := newPass(g, m, batch, context)
	if err == nil {
		p.vm = G.NewTapeMachine(g)
	}
	return p, err
}

func (p *pass) close() { op.Close(p.vm) }

// run returns the loss of the current batch.
func (p *pass) run() (runlog.Float, error) {
	defer p.vm.Reset()
	if err := p.vm.RunAll(); err != nil {
		return 0, err
	}
	if loss, ok := p.loss.Value().Data().(float64); ok {
		return runlog.Float(loss), nil
	}
	return runlog.Float(p.loss.Value().Data().(float32)), nil
}
