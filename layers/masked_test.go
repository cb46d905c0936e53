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

	"gorgonorm/internal/golden"
)

// maskedLayer is a norm that has masks.
type maskedLayer interface {
	Layer
	ForwardMasked(x, mask *G.Node) (*G.Node, error)
}

// newMasked is the constructor of a maskedLayer.
type newMasked = func(g *G.ExprGraph, opts ...Option) (Layer, error)

// maskedCases are norms of x that take masks of both shapes.
var maskedCases = []struct {
	name  string
	new   newMasked
	shape []int
	at    []int // the features' axes
}{
	{"LayerNorm", norm(NewLayerNorm, 5), []int{4, 5}, []int{1}},
	{"LayerNorm of two axes", norm(NewLayerNorm, 6, WithShape(3, 2)), []int{2, 3, 2}, []int{1, 2}},
	{"LayerNorm along axis 1", norm(NewLayerNorm, 4, WithAxis(1)), []int{2, 4, 3}, []int{1}},
	{"LayerNorm without bias", norm(NewLayerNorm, 5, WithoutBias()), []int{4, 5}, []int{1}},
	{"RMSNorm", norm(NewRMSNorm, 5), []int{4, 5}, []int{1}},
	{
		"RMSNorm along two axes, zero-centred",
		norm(NewRMSNorm, 6, WithAxis(2, 0), WithShape(2, 3), WithZeroCentredGain()), []int{3, 4, 2}, []int{2, 0},
	},
	{"RMSNorm of a part", norm(NewRMSNorm, 6, WithPartial(0.5)), []int{4, 6}, []int{1}},
	{"RMSNorm without affine", norm(NewRMSNorm, 5, WithoutAffine()), []int{4, 5}, []int{1}},
	{"GroupNorm of rows", groups(2, 6), []int{4, 6}, []int{1}},
	{"GroupNorm", groups(2, 4), []int{2, 3, 4}, []int{2}},
	{"GroupNorm along axis 1", groups(2, 4, WithAxis(1)), []int{2, 4, 2, 2}, []int{1}},
	{"InstanceNorm", norm(NewInstanceNorm, 3), []int{2, 5, 3}, []int{2}},
	{"InstanceNorm along axis 2", norm(NewInstanceNorm, 3, WithAxis(2)), []int{2, 2, 3, 3}, []int{2}},
}

// norm returns a constructor with the given features and options.
func norm[L Layer](
	make func(g *G.ExprGraph, features int, opts ...Option) (L, error), features int, more ...Option,
) newMasked {
	return func(g *G.ExprGraph, opts ...Option) (Layer, error) {
		return make(g, features, slices.Concat(opts, more)...)
	}
}

func groups(n, features int, more ...Option) newMasked {
	return func(g *G.ExprGraph, opts ...Option) (Layer, error) {
		return NewGroupNorm(g, n, features, slices.Concat(opts, more)...)
	}
}

// masking is a mask for an x of a shape.
type masking struct {
	shape, mask, maskShape []int
	counts                 []bool // whether each element of x counts
}

// eachMask runs do for each norm and both shapes of a mask that leaves out about a third of x.
func eachMask(t *testing.T, do func(t *testing.T, new newMasked, m masking)) {
	for k, c := range maskedCases {
		for _, each := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/each %t", c.name, each), func(t *testing.T) {
				t.Parallel()
				r := request{shape: c.shape, each: each}
				maskShape := r.maskShape(c.at)
				rng := rand.New(rand.NewPCG(uint64(k), 21))
				r.mask = make([]int, tensor.Shape(maskShape).TotalSize())
				for i := range r.mask {
					r.mask[i] = max(0, rng.IntN(6)-1) * (1 - 2*rng.IntN(2))
				}
				counts := make([]bool, tensor.Shape(c.shape).TotalSize())
				for i := range counts {
					counts[i] = r.counts(place(i, c.shape), c.at)
				}
				do(t, c.new, masking{c.shape, r.mask, maskShape, counts})
			})
		}
	}
}

