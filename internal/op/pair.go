package op

import (
	"errors"
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/extent"
)

// Pair is a kernel with two outputs, the first of which is the sum of its first two inputs. All four are of
// one shape. A kernel belongs to one node, so Forward may store what Backward needs.
type Pair[T Float] interface {
	// Forward overwrites both outputs. It is called only if they have at least one element.
	Forward(sum, out Array[T], in []Array[T]) error
	// Backward overwrites dsum, the gradient of the first two inputs, and din, those of the others, after Forward
	// has run on the same in. given and dout are the gradients of the outputs; the Data of one on which nothing
	// depends is nil, but not of both.
	Backward(dsum Array[T], din []Array[T], in []Array[T], sum, given, dout Array[T]) error
}

// ApplyPair adds the nodes of a kernel's outputs. It is otherwise like Apply.
//
// Gorgonia's operations have one output. So the kernel runs in an operation that returns a token, a scalar, and
// each output is the value of an operation on the token. Gradients come back the same way: that of an output
// becomes a token, Gorgonia adds the tokens, and the kernel's backward operation takes the gradients that the
// tokens stand for. So it is one pass, although Gorgonia would add the gradients of a node that is used twice.
func ApplyPair(label string, f32 Pair[float32], f64 Pair[float64], inputs ...*G.Node) (sum, out *G.Node, err error) {
	dt, err := floatType(inputs)
	if err == nil {
		_, err = extent.Of("the output", inputs[0].Shape())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("layers: %s: %w", label, err)
	}
	if dt == tensor.Float32 {
		return applyPair(label, f32, inputs)
	}
	return applyPair(label, f64, inputs)
}

func applyPair[T Float](label string, k Pair[T], inputs []*G.Node) (sum, out *G.Node, err error) {
	shape := inputs[0].Shape()
	p := &pair[T]{
		base:    newBase(label, "forward", tensor.ScalarShape(), dtype[T](), inputs),
		kernel:  k,
		in:      newReader[T](inputs),
		owned:   ownedOf(inputs),
		outputs: [2]value[T]{{shape: shape}, {shape: shape}},
		token:   value[T]{shape: tensor.ScalarShape()},
	}
	token, err := apply(p, inputs)
	if err != nil {
		return nil, nil, err
	}
	on := G.Nodes{token}
	if sum, err = p.output(0, "sum", on); err != nil {
		return nil, nil, err
	}
	// The output depends on the sum, so that the sum is no root of the graph, of which a LispMachine takes only one.
	out, err = p.output(1, "output", append(on, sum))
	return sum, out, err
}

// pair computes a kernel's outputs. Its own value is a token that stands for them.
type pair[T Float] struct {
	base
	kernel  Pair[T]
	in      reader[T]
	owned   owned
	outputs [2]value[T]
	token   value[T]

	auto  *gradients[T] // the gradients for a LispMachine, created on first use
	given [2]G.Value    // the outputs' gradients in a LispMachine's run
}

// output adds the node of an output.
func (p *pair[T]) output(index int, role string, on G.Nodes) (*G.Node, error) {
	shape := p.outputs[index].shape
	return apply(&output[T]{newBase(p.label, role, shape, tensorType(dtype[T](), shape), on), p, index}, on)
}

// outputsOn returns the nodes of the outputs on the graph of the pair's node, which may be a Clone.
func (p *pair[T]) outputsOn(n *G.Node) G.Nodes {
	var found [2]*G.Node
	for above := n.Graph().To(n.ID()); above.Next(); {
		node := above.Node().(*G.Node)
		if o, ok := node.Op().(*output[T]); ok && o.of == p {
			found[o.index] = node
		}
	}
	return slices.DeleteFunc(found[:], func(n *G.Node) bool { return n == nil })
}

// Do runs the kernel on the inputs' values.
func (p *pair[T]) Do(inputs ...G.Value) (_ G.Value, err error) {
	defer p.guard(&err)
	if err := p.owned.check(); err != nil {
		return nil, err
	}
	in, err := p.in.read(inputs)
	if err != nil {
		return nil, err
	}
	p.given = [2]G.Value{}
	if sum := p.outputs[0].array(); len(sum.Data) > 0 {
		if err := p.kernel.Forward(sum, p.outputs[1].array(), in); err != nil {
			return nil, err
		}
	}
	p.token.array()
	return p.token.value(), nil
}

// DiffWRT reports that every float input has a gradient.
func (p *pair[T]) DiffWRT(int) []bool { return p.in.float }

// SymDiff adds the backward operation. grad is a token, or a sum of two.
func (p *pair[T]) SymDiff(inputs G.Nodes, output, grad *G.Node) (_ G.Nodes, err error) {
	defer p.guard(&err)
	var given [2]*G.Node
	if err := p.tokens(grad, &given); err != nil {
		return nil, err
	}
	// Gorgonia overwrites the outputs after their last use. The kernel needs the sum, and a reader both.
	b := p.newBackward(inputs, given, append(G.Nodes{output, grad}, p.outputsOn(output)...)...)
	grads, err := b.apply()
	if err != nil {
		return nil, err
	}
	return slices.Insert(grads, 1, grads[0]), nil
}

