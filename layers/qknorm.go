package layers

import (
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/extent"
	"gorgonorm/internal/op"
)

// RowNorm is a norm that treats each row by itself, such as LayerNorm and DyT.
type RowNorm interface {
	Layer
	self() *module
	// rowKernels returns kernels for one node and the number of features.
	rowKernels() (f32 op.Kernel[float32], f64 op.Kernel[float64], features int)
	// along returns the axes of the features, nil if they are the last ones.
	along() []int
}

// QKNorm normalizes each head's queries and keys. This bounds the logits of attention,
// however large its weights grow (Henry et al. 2020, arXiv 2010.04245; Dehghani et al. 2023,
// arXiv 2302.05442):
//
//	q' = norm_q(q)    k' = norm_k(k)    v' = v
//
// Its input and its output are inputs of CausalSelfAttention, of shape (batch, time,
// 3·channels). The norms are over the channels/heads features of a head's query or key, and
// all heads share their learnables. The backward pass is that of the norms.
type QKNorm struct {
	module
	heads, size int
	query, key  RowNorm
}

// NewQKNorm returns a QKNorm of two norms on one graph. Learnables are the query's, then the
// key's. It takes WithName.
func NewQKNorm(heads int, query, key RowNorm, opts ...Option) (*QKNorm, error) {
	m, err := newStateless("QKNorm", opts)
	if err != nil {
		return nil, err
	}
	if heads < 1 {
		return nil, m.errorf("has %d heads, want 1 or more", heads)
	}
	if op.IsNil(query) || op.IsNil(key) {
		return nil, m.errorf("the query's or the key's norm is nil")
	}
	q, k := query.self(), key.self()
	if q == k {
		return nil, m.errorf("the query's and the key's norm are one layer, want two")
	}
	if q.g != k.g {
		return nil, m.errorf("the key's norm is on another graph than the query's")
	}
	if q.dtype != k.dtype {
		return nil, m.errorf("the key's norm is of type %v, want %v as the query's", k.dtype, q.dtype)
	}
	for i, norm := range []RowNorm{query, key} {
		if axes := norm.along(); axes != nil {
			return nil, m.errorf("the %s's norm is along the axes %v, want the last ones", []string{"query", "key"}[i], axes)
		}
	}
	_, _, size := query.rowKernels()
	if _, _, n := key.rowKernels(); n != size {
		return nil, m.errorf("the key's norm has %d features, want %d as the query's", n, size)
	}
	if _, err := extent.Of("a row", tensor.Shape{3, heads, size}); err != nil {
		return nil, m.errorf("%w", err)
	}
	m.g, m.dtype = q.g, q.dtype
	m.learnables = slices.Concat(q.learnables, k.learnables)
	return &QKNorm{module: m, heads: heads, size: size, query: query, key: key}, nil
}

// Forward returns qkv with queries and keys normalized, in its shape.
func (l *QKNorm) Forward(qkv *G.Node) (*G.Node, error) {
	if err := l.check(qkv); err != nil {
		return nil, err
	}
	s, channels := qkv.Shape(), l.heads*l.size
	if s.Dims() != 3 || s[2] != 3*channels {
		return nil, l.errorf("input shape is %v, want (batch, time, %d) for %d heads of %d features",
			s, 3*channels, l.heads, l.size)
	}
	if err := l.checkDtype(qkv); err != nil {
		return nil, err
	}
	q32, q64, _ := l.query.rowKernels()
	k32, k64, _ := l.key.rowKernels()
	tokens, learnables := s[0]*s[1], len(l.query.Learnables())
	return op.Apply(l.label(), s,
		newQKNormKernel(q32, k32, tokens, l.heads, l.size, learnables),
		newQKNormKernel(q64, k64, tokens, l.heads, l.size, learnables),
		l.with(qkv)...)
}

// Fwd is Forward in Gorgonia's composable form.
func (l *QKNorm) Fwd(qkv G.Input) G.Result { return fwd(l, qkv) }

// On returns the layer and its norms on another graph, or once more on their own, with the same
// learnables. The mode makes no difference.
func (l *QKNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) {
	for _, norm := range []RowNorm{l.query, l.key} { // check both before one is placed
		if op.IsNil(norm) {
			return nil, l.errorf("is not from NewQKNorm")
		}
		if err := norm.self().checkGraph(g); err != nil {
			return nil, err
		}
	}
	query, err := l.query.On(g, mode)
	if err != nil {
		return nil, err
	}
	key, err := l.key.On(g, mode)
	if err != nil {
		return nil, err
	}
	return NewQKNorm(l.heads, query.(RowNorm), key.(RowNorm), WithName(l.name))
}