// maskedPasses returns y and the gradients of x and of the learnables.
func maskedPasses(
	t *testing.T, machine string, new newMasked, dt tensor.Dtype, x, dy []float64, m masking, opts ...Option,
) (y []float64, grads [][]float64) {
	t.Helper()
	g := G.NewGraph()
	l, err := new(g, append(opts, WithDtype(dt))...)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(22, 22))
	for _, w := range l.Learnables() {
		overwrite(w, normals(rng, w.Shape().TotalSize(), 0.7, 0.5))
	}
	in := input(g, "x", dt, x, m.shape...)
	return gradients(t, machine, testLayer{append(G.Nodes{in}, l.Learnables()...), func() (*G.Node, error) {
		return l.(maskedLayer).ForwardMasked(in, input(g, "mask", tensor.Int, m.mask, m.maskShape...))
	}}, dy)
}

func TestMaskedGradients(t *testing.T) {
	t.Parallel()
	eachMask(t, func(t *testing.T, new newMasked, m masking) {
		rng := rand.New(rand.NewPCG(23, 23))
		values := []any{normals(rng, tensor.Shape(m.shape).TotalSize(), 0.5, 1.5)}
		probe, err := new(G.NewGraph(), f64)
		require.NoError(t, err)
		for _, w := range probe.Learnables() {
			values = append(values, normals(rng, w.Shape().TotalSize(), 0.7, 0.5))
		}
		checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
			l, err := new(g, f64, WithEps(0.1))
			require.NoError(t, err)
			x := input(g, "x", tensor.Float64, values[0], m.shape...)
			for i, w := range l.Learnables() {
				overwrite(w, values[i+1].([]float64))
			}
			return testLayer{append(G.Nodes{x}, l.Learnables()...), func() (*G.Node, error) {
				return l.(maskedLayer).ForwardMasked(x, input(g, "mask", tensor.Int, m.mask, m.maskShape...))
			}}
		})
	})
}

// TestWhatDoesNotCountDoesNotMatter has NaN and infinity in elements of x and dy that do not count.
// They change nothing, and y and dx are 0 there.
func TestWhatDoesNotCountDoesNotMatter(t *testing.T) {
	t.Parallel()
	eachMask(t, func(t *testing.T, new newMasked, m masking) {
		for _, machine := range machines {
			for dt := range floats {
				rng := rand.New(rand.NewPCG(24, 24))
				x, dy := normals(rng, len(m.counts), 0.5, 1.5), normals(rng, len(m.counts), 0, 1)
				want, wantGrads := maskedPasses(t, machine, new, dt, x, dy, m)
				for i, c := range m.counts {
					if !c {
						require.Zero(t, want[i])
						require.Zero(t, wantGrads[0][i])
						x[i] = []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[i%3]
						dy[i] = []float64{math.Inf(-1), math.NaN()}[i%2]
					}
				}
				y, grads := maskedPasses(t, machine, new, dt, x, dy, m)
				require.Equal(t, want, y)
				require.Equal(t, wantGrads, grads)
			}
		}
	})
}

// TestAMaskThatCountsNothingYieldsZeros for y, without the bias, and for all gradients.
func TestAMaskThatCountsNothingYieldsZeros(t *testing.T) {
	t.Parallel()
	eachMask(t, func(t *testing.T, new newMasked, m masking) {
		nan := slices.Repeat([]float64{math.NaN()}, len(m.counts))
		m.mask = make([]int, len(m.mask))
		y, grads := maskedPasses(t, "tape", new, tensor.Float32, nan, nan, m)
		for _, v := range append(grads, y) {
			require.Equal(t, make([]float64, len(v)), v)
		}
	})
}

// TestNothingOfAPartCounts has the root mean square of the first 2 elements of a row. In row 0, only
// the others count.
func TestNothingOfAPartCounts(t *testing.T) {
	t.Parallel()
	m := masking{shape: []int{2, 4}, mask: []int{0, 0, 1, 1, 1, 0, 1, 0}, maskShape: []int{2, 4}}
	half := norm(NewRMSNorm, 4, WithPartial(0.5), WithoutAffine(), WithEps(1))
	x, dy := []float64{1, 2, 3, 4, math.Sqrt(3), 2, 3, 4}, []float64{1, 1, 1, 1, 0, 1, 1, 1}
	y, grads := maskedPasses(t, "tape", half, tensor.Float64, x, dy, m)
	within := golden.Within{Rel: 1e-15}
	golden.RequireClose(t, []float64{0, 0, 0, 0, math.Sqrt(3) / 2, 0, 1.5, 0}, y, within, "y")
	// x̂₂ = 3/√(x₀²+1), dx̂₂/dx₀ = −3·x₀/8, dx̂₂/dx₂ = 1/2
	golden.RequireClose(t, []float64{0, 0, 0, 0, -3 * math.Sqrt(3) / 8, 0, 0.5, 0}, grads[0], within, "dx")
}