// tokens finds the gradients for which a token, or a sum of tokens, stands.
func (p *pair[T]) tokens(grad *G.Node, given *[2]*G.Node) error {
	operands, _ := Operands(grad)
	if t, ok := grad.Op().(*token[T]); ok && t.of == p {
		given[t.index] = operands[0]
		return nil
	}
	if len(operands) == 0 {
		return errors.New("has a gradient only through its outputs")
	}
	for _, o := range operands {
		if err := p.tokens(o, given); err != nil {
			return err
		}
	}
	return nil
}

// newBackward returns the operation that computes the gradients of the sum, which is that of the first two inputs,
// and of the other inputs. Its children are these, nodes whose values it needs, and the gradients of those outputs
// that have one.
func (p *pair[T]) newBackward(inputs G.Nodes, given [2]*G.Node, needs ...*G.Node) *gradients[T] {
	others, n := inputs[2:], len(inputs)-2
	children := append(append(G.Nodes{}, others...), needs...)
	places := [2]int{-1, -1} // of the outputs' gradients among the children
	for i, g := range given {
		if g != nil {
			places[i] = len(children)
			children = append(children, g)
		}
	}
	wrt := append(G.Nodes{inputs[0]}, others...)
	return newGradients(p.label, "backward", wrt, children, func(din, in []Array[T]) error {
		sum := p.outputs[0].array()
		if len(sum.Data) == 0 {
			zero(din)
			return nil
		}
		var grads [2]Array[T]
		for i, at := range places {
			if at >= 0 {
				grads[i] = in[at]
			}
		}
		return p.kernel.Backward(din[0], din[1:], in[:n], sum, grads[0], grads[1])
	})
}

// DoDiff adds the inputs' gradients to those that a LispMachine stores with each value.
func (p *pair[T]) DoDiff(_ G.ExecutionContext, inputs G.Nodes, output *G.Node) (err error) {
	defer p.guard(&err)
	nodes, values := [2]*G.Node{}, []G.Value{}
	for _, in := range inputs[2:] {
		values = append(values, in.Value())
	}
	for i, g := range p.given {
		if g != nil {
			nodes[i] = inputs[0] // of the gradient's type and shape
			values = append(values, g)
		}
	}
	if len(values) == len(inputs)-2 {
		return nil // nothing depends on an output
	}
	if p.auto == nil {
		p.auto = p.newBackward(inputs, nodes)
	}
	if err := p.auto.run(values); err != nil {
		return err
	}
	for i, in := range inputs {
		d, err := in.Grad()
		if err != nil {
			return err
		}
		if err := accumulate(d, p.auto.results[max(0, i-1)].data); err != nil {
			return err
		}
	}
	return nil
}

// output returns one of a pair's outputs.
type output[T Float] struct {
	base
	of    *pair[T]
	index int
}

// Do returns the output, which the pair has computed.
func (o *output[T]) Do(...G.Value) (G.Value, error) {
	o.of.outputs[o.index].array()
	return o.of.outputs[o.index].value(), nil
}

// DiffWRT reports that the token has a gradient.
func (o *output[T]) DiffWRT(inputs int) []bool { return []bool{true, false}[:inputs] }

// SymDiff returns a token that stands for the output's gradient.
func (o *output[T]) SymDiff(inputs G.Nodes, _, grad *G.Node) (_ G.Nodes, err error) {
	defer o.guard(&err)
	t := &token[T]{newBase(o.label, o.role+"'s gradient", tensor.ScalarShape(), dtype[T](), G.Nodes{grad}), o.of, o.index,
		value[T]{shape: tensor.ScalarShape()}}
	n, err := apply(t, G.Nodes{grad})
	return G.Nodes{n, nil}[:len(inputs)], err
}

// DoDiff gives the output's gradient to the pair.
func (o *output[T]) DoDiff(_ G.ExecutionContext, _ G.Nodes, output *G.Node) (err error) {
	defer o.guard(&err)
	o.of.given[o.index], err = output.Grad()
	return err
}

// token stands for the gradient of a pair's output.
type token[T Float] struct {
	base
	of    *pair[T]
	index int
	zero  value[T]
}

func (t *token[T]) Do(...G.Value) (G.Value, error) {
	t.zero.array()
	return t.zero.value(), nil
}

func (t *token[T]) DiffWRT(int) []bool { return []bool{true} }

// SymDiff returns an error: a pair has no second derivatives.
func (t *token[T]) SymDiff(G.Nodes, *G.Node, *G.Node) (_ G.Nodes, err error) {
	defer t.guard(&err)
	return nil, errNoSecond
}

// DoDiff returns an error, like that of gradients.
func (t *token[T]) DoDiff(G.ExecutionContext, G.Nodes, *G.Node) (err error) {
	defer t.guard(&err)
	return errLisp
}
