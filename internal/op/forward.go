package op

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// forward computes a kernel's output. It is an SDOp and an ADOp.
type forward[T Float] struct {
	base
	kernel Forward[T]
	in     reader[T]
	owned  owned // inputs that have a Memory
	out    value[T]

	auto *gradients[T] // the gradients for a LispMachine, created on first use
}

func newForward[T Float](label string, shape tensor.Shape, k Forward[T], inputs []*G.Node) *forward[T] {
	return &forward[T]{
		base:   newBase(label, "forward", shape, tensorType(dtype[T](), shape), inputs),
		kernel: k,
		in:     newReader[T](inputs),
		owned:  ownedOf(inputs),
		out:    value[T]{shape: shape},
	}
}

// Do runs the kernel on the inputs' values.
func (f *forward[T]) Do(inputs ...G.Value) (_ G.Value, err error) {
	defer f.guard(&err)
	if err := f.owned.check(); err != nil {
		return nil, err
	}
	in, err := f.in.read(inputs)
	if err != nil {
		return nil, err
	}
	if out := f.out.array(); len(out.Data) > 0 {
		if err := f.kernel.Forward(out, in); err != nil {
			return nil, err
		}
	}
	return f.out.value(), nil
}

// DiffWRT reports that every float input has a gradient, even if the kernel has none, so that
// Gorgonia calls SymDiff, which returns the error.
func (f *forward[T]) DiffWRT(int) []bool { return f.in.float }

// SymDiff adds the backward operation, which returns the first input's gradient, and a pick for each
// of the others. It returns an error if the kernel has no Backward.
func (f *forward[T]) SymDiff(inputs G.Nodes, output, grad *G.Node) (_ G.Nodes, err error) {
	defer f.guard(&err)
	b, err := f.newBackward(inputs, output, grad)
	if err != nil {
		return nil, err
	}
	return b.apply()
}

// DoDiff adds the inputs' gradients to those that a LispMachine stores with each value.
func (f *forward[T]) DoDiff(_ G.ExecutionContext, inputs G.Nodes, output *G.Node) (err error) {
	defer f.guard(&err)
	if f.auto == nil {
		if f.auto, err = f.newBackward(inputs, output, output); err != nil {
			return err
		}
	}
	dout, err := output.Grad()
	if err != nil {
		return err
	}
	values := make([]G.Value, 0, len(inputs)+2)
	for _, in := range inputs {
		values = append(values, in.Value())
	}
	if err := f.auto.run(append(values, output.Value(), dout)); err != nil {
		return err
	}
	for i, in := range inputs {
		if !f.in.float[i] {
			continue
		}
		d, err := in.Grad()
		if err != nil {
			return err
		}
		if err := accumulate(d, f.auto.results[i].data); err != nil {
			return err
		}
	}
	return nil
}
