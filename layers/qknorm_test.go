package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/golden"
)

// newRowNorm returns a norm of a query or key.
type newRowNorm func(g *G.ExprGraph, name string) (RowNorm, error)

func layerNorms(size int, opts ...Option) newRowNorm {
	return func(g *G.ExprGraph, name string) (RowNorm, error) {
		return NewLayerNorm(g, size, append([]Option{WithName(name)}, opts...)...)
	}
}

func rmsNorms(size int, opts ...Option) newRowNorm {
	return func(g *G.ExprGraph, name string) (RowNorm, error) {
		return NewRMSNorm(g, size, append([]Option{WithName(name)}, opts...)...)
	}
}

func newQKNorm(t *testing.T, g *G.ExprGraph, heads int, norm newRowNorm) *QKNorm {
	t.Helper()
	query, err := norm(g, "q_norm")
	require.NoError(t, err)
	key, err := norm(g, "k_norm")
	require.NoError(t, err)
	l, err := NewQKNorm(heads, query, key)
	require.NoError(t, err)
	return l
}

func TestQKNormGradients(t *testing.T) {
	for name, norm := range map[string]func(size int) newRowNorm{
		"LayerNorm":         func(size int) newRowNorm { return layerNorms(size, f64) },
		"LayerNorm/no bias": func(size int) newRowNorm { return layerNorms(size, f64, WithoutBias()) },
		"RMSNorm":           func(size int) newRowNorm { return rmsNorms(size, f64) },
		"Derf": func(size int) newRowNorm {
			return func(g *G.ExprGraph, name string) (RowNorm, error) { return NewDerf(g, size, WithName(name), f64) }
		},
	} {
		for _, s := range []struct{ batch, time, heads, size int }{
			{1, 1, 1, 5}, {2, 3, 2, 4}, {1, 4, 3, 2}, {3, 1, 2, 3},
		} {
			t.Run(fmt.Sprintf("%s/%+v", name, s), func(t *testing.T) {
				shape := []int{s.batch, s.time, 3 * s.heads * s.size}
				rng := rand.New(rand.NewPCG(10, uint64(s.size)))
				values := []any{normals(rng, tensor.Shape(shape).TotalSize(), 0.5, 1.5)}
				for _, w := range newQKNorm(t, G.NewGraph(), s.heads, norm(s.size)).Learnables() {
					values = append(values, normals(rng, w.Shape().TotalSize(), 0.7, 0.5))
				}
				checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
					l := newQKNorm(t, g, s.heads, norm(s.size))
					x := input(g, "qkv", tensor.Float64, values[0], shape...)
					for i, w := range l.Learnables() {
						overwrite(w, values[i+1].([]float64))
					}
					return testLayer{append(G.Nodes{x}, l.Learnables()...), func() (*G.Node, error) { return l.Forward(x) }}
				})
			})
		}
	}
}

// TestQKNormIsItsNormsOnEachHead compares values and gradients to the last bit with those of
// the norms alone on the same rows.
func TestQKNormIsItsNormsOnEachHead(t *testing.T) {
	const batch, time, heads, size = 3, 50, 4, 16
	const channels, tokens = heads * size, batch * time
	rng := rand.New(rand.NewPCG(11, 11))
	x, upstream := normals(rng, tokens*3*channels, 0.5, 1.5), normals(rng, tokens*3*channels, 0, 1)
	weights := [][]float64{
		normals(rng, size, 1, 0.3), normals(rng, size, 0, 0.3), normals(rng, size, 1, 0.3), normals(rng, size, 0, 0.3),
	}
	third := func(x []float64, i int) (rows []float64) { // queries, keys or values
		for t := range tokens {
			rows = append(rows, x[(3*t+i)*channels:(3*t+i+1)*channels]...)
		}
		return rows
	}
	for name, dt := range dtypes {
		for _, machine := range machines {
			t.Run(name+"/"+machine, func(t *testing.T) {
				g := G.NewGraph()
				l := newQKNorm(t, g, heads, layerNorms(size, WithDtype(dt)))
				for i, w := range l.Learnables() {
					overwrite(w, weights[i])
				}
				qkv := input(g, "qkv", dt, x, batch, time, 3*channels)
				y, grads := gradients(t, machine, testLayer{
					append(G.Nodes{qkv}, l.Learnables()...),
					func() (*G.Node, error) { return l.Forward(qkv) },
				}, upstream)
				rounded := func(x []float64) []float64 { return float64s(tensor.New(tensor.WithBacking(as(dt, x)))) }
				require.Equal(t, rounded(third(x, 2)), third(y, 2), "values")
				require.Equal(t, rounded(third(upstream, 2)), third(grads[0], 2), "gradient of values")

				for i, which := range []string{"queries", "keys"} {
					g := G.NewGraph()
					norm, err := layerNorms(size, WithDtype(dt))(g, "norm")
					require.NoError(t, err)
					overwrite(norm.Learnables()[0], weights[2*i])
					overwrite(norm.Learnables()[1], weights[2*i+1])
					rows := input(g, "rows", dt, third(x, i), tokens*heads, size)
					want, wantGrads := gradients(t, machine, testLayer{
						append(G.Nodes{rows}, norm.Learnables()...),
						func() (*G.Node, error) { return norm.Forward(rows) },
					}, third(upstream, i))
					require.Equal(t, want, third(y, i), which)
					require.Equal(t, wantGrads[0], third(grads[0], i), "gradient of %s", which)
					require.Equal(t, wantGrads[1:], grads[1+2*i:3+2*i], "gradients of the learnables of %s", which)
				}
			})
		}
	}
}