// TestAMaskThatCountsEverythingChangesNothing for ordinary numbers, rows far from 0 and small
// numbers.
func TestAMaskThatCountsEverythingChangesNothing(t *testing.T) {
	t.Parallel()
	eachMask(t, func(t *testing.T, new newMasked, m masking) {
		all := m
		all.mask = slices.Repeat([]int{1}, len(m.mask))
		for dt, unit := range floats {
			for _, c := range []struct{ mean, deviation float64 }{{0.5, 1.5}, {1000, 1}, {0, 1e-3}} {
				rng := rand.New(rand.NewPCG(25, 25))
				x, dy := normals(rng, len(m.counts), c.mean, c.deviation), normals(rng, len(m.counts), 0, 1)
				round(dt, x)
				g := G.NewGraph()
				l, err := new(g, WithDtype(dt))
				require.NoError(t, err)
				rng = rand.New(rand.NewPCG(22, 22))
				for _, w := range l.Learnables() {
					overwrite(w, normals(rng, w.Shape().TotalSize(), 0.7, 0.5))
				}
				want, wantGrads := runOnce(t, "tape", g, l, dt, x, dy, m.shape...)
				y, grads := maskedPasses(t, "tape", new, dt, x, dy, all)
				within := golden.Within{Rel: 64 * unit * (1 + math.Abs(c.mean/c.deviation))}
				golden.RequireClose(t, want, y, within, "y, %v", c)
				require.Len(t, grads, len(wantGrads))
				for i := range grads {
					golden.RequireClose(t, wantGrads[i], grads[i], within, "gradient %d, %v", i, c)
				}
			}
		}
	})
}

// TestMaskedExtremes requires x̂ = 0 exactly for sets of equal numbers. Numbers near the type's largest
// are normalized as their quotients by a power of two are.
func TestMaskedExtremes(t *testing.T) {
	t.Parallel()
	eachMask(t, func(t *testing.T, new newMasked, m masking) {
		probe, err := new(G.NewGraph())
		require.NoError(t, err)
		_, uncentred := probe.(*RMSNorm)
		for dt := range floats {
			dy := normals(rand.New(rand.NewPCG(26, 26)), len(m.counts), 0, 1)
			if !uncentred {
				equal := func(v float64) ([]float64, [][]float64) {
					x := slices.Repeat([]float64{v}, len(m.counts))
					round(dt, x)
					return maskedPasses(t, "tape", new, dt, x, dy, m)
				}
				want, wantGrads := equal(0)
				y, grads := equal(0.1e30)
				require.Equal(t, want, y)
				require.Equal(t, wantGrads, grads)
			}
			large := math.Ldexp(1, 100)
			if dt == tensor.Float64 {
				large = math.Ldexp(1, 900)
			}
			x := normals(rand.New(rand.NewPCG(27, 27)), len(m.counts), 1, 1)
			round(dt, x)
			scaled := slices.Clone(x)
			for i := range scaled {
				scaled[i] *= large
			}
			want, wantGrads := maskedPasses(t, "tape", new, dt, x, dy, m, WithEps(tinyEps))
			y, grads := maskedPasses(t, "tape", new, dt, scaled, dy, m, WithEps(tinyEps))
			within := golden.Within{Rel: 4 * floats[dt]}
			golden.RequireClose(t, want, y, within, "y")
			for i := range grads[0] {
				grads[0][i] *= large
			}
			for i := range grads {
				golden.RequireClose(t, wantGrads[i], grads[i], within, "gradient %d", i)
			}
		}
	})
}

