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

// Theorems about norms, checked for all of them, in both types, on several draws.

const seeds = 3

// tinyEps is negligible beside the variances here.
const tinyEps = 1e-30

// floats maps the types to their unit in the last place of 1.
var floats = map[tensor.Dtype]float64{tensor.Float32: 0x1p-23, tensor.Float64: 0x1p-52}

// skewed returns inputs for run whose distribution is not symmetric.
func skewed(seed uint64, dt tensor.Dtype) normInputs {
	rng := rand.New(rand.NewPCG(seed, 11))
	in := normInputs{
		x:     normals(rng, caseSize, 0, 0.7),
		dy:    normals(rng, caseSize, 0, 1),
		gamma: normals(rng, caseFeatures, 1, 0.5),
		beta:  normals(rng, caseFeatures, 0, 0.5),
	}
	for i, v := range in.x {
		in.x[i] = math.Exp(v)
	}
	round(dt, in.x, in.dy, in.gamma, in.beta)
	return in
}

// everyNorm calls do for each norm, type and seed.
func everyNorm(t *testing.T, do func(t *testing.T, n normCase, dt tensor.Dtype, in normInputs)) {
	for _, n := range normCases {
		for dt := range floats {
			for seed := range uint64(seeds) {
				t.Run(fmt.Sprintf("%s %s/%v/%d", n.name, n.layout, dt, seed), func(t *testing.T) {
					t.Parallel()
					do(t, n, dt, skewed(seed, dt))
				})
			}
		}
	}
}

// gathered returns the sets of numbers of x that are normalized together.
func (c normCase) gathered(x []float64) [][]float64 {
	sets := c.sets()
	together := make([][]float64, slices.Max(sets)+1)
	for i, s := range sets {
		together[s] = append(together[s], x[i])
	}
	return together
}

// moment returns the mean of (x−about)^power.
func moment(x []float64, about float64, power int) (m float64) {
	for _, v := range x {
		p := 1.0
		for range power {
			p *= v - about
		}
		m += p / float64(len(x))
	}
	return m
}

// TestStandardMoments: without γ and β, a norm's result has a mean square of 1, so that a row of C
// features has length √C. If the norm subtracts the mean, the result has mean 0, and is orthogonal to
// ones. Skewness and kurtosis are those of x, because the result is a linear function of x:
// normalizing does not make a distribution Gaussian.
//
// Let u be half a unit in the last place. Each x̂ = x·rstd has a rounding error of u. All share the
// error of rstd, which is u plus half the error of the sum of squares, a few u for a sum in several
// lanes. Together that is 4u, two units. In float64 it is more, because the kernels without assembly,
// and this test, sum sequentially. The error of a mean is 2u of the largest x̂, and 2u of x's rounded
// mean relative to the deviation.
func TestStandardMoments(t *testing.T) {
	t.Parallel()
	everyNorm(t, func(t *testing.T, n normCase, dt tensor.Dtype, in normInputs) {
		unit, units := floats[dt], 2.0
		if dt == tensor.Float64 {
			units = 8
		}
		in.gamma, in.beta = slices.Repeat([]float64{1}, caseFeatures), make([]float64, caseFeatures)
		xhats := n.gathered(n.run(t, dt, tinyEps, in)[0])
		for s, x := range n.gathered(in.x) {
			xhat := xhats[s]
			require.InDelta(t, 1, math.Sqrt(moment(xhat, 0, 2)), units*unit, "root mean square of set %d", s)
			mean := 0.0
			if n.centred() {
				mean = moment(x, 0, 1)
				require.InDelta(t, 0, moment(xhat, 0, 1), unit*(slices.Max(xhat)+mean/math.Sqrt(moment(x, mean, 2))),
					"mean of set %d", s)
			}
			for _, power := range []int{3, 4} {
				want := moment(x, mean, power) / math.Pow(moment(x, mean, 2), float64(power)/2)
				// the mean of |x̂|^power: each term's error is power times x̂'s, and the sum adds a few units
				var size float64
				for _, v := range xhat {
					size += math.Pow(math.Abs(v), float64(power)) / float64(len(xhat))
				}
				require.InDelta(t, want, moment(xhat, 0, power), float64(power)*8*unit*size, "standardized moment %d of set %d",
					power, s)
			}
		}
	})
}