// Norms returns the query's norm and the key's.
func (l *QKNorm) Norms() Stack { return Stack{l.query, l.key} }

// State returns the norms' states, with the prefixes "query." and "key." to their names.
func (l *QKNorm) State() State { return l.parts().state() }

// Load copies the values of such a state into both norms, as a layer's Load does. If either
// norm cannot load it, neither does.
func (l *QKNorm) Load(s State) error {
	if err := l.parts().load(s); err != nil {
		return l.errorf("%w", err)
	}
	return nil
}

func (l *QKNorm) rejoin() error { return l.Norms().Rejoin() }

func (l *QKNorm) parts() compound {
	if op.IsNil(l.query) || op.IsNil(l.key) { // it is not from NewQKNorm
		return nil
	}
	return compound{{"query.", l.query}, {"key.", l.key}}
}

// qkNorm is the kernel. Its inputs are qkv, the query's learnables and the key's.
type qkNorm[T op.Float] struct {
	channels   int
	learnables int // of the query
	query, key packed[T]
}

func newQKNormKernel[T op.Float](query, key op.Kernel[T], tokens, heads, size, learnables int) *qkNorm[T] {
	rows := tensor.Shape{tokens * heads, size}
	return &qkNorm[T]{
		channels:   heads * size,
		learnables: learnables,
		query:      packed[T]{norm: query, rows: rows},
		key:        packed[T]{norm: key, rows: rows},
	}
}

func (k *qkNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	qkv, c := in[0].Data, k.channels
	copyColumns(out.Data[2*c:], 3*c, qkv[2*c:], 3*c, c)
	split := 1 + k.learnables
	if err := k.query.forward(out.Data, qkv, c, in[1:split]); err != nil {
		return err
	}
	return k.key.forward(out.Data[c:], qkv[c:], c, in[split:])
}

func (k *qkNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	dqkv, c := din[0].Data, k.channels
	copyColumns(dqkv[2*c:], 3*c, dout.Data[2*c:], 3*c, c)
	split := 1 + k.learnables
	if err := k.query.backward(dqkv, dout.Data, c, din[1:split], in[1:split]); err != nil {
		return err
	}
	return k.key.backward(dqkv[c:], dout.Data[c:], c, din[split:], in[split:])
}

// packed applies a norm to the queries, or the keys, of all tokens and heads, which it
// copies to the rows of a matrix.
type packed[T op.Float] struct {
	norm         op.Kernel[T]
	rows         tensor.Shape
	x, y, dx, dy []T
	in, din      []op.Array[T] // reused
}

func (p *packed[T]) array(data *[]T) op.Array[T] {
	*data = cpu.Grow(*data, p.rows.TotalSize())
	return op.Array[T]{Shape: p.rows, Data: *data}
}

// forward normalizes the first channels of each token's 3·channels elements of qkv.
func (p *packed[T]) forward(out, qkv []T, channels int, learnables []op.Array[T]) error {
	x, y := p.array(&p.x), p.array(&p.y)
	copyColumns(x.Data, channels, qkv, 3*channels, channels)
	p.in = append(append(p.in[:0], x), learnables...)
	if err := p.norm.Forward(y, p.in); err != nil {
		return err
	}
	copyColumns(out, 3*channels, y.Data, channels, channels)
	return nil
}

// backward computes forward's gradients, with the x that forward has packed.
func (p *packed[T]) backward(dqkv, dout []T, channels int, dlearnables, learnables []op.Array[T]) error {
	dx, dy := p.array(&p.dx), p.array(&p.dy)
	copyColumns(dy.Data, channels, dout, 3*channels, channels)
	p.in = append(append(p.in[:0], p.array(&p.x)), learnables...)
	p.din = append(append(p.din[:0], dx), dlearnables...)
	if err := p.norm.Backward(p.din, p.in, p.array(&p.y), dy); err != nil {
		return err
	}
	copyColumns(dqkv, 3*channels, dx.Data, channels, channels)
	return nil
}

// copyColumns copies the first cols elements of each row until dst ends. Rows are ldd
// elements apart in dst and lds in src.
func copyColumns[T op.Float](dst []T, ldd int, src []T, lds, cols int) {
	for d, s := 0, 0; d < len(dst); d, s = d+ldd, s+lds {
		copy(dst[d:d+cols], src[s:s+cols])
	}
}
