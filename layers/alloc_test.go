package layers

import (
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestOperationsAllocateNothingAfterTheFirstRun runs every operation of every layer, forward and
// backward, at sizes for which kernels use several threads.
func TestOperationsAllocateNothingAfterTheFirstRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	const batch, time, features, count = 8, 32, 64, 65
	shape := []int{batch, time, features}
	normal := func() G.InitWFn { return Normal(rand.NewPCG(1, 1), 0.1) }
	type build func(g *G.ExprGraph, x *G.Node, dt Option) (*G.Node, error)
	of := func(make func(g *G.ExprGraph, dt Option) (Layer, error)) build {
		return func(g *G.ExprGraph, x *G.Node, dt Option) (*G.Node, error) {
			l, err := make(g, dt)
			if err != nil {
				return nil, err
			}
			return l.Forward(x)
		}
	}
	all := map[string]build{
		"BatchNorm evaluation": of(func(g *G.ExprGraph, dt Option) (Layer, error) {
			l, err := NewBatchNorm(G.NewGraph(), features, dt)
			require.NoError(t, err)
			return l.On(g, Evaluation)
		}),
		"GroupNorm along axis 1": of(func(g *G.ExprGraph, dt Option) (Layer, error) {
			return NewGroupNorm(g, 4, time, dt, WithAxis(1))
		}),
		"LayerNorm along axis 1": of(func(g *G.ExprGraph, dt Option) (Layer, error) {
			return NewLayerNorm(g, time, dt, WithAxis(1))
		}),
		"RMSNorm along two axes": of(func(g *G.ExprGraph, dt Option) (Layer, error) {
			return NewRMSNorm(g, features*batch, dt, WithAxis(2, 0), WithShape(features, batch))
		}),
		"LayerNorm of a mask": func(g *G.ExprGraph, x *G.Node, dt Option) (*G.Node, error) {
			l, err := NewLayerNorm(g, features, dt)
			require.NoError(t, err)
			mask := slices.Repeat([]int{1, 0, 1}, batch*time*features/3+1)[:batch*time*features]
			return l.ForwardMasked(x, input(g, "mask", tensor.Int, mask, shape...))
		},
		"GroupNorm of a mask": func(g *G.ExprGraph, x *G.Node, dt Option) (*G.Node, error) {
			l, err := NewGroupNorm(g, 4, time, dt, WithAxis(1))
			require.NoError(t, err)
			mask := slices.Repeat([]int{1, 0}, batch*features/2)
			return l.ForwardMasked(x, input(g, "mask", tensor.Int, mask, batch, features))
		},
		"Linear": of(func(g *G.ExprGraph, dt Option) (Layer, error) {
			return NewLinear(g, features, 4*features, normal(), dt)
		}),
		"GELU":       of(func(*G.ExprGraph, Option) (Layer, error) { return NewGELU() }),
		"GELU exact": of(func(*G.ExprGraph, Option) (Layer, error) { return NewGELU(WithExact()) }),
		"Residual":   func(_ *G.ExprGraph, x *G.Node, _ Option) (*G.Node, error) { return newResidual(t).Forward(x, x) },
		"CausalSelfAttention": func(g *G.ExprGraph, x *G.Node, dt Option) (*G.Node, error) {
			qkv, err := NewLinear(g, features, 3*features, normal(), dt)
			require.NoError(t, err)
			attention, err := NewCausalSelfAttention(4)
			require.NoError(t, err)
			return attention.Forward(G.Must(qkv.Forward(x)))
		},
		"QKNorm of LayerNorms": func(g *G.ExprGraph, x *G.Node, dt Option) (*G.Node, error) {
			return newQKNorm(t, g, 4, layerNorms(16, dt)).Forward(G.Must(G.Concat(2, x, x, x)))
		},
		"QKNorm of RMSNorms": func(g *G.ExprGraph, x *G.Node, dt Option) (*G.Node, error) {
			return newQKNorm(t, g, 4, rmsNorms(16, dt)).Forward(G.Must(G.Concat(2, x, x, x)))
		},
		"Embedding and CrossEntropy": func(g *G.ExprGraph, x *G.Node, dt Option) (*G.Node, error) {
			ids := make([]int, batch*time)
			for i := range ids {
				ids[i] = i % count
			}
			tokens := input(g, "tokens", tensor.Int, ids, batch, time)
			embedding, err := NewEmbedding(g, count, features, normal(), dt)
			require.NoError(t, err)
			loss, err := NewCrossEntropy()
			require.NoError(t, err)
			y := G.Must(G.HadamardProd(x, G.Must(embedding.Forward(tokens))))
			return loss.Forward(G.Must(embedding.Attend(y)), tokens)
		},
	}
	for _, n := range norms {
		all[n.kind] = of(func(g *G.ExprGraph, dt Option) (Layer, error) { return n.make(g, features, dt) })
	}
	for name, build := range all {
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			t.Run(name+"/"+dt.String(), func(t *testing.T) {
				g := G.NewGraph()
				x := input(g, "x", dt, normals(rand.New(rand.NewPCG(1, 2)), batch*time*features, 0, 1), shape...)
				y, err := build(g, x, WithDtype(dt))
				require.NoError(t, err)
				var wrt G.Nodes
				for _, in := range g.Inputs() {
					if in.Dtype() == dt {
						wrt = append(wrt, in)
					}
				}
				vm := newMachine(t, "tape", dot(t, y, make([]float64, y.Shape().TotalSize())), wrt)
				defer vm.Close()
				require.NoError(t, vm.RunAll())
				operations := 0
				for _, n := range g.AllNodes() {
					o := reflect.TypeOf(n.Op())
					if o != nil && o.Kind() == reflect.Pointer && o.Elem().PkgPath() == "gorgonorm/internal/op" {
						operations++
						require.Zero(t, allocations(t, n), "allocations of %v", n.Op())
					}
				}
				require.Positive(t, operations)
			})
		}
	}
}

// allocations returns how often a node's operation allocates for the present values of its children.
// It is the least of several counts, because the runtime allocates too.
func allocations(t *testing.T, n *G.Node) uint64 {
	var in []G.Value
	for children := n.Graph().From(n.ID()); children.Next(); {
		in = append(in, children.Node().(*G.Node).Value())
	}
	run := func() {
		_, err := n.Op().Do(in...)
		require.NoError(t, err)
	}
	run()
	least := uint64(math.MaxUint64)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	return least
}
