package transformer

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/extent"
	"gorgonorm/internal/op"
	"gorgonorm/layers"
)

// Activations holds the nodes of a forward pass.
type Activations struct {
	Logits   *G.Node     // (B, T, vocabulary)
	Residual []*G.Node   // residual stream (B, T, C): the embedding, then each block's output
	Norms    []NormNodes // one per norm, in the order of application; QKNorm's hold queries, keys and values
	QKV      []*G.Node   // input of each block's attention, (B, T, 3C)
}

// NormNodes holds a norm's input and its output before any noise and before the factor of Scaled. In
// a model without norms they are the same node, and the layer is an Identity.
type NormNodes struct {
	Layer   layers.Layer
	In, Out *G.Node
}

// Forward adds a forward pass to the graph. The ids have type tensor.Int and shape (B, T), where
// T is at most the context.
func (m *Model) Forward(ids *G.Node) (*Activations, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	if err := op.CheckNode(ids); err != nil {
		return nil, fmt.Errorf("transformer: the node of ids %w, want one of shape (batch, time)", err)
	}
	s := ids.Shape()
	if s.Dims() != 2 || s.TotalSize() == 0 || s[1] > m.config.Context {
		return nil, fmt.Errorf("transformer: ids have shape %v, want (batch, time), both 1 or more, "+
			"with time up to the context of %d", s, m.config.Context)
	}
	widest := tensor.Shape{s[0], s[1], max(4*m.config.Channels, m.config.Vocab)}
	if _, err := extent.Of("the widest activation", widest); err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	f := m.forward()
	m.stream(f, ids, m.positions(s))
	m.head(f)
	if f.err != nil {
		return nil, fmt.Errorf("transformer: %w", f.err)
	}
	return &f.Activations, nil
}

func (m *Model) forward() *forward {
	return &forward{placement: m.config.Placement, residual: m.residual, noise: m.noise, channels: m.config.Channels}
}

// stream runs the residual stream through all blocks.
func (m *Model) stream(f *forward, ids, positions *G.Node) {
	f.x, f.branch = f.apply(m.wte, ids), f.apply(m.wpe, positions)
	for _, b := range m.blocks {
		f.connect(b.depth, b.norm1, true, func(x *G.Node) *G.Node { return b.attend(f, x) })
		f.connect(b.depth, b.norm2, false, func(x *G.Node) *G.Node { return b.mlp(f, x) })
	}
}

// head computes the logits from the residual stream.
func (m *Model) head(f *forward) {
	var x *G.Node
	if len(m.finalNorm) > 0 {
		x = f.norm(m.finalNorm[0])
	} else {
		f.join()
		x = f.x
	}
	f.Residual = append(f.Residual, f.x)
	if f.err == nil {
		f.Logits, f.err = m.wte.Attend(x)
	}
}

// Logits adds a forward pass to the graph and returns the logits of each next token, of shape
// (B, T, vocabulary).
func (m *Model) Logits(ids *G.Node) (*G.Node, error) {
	a, err := m.Forward(ids)
	if err != nil {
		return nil, err
	}
	return a.Logits, nil
}

// Loss returns the mean cross-entropy of the next tokens, a scalar in nats. The targets have
// shape (B, T).
func (m *Model) Loss(logits, targets *G.Node) (*G.Node, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	loss, err := m.loss.Forward(logits, targets)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	return loss, nil
}

// positions returns an input node that holds 0…T−1 for each sequence.
func (m *Model) positions(s tensor.Shape) *G.Node {
	p := make([]int, s.TotalSize())
	for i := range p {
		p[i] = i % s[1]
	}
	return m.input("transformer.positions", s, p)
}

// input returns an input node of integers that uses v as its memory.
func (m *Model) input(name string, s tensor.Shape, v []int) *G.Node {
	d := tensor.New(tensor.WithShape(s...), tensor.WithBacking(v))
	return G.NewTensor(m.g, tensor.Int, len(s), G.WithShape(s...), G.WithName(name), G.WithValue(d))
}

// forward applies layers until the first error.
type forward struct {
	Activations
	placement Placement
	residual  *layers.Residual
	noise     *NormNoise
	channels  int
	err       error

	x, branch *G.Node // the residual stream is their sum, or x if there is no branch
}

// connect applies a residual connection around a branch, with norms where the placement puts them. The
// depth is that of the block; first is whether this is its first connection.
func (f *forward) connect(depth int, n layers.Stack, first bool, branch func(*G.Node) *G.Node) {
	if f.placement == Post {
		f.join()
		f.keep(first)
		f.branch = branch(f.x)
		f.x, f.branch = f.norm(n[0]), nil
		return
	}
	h := f.norm(n[0])
	f.keep(first)
	switch f.placement {
	case Peri:
		f.branch = f.noisy(n[1].Name(), f.normalize(n[1], branch(h)))
	case Scaled:
		f.branch = branch(f.scaled(n[0].Name(), depth, h))
	default: // Pre and Open
		f.branch = branch(h)
	}
}

// keep keeps the residual stream before a block's first connection.
func (f *forward) keep(first bool) {
	if first {
		f.Residual = append(f.Residual, f.x)
	}
}

// join adds the branch to the residual stream.
func (f *forward) join() {
	if f.branch != nil && f.err == nil {
		f.x, f.err = f.residual.Forward(f.x, f.branch)
		f.branch = nil
	}
}

// norm adds the branch to the residual stream, and returns its norm with the model's noise.
func (f *forward) norm(l layers.Layer) (y *G.Node) {
	if f.branch == nil {
		return f.noisy(l.Name(), f.normalize(l, f.x))
	}
	if f.err == nil {
		f.x, y, f.err = layers.AddNorm(l, f.x, f.branch)
		f.branch = nil
		f.Norms = append(f.Norms, NormNodes{l, f.x, y})
	}
	return f.noisy(l.Name(), y)
}

func (f *forward) normalize(l layers.Layer, x *G.Node) *G.Node {
	y := f.apply(l, x)
	f.Norms = append(f.Norms, NormNodes{l, x, y})
	return y
}

func (f *forward) apply(l layers.Layer, x *G.Node) (y *G.Node) {
	if f.err == nil {
		y, f.err = l.Forward(x)
	}
	return y
}