func TestQKNormEqualsPyTorch(t *testing.T) {
	var f struct {
		Cases []struct {
			Name, Dtype, Norm            string
			Heads                        int
			Eps                          float64
			X, Dy, Y, Dx                 golden.Tensor
			Qweight, Kweight             golden.Tensor
			Dqweight, Dkweight           golden.Tensor
			Qbias, Kbias, Dqbias, Dkbias *golden.Tensor
		}
	}
	golden.Read(t, "qknorm.json", &f)
	require.NotEmpty(t, f.Cases)
	for _, c := range f.Cases {
		for _, machine := range machines {
			t.Run(c.Name+"/"+machine, func(t *testing.T) {
				size, opts := c.Qweight.Shape[0], []Option{WithDtype(dtypes[c.Dtype]), WithEps(c.Eps)}
				norm := rmsNorms(size, opts...)
				if c.Norm == "layer" {
					if c.Qbias == nil {
						opts = append(opts, WithoutBias())
					}
					norm = layerNorms(size, opts...)
				}
				g := G.NewGraph()
				l := newQKNorm(t, g, c.Heads, norm)
				setAll(t, l.query, c.Qweight, c.Qbias)
				setAll(t, l.key, c.Kweight, c.Kbias)
				x := input(g, "qkv", dtypes[c.Dtype], c.X.Data, c.X.Shape...)
				y, grads := gradients(t, machine, testLayer{
					append(G.Nodes{x}, l.Learnables()...),
					func() (*G.Node, error) { return l.Forward(x) },
				}, c.Dy.Data)
				want := [][]float64{c.Dx.Data, c.Dqweight.Data, c.Dkweight.Data}
				if c.Qbias != nil {
					want = [][]float64{c.Dx.Data, c.Dqweight.Data, c.Dqbias.Data, c.Dkweight.Data, c.Dkbias.Data}
				}
				golden.RequireClose(t, c.Y.Data, y, tolerance[c.Dtype], "y")
				require.Len(t, grads, len(want))
				for i := range want {
					golden.RequireClose(t, want[i], grads[i], tolerance[c.Dtype], "gradient %d", i)
				}
			})
		}
	}
}

// TestQKNormBoundsTheLogits checks that no q·k/√size is above √size. Without γ and β the
// length of queries and keys is √size.
func TestQKNormBoundsTheLogits(t *testing.T) {
	const batch, time, heads, size = 2, 70, 2, 16
	h := cpu.Heads{B: batch, T: time, C: heads * size, Heads: heads}
	x := normals(rand.New(rand.NewPCG(12, 12)), batch*time*3*h.C, 0, 1e3)
	require.Greater(t, cpu.MaxAttentionLogit(x, h), 1e6)
	for _, norm := range []newRowNorm{layerNorms(size, f64), rmsNorms(size, f64)} {
		g := G.NewGraph()
		l := newQKNorm(t, g, heads, norm)
		qkv := input(g, "qkv", tensor.Float64, x, batch, time, 3*h.C)
		y, _ := gradients(t, "tape", testLayer{G.Nodes{qkv}, func() (*G.Node, error) { return l.Forward(qkv) }}, x)
		top := cpu.MaxAttentionLogit(y, h)
		require.LessOrEqual(t, top, math.Sqrt(size))
		require.Greater(t, top, 0.5*math.Sqrt(size))
	}
}