// TestScaleAndShift: a norm's result does not change if the numbers that are normalized together are
// scaled or, for a norm that subtracts the mean, shifted. The gradient of x is divided by the scale,
// so the larger x grows, the slower it changes. An eps that is not negligible acts as if divided by
// the square of the scale.
func TestScaleAndShift(t *testing.T) {
	t.Parallel()
	everyNorm(t, func(t *testing.T, n normCase, dt tensor.Dtype, in normInputs) {
		for _, eps := range []float64{tinyEps, 0.5} {
			moved := in
			moved.x = make([]float64, caseSize)
			sets := n.sets()
			rng := rand.New(rand.NewPCG(12, 12))
			scales, shifts := make([]float64, slices.Max(sets)+1), make([]float64, slices.Max(sets)+1)
			for s := range scales {
				scales[s] = math.Exp(rng.NormFloat64())
				if n.centred() {
					shifts[s] = rng.NormFloat64()
				}
			}
			epsMoved := eps
			if eps != tinyEps { // one eps, one scale
				scales = slices.Repeat([]float64{3}, len(scales))
				epsMoved = eps * 3 * 3
			}
			for i, s := range sets {
				moved.x[i] = scales[s]*in.x[i] + shifts[s]
			}
			round(dt, moved.x)
			want, got := n.run(t, dt, eps, in), n.run(t, dt, epsMoved, moved)
			for i, s := range sets {
				got[1][i] *= scales[s]
			}
			// A shift by a few deviations rounds x by a few units.
			within := golden.Within{Rel: 64 * floats[dt]}
			for i, name := range []string{"y", "dx", "dγ", "dβ"}[:len(want)] {
				golden.RequireClose(t, want[i], got[i], within, "%s, eps %g", name, eps)
			}
		}
	})
}

// TestGradientsAreOrthogonal to the directions in which a norm's result does not change: to x̂,
// because of scales and, for a norm that subtracts the mean, to ones, because of shifts. With an eps
// that is not negligible the result depends on scales: with v the variance and g = dy·γ,
// Σdx·x̂ = rstd·Σg·x̂·eps/(v+eps).
func TestGradientsAreOrthogonal(t *testing.T) {
	t.Parallel()
	everyNorm(t, func(t *testing.T, n normCase, dt tensor.Dtype, in normInputs) {
		for _, eps := range []float64{tinyEps, 0.5} {
			dxs := n.gathered(n.run(t, dt, eps, in)[1])
			g := make([]float64, caseSize)
			for i, d := range in.dy {
				g[i] = d * in.gamma[n.gainAt(i%caseFeatures)]
			}
			gs := n.gathered(g)
			for s, x := range n.gathered(in.x) {
				mean := 0.0
				if n.centred() {
					mean = moment(x, 0, 1)
				}
				variance := moment(x, mean, 2)
				rstd := 1 / math.Sqrt(variance+eps)
				var sum, product, gx, size float64
				for i, d := range dxs[s] {
					xhat := (x[i] - mean) * rstd
					sum, product, gx = sum+d, product+d*xhat, gx+gs[s][i]*xhat
					size = max(size, rstd*math.Abs(gs[s][i]))
				}
				// Each term has an error of a few units, and so, relative to the mean term, has the sum.
				limit := 4 * floats[dt] * size * float64(len(x))
				if n.centred() {
					require.InDelta(t, 0, sum, limit, "Σdx of set %d, eps %g", s, eps)
				}
				require.InDelta(t, rstd*gx*eps/(variance+eps), product, limit, "Σdx·x̂ of set %d, eps %g", s, eps)
			}
		}
	})
}

// sameNorms are two layers that compute the same, on shapes of x of equal size. For b, x and dx are
// in the order of gather, unless it is nil.
type sameNorms struct {
	name           string
	a, b           constructor
	shapeA, shapeB []int
	gather         []int
	centred        bool // b's x has centred rows, and so has its dx
	gain           bool // b's weight is a's plus 1
}