// TestTheMaskOfEveryNormMayChangeBetweenRuns without a trace of the last one.
func TestTheMaskOfEveryNormMayChangeBetweenRuns(t *testing.T) {
	t.Parallel()
	eachMask(t, func(t *testing.T, new newMasked, m masking) {
		g := G.NewGraph()
		l, err := new(g, f64)
		require.NoError(t, err)
		x := input(g, "x", tensor.Float64, normals(rand.New(rand.NewPCG(28, 28)), len(m.counts), 0, 1), m.shape...)
		mask := input(g, "mask", tensor.Int, slices.Clone(m.mask), m.maskShape...)
		y, err := l.(maskedLayer).ForwardMasked(x, mask)
		require.NoError(t, err)
		wrt := append(G.Nodes{x}, l.Learnables()...)
		vm := newMachine(t, "tape", dot(t, y, normals(rand.New(rand.NewPCG(29, 29)), len(m.counts), 0, 1)), wrt)
		defer vm.Close()
		run := func(counts []int) ([]float64, [][]float64) {
			copy(mask.Value().Data().([]int), counts)
			require.NoError(t, vm.RunAll())
			defer vm.Reset()
			return float64s(y.Value()), takeGrads(t, wrt)
		}
		wantY, want := run(m.mask)
		others := slices.Clone(m.mask)
		for i, v := range m.mask {
			others[i] = 1 - min(1, max(v, -v))
		}
		run(others)
		gotY, got := run(m.mask)
		require.Equal(t, wantY, gotY)
		require.Equal(t, want, got)
	})
}

// TestMaskedNormsHaveNoSecondDerivative and report it when the graph is built.
func TestMaskedNormsHaveNoSecondDerivative(t *testing.T) {
	t.Parallel()
	eachMask(t, func(t *testing.T, new newMasked, m masking) {
		g := G.NewGraph()
		l, err := new(g)
		require.NoError(t, err)
		x := input(g, "x", tensor.Float32, make([]float64, len(m.counts)), m.shape...)
		y, err := l.(maskedLayer).ForwardMasked(x, input(g, "mask", tensor.Int, m.mask, m.maskShape...))
		require.NoError(t, err)
		first, err := Grad(G.Must(G.Sum(G.Must(G.Square(y)))), x)
		require.NoError(t, err)
		_, err = G.Grad(G.Must(G.Sum(G.Must(G.Square(first[0])))), x)
		require.ErrorContains(t, err, "layers: "+l.Name()+" backward: has no second derivative")
	})
}

func TestMasksThatNormsDoNotTake(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsWhere(normSpec.masks) {
		if kind == "BatchNorm" { // takes masks of rows only
			continue
		}
		g := G.NewGraph()
		node := func(g *G.ExprGraph, dt tensor.Dtype, shape ...int) *G.Node {
			return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprint(dt, shape)))
		}
		made, err := every[kind](g)
		require.NoError(t, err)
		l := made.(maskedLayer)
		x, mask := node(g, tensor.Float32, 2, 3, 4), node(g, tensor.Int, 2, 3)
		for _, c := range []struct {
			x, mask *G.Node
			want    string
		}{
			{x, nil, "the mask is nil"},
			{nil, mask, "the input is nil"},
			{x, node(G.NewGraph(), tensor.Int, 2, 3), "the mask is a node of another graph than the layer's"},
			{x, node(g, tensor.Float32, 2, 3), "the mask is of type float32, want int"},
			{x, node(g, tensor.Int64, 2, 3), "the mask is of type int64, want int"},
			{x, node(g, tensor.Bool, 2, 3, 4), "the mask is of type bool, want int"},
			{x, node(g, tensor.Int, 2), "the mask has shape (2), want (2, 3, 4) or (2, 3) (input shape (2, 3, 4))"},
			{x, node(g, tensor.Int, 2, 3, 1),
				"the mask has shape (2, 3, 1), want (2, 3, 4) or (2, 3) (input shape (2, 3, 4))"},
			{node(g, tensor.Float32, 2, 3), mask, "last dimension is 3, want 4 (input shape (2, 3))"},
			{node(g, tensor.Float64, 2, 3, 4), mask, "the input is of type float64, want float32: " +
				"WithDtype(tensor.Float64) makes a layer for such inputs"},
		} {
			nodes := len(g.AllNodes())
			require.EqualError(t, second(l.ForwardMasked(c.x, c.mask)), "layers: "+kind+": "+c.want)
			require.Len(t, g.AllNodes(), nodes)
		}
	}
	// If x has no axes besides the features', its mask is a number.
	g := G.NewGraph()
	l, err := NewLayerNorm(g, 4)
	require.NoError(t, err)
	x := input(g, "x", tensor.Float32, []float64{1, 2, 3, 5}, 4)
	y, err := l.ForwardMasked(x, G.NewScalar(g, tensor.Int, G.WithName("mask"), G.WithValue(0)))
	require.NoError(t, err)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	require.Equal(t, make([]float64, 4), float64s(y.Value()))
}
