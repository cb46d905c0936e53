package op

import (
	"errors"

	G "gorgonia.org/gorgonia"
)

// gradient is an operation that a gradient is made of. It refuses a second
// derivative while the graph is built. (Were it no SDOp, Gorgonia would refuse
// every further Grad on the graph.)
type gradient struct{ base }

func (g *gradient) DiffWRT(inputs int) []bool {
	all := make([]bool, inputs)
	for i := range all {
		all[i] = true
	}
	return all
}

func (g *gradient) SymDiff(G.Nodes, *G.Node, *G.Node) (_ G.Nodes, err error) {
	defer g.guard(&err)
	return nil, errors.New("has no second derivative")
}

// backward computes all of a kernel's gradients at once and returns the first.
// Its inputs are the forward operation's, its output and that one's gradient:
// they order it after the forward run whose state it uses.
type backward[T Float] struct {
	gradient
	kernel Kernel[T]
	in     reader[T]
	din    []value[T]
	first  int // index of the first float input

	arrays []Array[T] // of din, reused
}

// newBackward also returns the nodes that the operation is to be applied to.
func (f *forward[T]) newBackward(inputs G.Nodes, output, grad *G.Node) (*backward[T], G.Nodes, error) {
	children := append(append(G.Nodes{}, inputs...), output, grad)
	if !grad.Shape().Eq(f.shape) {
		return nil, nil, shapeError("the output's gradient", grad.Shape(), f.shape)
	}
	b := &backward[T]{
		kernel: f.kernel,
		in:     newReader[T](children),
		din:    make([]value[T], len(inputs)),
		arrays: make([]Array[T], len(inputs)),
		first:  -1,
	}
	for i, in := range inputs {
		b.din[i].shape = in.Shape()
		if f.in.float[i] && b.first < 0 {
			b.first = i
		}
	}
	first := inputs[b.first]
	b.gradient = gradient{newBase(f.label, "backward", first.Shape(), first.Type(), children)}
	return b, children, nil
}

// Do runs the kernel's backward function.
func (b *backward[T]) Do(inputs ...G.Value) (_ G.Value, err error) {
	defer b.guard(&err)
	if err := b.run(inputs); err != nil {
		return nil, err
	}
	return b.din[b.first].value(), nil
}

func (b *backward[T]) run(inputs []G.Value) error {
	in, err := b.in.read(inputs)
	if err != nil {
		return err
	}
	for i := range b.din {
		if b.in.float[i] {
			b.arrays[i] = b.din[i].array()
		}
	}
	n := len(b.din)
	return b.kernel.Backward(b.arrays, in[:n], in[n], in[n+1])
}

// pick returns another gradient of the backward operation that it depends on.
type pick[T Float] struct {
	gradient
	from  *backward[T]
	index int
}

func newPick[T Float](b *backward[T], index int, first, input *G.Node) *pick[T] {
	return &pick[T]{
		gradient: gradient{newBase(b.label, "gradient of "+input.Name(), input.Shape(), input.Type(), []*G.Node{first})},
		from:     b,
		index:    index,
	}
}

// Do returns what the backward operation has computed.
func (p *pick[T]) Do(...G.Value) (G.Value, error) { return p.from.din[p.index].value(), nil }