func TestEquivalentNormsComputeTheSame(t *testing.T) {
	norm := func(make constructor, more ...Option) constructor {
		return func(g *G.ExprGraph, opts ...Option) (Layer, error) { return make(g, append(opts, more...)...) }
	}
	layer := func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewLayerNorm(g, 32, opts...) }
	rms := func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewRMSNorm(g, 32, opts...) }
	batch := func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewBatchNorm(g, 32, opts...) }
	masked := func(g *G.ExprGraph, opts ...Option) (Layer, error) {
		l, err := NewBatchNorm(g, 32, opts...)
		return maskOfOnes{l}, err
	}
	rows, images := []int{12, 32}, []int{3, 32, 4}
	var last []int // of each element of images, its index with the features last
	for i := range 3 * 32 * 4 {
		n, j, k := i/(32*4), i/4%32, i%4
		last = append(last, (n*4+k)*32+j)
	}
	for _, c := range []sameNorms{
		{name: "LayerNorm is RMSNorm of centred rows", a: norm(layer, WithoutBias()), b: rms, shapeA: rows, shapeB: rows,
			centred: true},
		{name: "LayerNorm WithShape of rows", a: norm(layer, WithShape(4, 8)), b: layer, shapeA: []int{3, 4, 4, 8},
			shapeB: rows},
		{name: "RMSNorm WithShape of rows", a: norm(rms, WithShape(4, 8)), b: rms, shapeA: []int{3, 4, 4, 8}, shapeB: rows},
		{name: "RMSNorm WithPartial of all", a: norm(rms, WithPartial(1)), b: rms, shapeA: rows, shapeB: rows},
		{name: "RMSNorm WithZeroCentredGain", a: norm(rms, WithZeroCentredGain()), b: rms, shapeA: rows, shapeB: rows,
			gain: true},
		{name: "BatchNorm with a mask of ones", a: masked, b: batch, shapeA: []int{3, 4, 32}, shapeB: rows},
		{name: "BatchNorm WithAxis", a: batch, b: norm(batch, WithAxis(1)), shapeA: rows, shapeB: images, gather: last},
		{name: "BatchNorm with a mask of ones, WithAxis", a: batch, b: norm(masked, WithAxis(1)), shapeA: rows,
			shapeB: images, gather: last},
	} {
		for dt, unit := range floats {
			for seed := range uint64(seeds) {
				t.Run(fmt.Sprintf("%s/%v/%d", c.name, dt, seed), func(t *testing.T) {
					c.compare(t, dt, golden.Within{Rel: 16 * unit}, seed)
				})
			}
		}
	}
}

func (c sameNorms) compare(t *testing.T, dt tensor.Dtype, within golden.Within, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 13))
	const rows, cols = 12, 32
	x, dy := normals(rng, rows*cols, 0.5, 2), normals(rng, rows*cols, 0, 1)
	weight, bias := normals(rng, cols, 0.5, 0.5), normals(rng, cols, 0, 1)
	round(dt, x, dy, weight, bias)
	run := func(new constructor, shape []int, x, dy, weight []float64) ([]float64, [][]float64) {
		g := G.NewGraph()
		l, err := new(g, WithDtype(dt), WithEps(0.1))
		require.NoError(t, err)
		for i, v := range [][]float64{weight, bias}[:len(l.Learnables())] {
			overwrite(l.Learnables()[i], v)
		}
		return runOnce(t, "tape", g, l, dt, x, dy, shape...)
	}
	moved := func(v []float64) []float64 {
		w := slices.Clone(v)
		for i, k := range c.gather {
			w[i] = v[k]
		}
		return w
	}
	centre := func(v []float64) []float64 {
		w := slices.Clone(v)
		for r := 0; c.centred && r < len(w); r += cols {
			mean := moment(v[r:r+cols], 0, 1)
			for j := range cols {
				w[r+j] -= mean
			}
		}
		return w
	}
	wantY, want := run(c.a, c.shapeA, x, dy, weight)
	if c.gain {
		for j := range weight {
			weight[j]++
		}
	}
	y, grads := run(c.b, c.shapeB, moved(centre(x)), moved(dy), weight)
	golden.RequireClose(t, moved(wantY), y, within, "y")
	golden.RequireClose(t, moved(want[0]), centre(grads[0]), within, "dx")
	require.Len(t, grads, len(want))
	for i := 1; i < len(want); i++ {
		golden.RequireClose(t, want[i], grads[i], within, "gradient %d", i)
	}
}

