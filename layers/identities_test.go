package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
)

// What is claimed of norms, as theorems: of all of them, in both types, on several
// draws.

const seeds = 3

// tinyEps is nothing beside the variances here.
const tinyEps = 1e-30

var floats = map[tensor.Dtype]float64{tensor.Float32: 0x1p-23, tensor.Float64: 0x1p-52} // and their units in the last place

// skewed are inputs, as run takes them, whose distribution has no symmetry.
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
	rounded(dt, in.x, in.dy, in.gamma, in.beta)
	return in
}

// everyNorm runs do for each norm, type and seed.
func everyNorm(t *testing.T, do func(t *testing.T, n normCase, dt tensor.Dtype, in normInputs)) {
	for _, n := range normCases {
		for dt := range floats {
			for seed := range uint64(seeds) {
				t.Run(fmt.Sprintf("%s %s/%v/%d", n.name, n.layout, dt, seed), func(t *testing.T) { do(t, n, dt, skewed(seed, dt)) })
			}
		}
	}
}

// gathered are the numbers of x that are normalized together.
func (c normCase) gathered(x []float64) [][]float64 {
	sets := c.sets()
	together := make([][]float64, slices.Max(sets)+1)
	for i, s := range sets {
		together[s] = append(together[s], x[i])
	}
	return together
}

// moment is the mean of (x−about)^power.
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

// TestStandardMoments: without γ and β, what a norm gives has a mean square of 1, so
// that a row of C features has the length √C. It has mean 0, is orthogonal to ones,
// where the norm takes the mean away; and its skewness and kurtosis are those of x,
// for it is a line's image: normalizing makes nothing Gaussian.
//
// With u half a unit in the last place, and x̂ = x·rstd, each x̂ is wrong by u of its
// own, and all by what rstd is: by u, and by half of what the sum of squares is, some
// u where it is taken in several lanes. That is 4u, two units; in float64 it is more,
// for the kernels without assembly, and this test, take sums one after the other. A
// mean is wrong by 2u of the largest x̂, and of x's mean, which is rounded, beside the
// deviation.
func TestStandardMoments(t *testing.T) {
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
				require.InDelta(t, 0, moment(xhat, 0, 1), unit*(slices.Max(xhat)+mean/math.Sqrt(moment(x, mean, 2))), "mean of set %d", s)
			}
			for _, power := range []int{3, 4} {
				want := moment(x, mean, power) / math.Pow(moment(x, mean, 2), float64(power)/2)
				var size float64 // of what is added up: each is wrong by power times what x̂ is, and their sum here by some units
				for _, v := range xhat {
					size += math.Pow(math.Abs(v), float64(power)) / float64(len(xhat))
				}
				require.InDelta(t, want, moment(xhat, 0, power), float64(power)*8*unit*size, "standardized moment %d of set %d", power, s)
			}
		}
	})
}

// TestScaleAndShift: what a norm gives does not change where all that is normalized
// together is scaled, and where it is shifted if the norm takes the mean away. The
// gradient of x is divided by the scale: the larger x grows, the slower it is changed.
// Where eps counts, it is as if it were divided by the scale's square.
func TestScaleAndShift(t *testing.T) {
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
			rounded(dt, moved.x)
			want, got := n.run(t, dt, eps, in), n.run(t, dt, epsMoved, moved)
			for i, s := range sets {
				got[1][i] *= scales[s]
			}
			// A shift of a few deviations rounds x by a few units.
			within := golden.Within{Rel: 64 * floats[dt]}
			for i, name := range []string{"y", "dx", "dγ", "dβ"}[:len(want)] {
				golden.RequireClose(t, want[i], got[i], within, "%s, eps %g", name, eps)
			}
		}
	})
}

// TestGradientsAreOrthogonal to what norms do not see: to x̂, for they do not see
// scales, and, where they do not see shifts, to ones. As far as eps counts they do see
// scales: with v the variance, Σdx·x̂ = rstd·Σg·x̂·eps/(v+eps), g = dy·γ.
func TestGradientsAreOrthogonal(t *testing.T) {
	everyNorm(t, func(t *testing.T, n normCase, dt tensor.Dtype, in normInputs) {
		for _, eps := range []float64{tinyEps, 0.5} {
			dxs := n.gathered(n.run(t, dt, eps, in)[1])
			g := make([]float64, caseSize)
			for i, d := range in.dy {
				g[i] = d * in.gamma[i%caseFeatures]
			}
			gs := n.gathered(g)
			for s, x := range n.gathered(in.x) {
				mean := 0.0
				if n.centred() {
					mean = moment(x, 0, 1)
				}
				variance := moment(x, mean, 2)
				rstd := 1 / math.Sqrt(variance+eps)
				var sum, along, gx, size float64
				for i, d := range dxs[s] {
					xhat := (x[i] - mean) * rstd
					sum, along, gx = sum+d, along+d*xhat, gx+gs[s][i]*xhat
					size = max(size, rstd*math.Abs(gs[s][i]))
				}
				// Each term is wrong by some units, and so on the mean is the sum.
				most := 4 * floats[dt] * size * float64(len(x))
				if n.centred() {
					require.InDelta(t, 0, sum, most, "Σdx of set %d, eps %g", s, eps)
				}
				require.InDelta(t, rstd*gx*eps/(variance+eps), along, most, "Σdx·x̂ of set %d, eps %g", s, eps)
			}
		}
	})
}