// TestQKNormOnASecondGraph changes weights on the first.
func TestQKNormOnASecondGraph(t *testing.T) {
	g, g2 := G.NewGraph(), G.NewGraph()
	l := newQKNorm(t, g, 2, layerNorms(2))
	placed, err := l.On(g2, Evaluation)
	require.NoError(t, err)
	require.Equal(t, l.Name(), placed.Name())
	var names []string
	for _, n := range placed.Learnables() {
		require.Same(t, g2, n.Graph())
		names = append(names, n.Name())
	}
	require.Equal(t, []string{"q_norm.weight", "q_norm.bias", "k_norm.weight", "k_norm.bias"}, names)
	x, upstream := normals(rand.New(rand.NewPCG(13, 13)), 24, 0, 1), make([]float64, 24)
	step := newSteps(t, "tape", g2, placed, tensor.Float32, []int{1, 2, 12})
	y, _ := step(x, upstream)
	changed := slices.Clone(y)
	for i, n := range l.Learnables() { // (γ, β) of (1, 0) become (−1, 1) for queries and (3, 1) for keys
		for j := range 2 {
			n.Value().Data().([]float32)[j] = []float32{-1, 1, 3, 1}[i]
		}
	}
	for i := range changed {
		switch i % 12 / 4 {
		case 0:
			changed[i] = 1 - y[i]
		case 1:
			changed[i] = 3*y[i] + 1
		}
	}
	y2, _ := step(x, upstream)
	require.InDeltaSlice(t, changed, y2, 1e-6)
	y3, _ := step(other(x), upstream)
	require.NotEqual(t, y2, y3)
	y4, _ := step(x, upstream)
	require.Equal(t, y2, y4, "nothing is left of the run between")
}

func TestQKNormRefuses(t *testing.T) {
	g := G.NewGraph()
	norm := func(g *G.ExprGraph, size int, opts ...Option) RowNorm {
		l, err := NewRMSNorm(g, size, opts...)
		require.NoError(t, err)
		return l
	}
	query, key := norm(g, 4), norm(g, 4)
	taken := G.NewGraph()
	norm(taken, 4)
	l, err := NewQKNorm(2, query, key, WithName("attn"))
	require.NoError(t, err)
	forward := func(dt tensor.Dtype, g *G.ExprGraph, shape ...int) error {
		return second(l.Forward(G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName("qkv"))))
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{second(NewQKNorm(0, query, key)), "layers: QKNorm: has 0 heads, want 1 or more"},
		{second(NewQKNorm(2, nil, key)), "layers: QKNorm: the query's or the key's norm is nil"},
		{second(NewQKNorm(2, query, nil)), "layers: QKNorm: the query's or the key's norm is nil"},
		{second(NewQKNorm(2, query, (*LayerNorm)(nil))), "layers: QKNorm: the query's or the key's norm is nil"},
		{second(NewQKNorm(2, query, query)), "layers: QKNorm: the query's and the key's norm are one layer, want two"},
		{second(NewQKNorm(2, query, norm(g, 8))), "layers: QKNorm: the key's norm has 8 features, want 4 as the query's"},
		{second(NewQKNorm(2, query, norm(G.NewGraph(), 4))),
			"layers: QKNorm: the key's norm is on another graph than the query's"},
		{second(NewQKNorm(2, query, norm(g, 4, f64))),
			"layers: QKNorm: the key's norm is of type float64, want float32 as the query's"},
		{second(NewQKNorm(2, query, key, f64)), "layers: QKNorm: has no option WithDtype"},
		{second(l.Forward(nil)), "layers: QKNorm attn: the input is nil"},
		{forward(tensor.Float32, g, 2, 12),
			"layers: QKNorm attn: input shape is (2, 12), want (batch, time, 24) for 2 heads of 4 features"},
		{forward(tensor.Float32, g, 2, 3, 8),
			"layers: QKNorm attn: input shape is (2, 3, 8), want (batch, time, 24) for 2 heads of 4 features"},
		{forward(tensor.Float64, g, 2, 3, 24), "layers: QKNorm attn: the input is of type float64, want float32: " +
			"WithDtype(tensor.Float64) makes a layer for such inputs"},
		{forward(tensor.Float32, G.NewGraph(), 2, 3, 24),
			"layers: QKNorm attn: the input is a node of another graph: place the layer there with On"},
		{second(l.On(taken, Training)),
			"layers: RMSNorm: the graph has a node RMSNorm.weight already, give the layer another name"},
		{second(l.On(nil, Training)), "layers: RMSNorm: the graph is nil"},
	} {
		require.EqualError(t, c.err, c.want)
	}
	require.ErrorIs(t, l.Fwd(G.Err(errSample)).Err(), errSample)
	require.NoError(t, l.Fwd(G.NewTensor(g, tensor.Float32, 3, G.WithShape(1, 2, 24), G.WithName("x"))).Err())
}