// maskOfOnes is a BatchNorm under a mask that includes all rows.
type maskOfOnes struct{ *BatchNorm }

func (l maskOfOnes) Forward(x *G.Node) (*G.Node, error) {
	at := (l.axis + x.Dims()) % x.Dims()
	shape := slices.Delete(x.Shape().Clone(), at, at+1)
	return l.ForwardMasked(x, input(x.Graph(), "mask", tensor.Int, slices.Repeat([]int{1}, shape.TotalSize()), shape...))
}

// TestPositionsAreSeparateBatchNorms, which share γ and β.
func TestPositionsAreSeparateBatchNorms(t *testing.T) {
	const batch, positions, features = 6, 3, 5
	for dt, unit := range floats {
		for seed := range uint64(seeds) {
			rng := rand.New(rand.NewPCG(seed, 14))
			x, dy := normals(rng, batch*positions*features, 1, 2), normals(rng, batch*positions*features, 0, 1)
			gamma, beta := normals(rng, features, 1, 0.5), normals(rng, features, 0, 1)
			run := func(
				x, dy []float64, shape []int, opts ...Option,
			) (y []float64, grads [][]float64, mean, variance []float64) {
				g := G.NewGraph()
				l, err := NewBatchNorm(g, features, append(opts, WithDtype(dt))...)
				require.NoError(t, err)
				overwrite(l.Learnables()[0], gamma)
				overwrite(l.Learnables()[1], beta)
				y, grads = runOnce(t, "tape", g, l, dt, x, dy, shape...)
				return y, grads, float64s(l.RunningMean()), float64s(l.RunningVar())
			}
			// at returns a position's part of v.
			at := func(p int, v []float64) (part []float64) {
				for from := p * features; from < len(v); from += positions * features {
					part = append(part, v[from:from+features]...)
				}
				return part
			}
			y, grads, mean, variance := run(x, dy, []int{batch, positions, features}, WithPositions(positions))
			within := golden.Within{Rel: 16 * unit}
			dgamma, dbeta := make([]float64, features), make([]float64, features)
			for p := range positions {
				wantY, want, wantMean, wantVariance := run(at(p, x), at(p, dy), []int{batch, features})
				golden.RequireClose(t, wantY, at(p, y), within, "y of position %d", p)
				golden.RequireClose(t, want[0], at(p, grads[0]), within, "dx of position %d", p)
				golden.RequireClose(t, wantMean, at(p, mean), within, "running mean of position %d", p)
				golden.RequireClose(t, wantVariance, at(p, variance), within, "running variance of position %d", p)
				for j := range features {
					dgamma[j] += want[1][j]
					dbeta[j] += want[2][j]
				}
			}
			golden.RequireClose(t, dgamma, grads[1], within, "dγ")
			golden.RequireClose(t, dbeta, grads[2], within, "dβ")
		}
	}
}

// TestCumulativeAverageIsTheMeanOfAllBatches so far, after each batch.
func TestCumulativeAverageIsTheMeanOfAllBatches(t *testing.T) {
	const rows, features = 7, 3
	for dt, unit := range floats {
		for seed := range uint64(seeds) {
			g := G.NewGraph()
			l, err := NewBatchNorm(g, features, WithDtype(dt), WithCumulativeAverage())
			require.NoError(t, err)
			run := newSteps(t, "tape", g, l, dt, []int{rows, features})
			rng := rand.New(rand.NewPCG(seed, 15))
			sums := make([]float64, 2*features)
			for batch := 1; batch <= 10; batch++ {
				x := normals(rng, rows*features, float64(batch), 2)
				round(dt, x)
				run(x, make([]float64, rows*features))
				for j := range features {
					var column []float64
					for r := range rows {
						column = append(column, x[r*features+j])
					}
					mean := moment(column, 0, 1)
					sums[j] += mean
					sums[features+j] += moment(column, mean, 2) * rows / (rows - 1)
				}
				for i, v := range append(float64s(l.RunningMean()), float64s(l.RunningVar())...) {
					require.InEpsilon(t, sums[i]/float64(batch), v, float64(4+batch)*unit, "statistic %d after %d batches", i, batch)
				}
			}
		}
	}
}
