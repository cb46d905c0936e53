package layers

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

var shapes = [][]int{{1, 5}, {4, 1}, {5, 7}, {3, 4, 6}, {2, 1, 3, 2}, {9}}

// f64 is the option for gradient checks.
var f64 = WithDtype(tensor.Float64)

// TestGradients compares every layer's gradients with finite differences.
func TestGradients(t *testing.T) {
	t.Parallel()
	type testedLayer struct {
		name string
		new  func(g *G.ExprGraph, features int, opts ...Option) (Layer, error)
		fits func(shape []int) bool // x's shapes
	}
	always := func([]int) bool { return true }
	all := []testedLayer{
		{"BatchNorm/evaluation", evaluatedBatchNorm, always},
		{"Linear", func(g *G.ExprGraph, n int, opts ...Option) (Layer, error) {
			return NewLinear(g, n, 3, constant(0), opts...)
		}, always},
		{"Linear/no bias", func(g *G.ExprGraph, n int, opts ...Option) (Layer, error) {
			return NewLinear(g, n, 3, constant(0), append(opts, WithoutBias())...)
		}, always},
		{"GELU", func(*G.ExprGraph, int, ...Option) (Layer, error) { return NewGELU() }, always},
		{"GELU/exact", func(*G.ExprGraph, int, ...Option) (Layer, error) { return NewGELU(WithExact()) }, always},
	}
	for _, n := range norms {
		for name, build := range n.builders() {
			all = append(all, testedLayer{name, build, n.fits})
		}
	}
	for _, l := range all {
		for _, shape := range shapes {
			features := shape[len(shape)-1]
			if !l.fits(shape) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%v", l.name, shape), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(3, uint64(features)))
				values := []any{normals(rng, tensor.Shape(shape).TotalSize(), 0.5, 1.5)}
				probe, err := l.new(G.NewGraph(), features, f64)
				require.NoError(t, err)
				for _, w := range probe.Learnables() {
					values = append(values, normals(rng, w.Shape().TotalSize(), 0.7, 0.5))
				}
				checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
					layer, err := l.new(g, features, f64)
					require.NoError(t, err)
					x := input(g, "x", tensor.Float64, values[0], shape...)
					for i, w := range layer.Learnables() {
						overwrite(w, values[i+1].([]float64))
					}
					return testLayer{
						inputs:  append(G.Nodes{x}, layer.Learnables()...),
						forward: func() (*G.Node, error) { return layer.Forward(x) },
					}
				})
			})
		}
	}
}

// evaluatedBatchNorm returns an evaluation placement whose running statistics are not the initial ones.
func evaluatedBatchNorm(g *G.ExprGraph, features int, opts ...Option) (Layer, error) {
	l, err := NewBatchNorm(G.NewGraph(), features, opts...)
	if err != nil {
		return nil, err
	}
	for j := range features {
		l.RunningMean().Float64s()[j] = 0.3 * float64(j+1)
		l.RunningVar().Float64s()[j] = 0.5 + float64(j)
	}
	return l.On(g, Evaluation)
}

func TestEmbeddingGradients(t *testing.T) {
	t.Parallel()
	const count, features = 5, 3
	rng := rand.New(rand.NewPCG(4, 4))
	ids := []int{4, 0, 4, 2, 1, 4} // one used often, one never
	for _, shape := range [][]int{{6}, {2, 3}, {1, 3, 2}} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			values := []any{ids, normals(rng, count*features, 0, 1)}
			checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
				l, err := NewEmbedding(g, count, features, constant(0), f64)
				require.NoError(t, err)
				overwrite(l.Learnables()[0], values[1].([]float64))
				x := input(g, "ids", tensor.Int, values[0], shape...)
				return testLayer{
					inputs:  G.Nodes{x, l.Learnables()[0]},
					forward: func() (*G.Node, error) { return l.Forward(x) },
				}
			})
		})
	}
	t.Run("Attend", func(t *testing.T) {
		values := []any{normals(rng, 4*features, 0, 1), normals(rng, count*features, 0, 1)}
		checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
			l, err := NewEmbedding(g, count, features, constant(0), f64)
			require.NoError(t, err)
			overwrite(l.Learnables()[0], values[1].([]float64))
			x := input(g, "x", tensor.Float64, values[0], 2, 2, features)
			return testLayer{
				inputs:  G.Nodes{x, l.Learnables()[0]},
				forward: func() (*G.Node, error) { return l.Attend(x) },
			}
		})
	})
}

func TestCausalSelfAttentionGradients(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	for _, s := range []struct{ batch, time, channels, heads int }{
		{1, 1, 1, 1}, {2, 5, 4, 2}, {3, 4, 6, 3}, {1, 7, 5, 1},
	} {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			values := []any{normals(rng, s.batch*s.time*3*s.channels, 0, 1)}
			checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
				l, err := NewCausalSelfAttention(s.heads)
				require.NoError(t, err)
				x := input(g, "qkv", tensor.Float64, values[0], s.batch, s.time, 3*s.channels)
				return testLayer{G.Nodes{x}, func() (*G.Node, error) { return l.Forward(x) }}
			})
		})
	}
}

func TestCrossEntropyGradients(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(6, 6))
	for _, s := range []struct {
		logits  []int
		targets []int
	}{
		{[]int{4, 5}, []int{0, 4, 2, 2}},
		{[]int{2, 3, 7}, []int{6, 0, 1, 3, 3, 5}},
		{[]int{1, 9}, []int{8}},
		{[]int{5, 1}, []int{0, 0, 0, 0, 0}},
	} {
		t.Run(fmt.Sprint(s.logits), func(t *testing.T) {
			n := tensor.Shape(s.logits).TotalSize()
			values := []any{normals(rng, n, 0, 2), s.targets}
			checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
				l, err := NewCrossEntropy()
				require.NoError(t, err)
				logits := input(g, "logits", tensor.Float64, values[0], s.logits...)
				targets := input(g, "targets", tensor.Int, values[1], s.logits[:len(s.logits)-1]...)
				return testLayer{G.Nodes{logits, targets}, func() (*G.Node, error) { return l.Forward(logits, targets) }}
			})
		})
	}
}
