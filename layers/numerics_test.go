package layers

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
)

// The hard rows are x of shape (4, 8, 120), GroupNorm's four groups having 30 features
// each. testdata/numerics.py has the same sizes, and numbers.
const (
	hardSamples, hardOuter, hardFeatures, hardGroups = 4, 8, 120, 4

	hardSize = hardSamples * hardOuter * hardFeatures
	hardEps  = 1e-5
)

// hardNorm is a norm on x of one of the shapes that rows of features have.
type hardNorm struct {
	name, layout string
	new          func(g *G.ExprGraph, opts ...Option) (Layer, error)
	set          func(sample, outer, feature int) int // which numbers are normalized together
	shape        []int
}

var hardNorms = func() (norms []hardNorm) {
	const perGroup = hardFeatures / hardGroups
	row := func(n, i, _ int) int { return n*hardOuter + i }
	column := func(_, _, j int) int { return j }
	last, images := []int{hardSamples, hardOuter, hardFeatures}, []int{hardSamples, hardFeatures, hardOuter}
	add := func(name, layout string, shape []int, set func(n, i, j int) int, new func(g *G.ExprGraph, opts ...Option) (Layer, error)) {
		norms = append(norms, hardNorm{name, layout, new, set, shape})
	}
	add("LayerNorm", "", last, row, func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewLayerNorm(g, hardFeatures, opts...) })
	add("RMSNorm", "", last, row, func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewRMSNorm(g, hardFeatures, opts...) })
	batch := func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewBatchNorm(g, hardFeatures, opts...) }
	group := func(g *G.ExprGraph, opts ...Option) (Layer, error) {
		return NewGroupNorm(g, hardGroups, hardFeatures, opts...)
	}
	instance := func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewInstanceNorm(g, hardFeatures, opts...) }
	for layout, shape := range map[string][]int{"": last, "axis 1": images} {
		add("BatchNorm", layout, shape, column, batch)
		add("GroupNorm", layout, shape, func(n, _, j int) int { return n*hardGroups + j/perGroup }, group)
		add("InstanceNorm", layout, shape, func(n, _, j int) int { return n*hardFeatures + j }, instance)
	}
	add("GroupNorm of rows", "", []int{hardSamples * hardOuter, hardFeatures}, func(n, i, j int) int {
		return row(n, i, j)*hardGroups + j/perGroup
	}, group)
	return norms
}()

func (h hardNorm) centred() bool { return h.name != "RMSNorm" }

// sets is of each number of x the set that it is normalized in.
func (h hardNorm) sets() []int {
	sets := make([]int, hardSize)
	for i := range sets {
		row, feature := i/hardFeatures, i%hardFeatures
		sets[i] = h.set(row/hardOuter, row%hardOuter, feature)
	}
	return sets
}

// hardInputs are of a type's precision.
type hardInputs struct{ x, dy, gamma, beta []float64 }

// run gives y, dx, dγ and, where it is, dβ, with the features last.
func (h hardNorm) run(t *testing.T, dt tensor.Dtype, in hardInputs) [][]float64 {
	t.Helper()
	g := G.NewGraph()
	opts, images := []Option{WithDtype(dt), WithEps(hardEps)}, h.layout != ""
	if images {
		opts = append(opts, WithAxis(1))
		in.x, in.dy = transposed(in.x, hardOuter), transposed(in.dy, hardOuter)
	}
	l, err := h.new(g, opts...)
	require.NoError(t, err)
	for i, v := range [][]float64{in.gamma, in.beta}[:len(l.Learnables())] {
		set(t, l.Learnables()[i], v)
	}
	y, grads := runOnce(t, "tape", g, l, dt, in.x, in.dy, h.shape...)
	if images {
		y, grads[0] = transposed(y, hardFeatures), transposed(grads[0], hardFeatures)
	}
	return append([][]float64{y}, grads...)
}

// transposed is of each sample its rows as columns.
func transposed(x []float64, rows int) []float64 {
	const size = hardOuter * hardFeatures
	y, cols := make([]float64, len(x)), size/rows
	for i, v := range x {
		y[i/size*size+i%cols*rows+i%size/cols] = v
	}
	return y
}

// exact gives what run does by the formula, with 200 bits and any exponent.
func (h hardNorm) exact(in hardInputs) [][]*big.Float {
	number := func(v float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(v) }
	zeros := func(n int) []*big.Float {
		z := make([]*big.Float, n)
		for i := range z {
			z[i] = number(0)
		}
		return z
	}
	add := func(sum, v *big.Float) { sum.Add(sum, v) }
	times := func(a, b *big.Float) *big.Float { return number(0).Mul(a, b) }
	minus := func(a, b *big.Float) *big.Float { return number(0).Sub(a, b) }

	sets := h.sets()
	count := slices.Max(sets) + 1
	n := number(float64(hardSize / count))
	// means gives of each set the mean of v.
	means := func(v func(i int) *big.Float) []*big.Float {
		m := zeros(count)
		for i, s := range sets {
			add(m[s], v(i))
		}
		for _, v := range m {
			v.Quo(v, n)
		}
		return m
	}
	mean := zeros(count)
	if h.centred() {
		mean = means(func(i int) *big.Float { return number(in.x[i]) })
	}
	xhat := make([]*big.Float, hardSize)
	for i, s := range sets {
		xhat[i] = minus(number(in.x[i]), mean[s])
	}
	rstd := means(func(i int) *big.Float { return times(xhat[i], xhat[i]) })
	for _, v := range rstd {
		add(v, number(hardEps))
		v.Quo(number(1), v.Sqrt(v))
	}
	y, g, dx := make([]*big.Float, hardSize), make([]*big.Float, hardSize), make([]*big.Float, hardSize)
	dgamma, dbeta := zeros(hardFeatures), zeros(hardFeatures)
	for i, s := range sets {
		j, d := i%hardFeatures, number(in.dy[i])
		xhat[i].Mul(xhat[i], rstd[s])
		y[i] = times(xhat[i], number(in.gamma[j]))
		if h.centred() {
			add(y[i], number(in.beta[j]))
		}
		g[i] = times(d, number(in.gamma[j]))
		add(dgamma[j], times(d, xhat[i]))
		add(dbeta[j], d)
	}
	meanG := zeros(count)
	if h.centred() {
		meanG = means(func(i int) *big.Float { return g[i] })
	}
	meanGX := means(func(i int) *big.Float { return times(g[i], xhat[i]) })
	for i, s := range sets {
		dx[i] = times(rstd[s], minus(minus(g[i], meanG[s]), times(xhat[i], meanGX[s])))
	}
	results := [][]*big.Float{y, dx, dgamma}
	if h.centred() {
		results = append(results, dbeta)
	}
	return results
}

// exactError is the largest error over the largest value, 0 being as good as 1 for
// that; it is lost where a result is no number.
func exactError(want []*big.Float, got []float64) float64 {
	worst, size := new(big.Float), new(big.Float)
	for i, w := range want {
		if math.IsNaN(got[i]) || math.IsInf(got[i], 0) {
			return lost
		}
		d := new(big.Float).Sub(new(big.Float).SetFloat64(got[i]), w)
		if d.Abs(d).Cmp(worst) > 0 {
			worst = d
		}
		if a := new(big.Float).Abs(w); a.Cmp(size) > 0 {
			size = a
		}
	}
	if size.Sign() > 0 {
		worst.Quo(worst, size)
	}
	e, _ := worst.Float64()
	return e
}

var lost = math.Inf(1)

// hardKinds are how the numbers of x are spread.
var hardKinds = map[string]struct{ mean, deviation float64 }{
	"usual": {0, 1}, "mean 1e4": {1e4, 1}, "mean 1e6": {1e6, 1}, "zero": {0, 0}, "denormal": {0, 1e-310}, "1e30": {0, 1e30}, "1e200": {0, 1e200},
}

// hardData makes the inputs of a case: all x of one kind.
func hardData(kind string, h hardNorm, dt tensor.Dtype) hardInputs {
	k := hardKinds[kind]
	if kind == "denormal" && dt == tensor.Float32 {
		k.deviation = 1e-40
	}
	in := hardInputs{
		x:     golden.Made(1, hardSize, k.mean, k.deviation),
		dy:    golden.Made(2, hardSize, 0, 1),
		gamma: golden.Made(3, hardFeatures, 0, 1),
		beta:  golden.Made(4, hardFeatures, 0, 1),
	}
	switch kind {
	case "denormal":
		clear(in.beta) // beside which x̂ is nothing
	case "constant":
		sets := h.sets()
		constants := golden.Made(5, slices.Max(sets)+1, 1000, 1)
		for i, s := range sets {
			in.x[i] = constants[s]
		}
	}
	for _, v := range [][]float64{in.x, in.dy, in.gamma, in.beta} {
		if dt == tensor.Float32 {
			for i := range v {
				v[i] = float64(float32(v[i]))
			}
		}
	}
	return in
}

// TestHardRows holds the errors of norms on rows, or what else is normalized together,
// that are all far from 0, or constant, or zeros, or large or small beyond squaring:
// to PyTorch's on the same numbers, and to four units in the last place.
func TestHardRows(t *testing.T) {
	t.Logf("%-41s errors of y, dx, dγ and dβ, ours %26s and PyTorch's", "", "")
	for _, c := range hardRows {
		for _, h := range hardNorms {
			if h.name != c.norm {
				continue
			}
			for i, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
				pytorch := c.pytorch[i]
				if pytorch == nil {
					continue
				}
				in := hardData(c.rows, h, dt)
				got, want := h.run(t, dt, in), h.exact(in)
				require.Len(t, got, len(want))
				require.Len(t, pytorch, len(want))
				var ours []float64
				for i := range want {
					ours = append(ours, exactError(want[i], got[i]))
				}
				what := fmt.Sprintf("%-8s  %-19s  %v", c.rows, h.name+" "+h.layout, dt)
				t.Logf("%-41s %s  %s", what, columns(ours), columns(pytorch))
				for i, e := range ours {
					most, slack := h.mostError(c.rows, dt)
					require.LessOrEqual(t, e, most, "%s, result %d", what, i)
					require.LessOrEqual(t, e, pytorch[i]+slack, "%s, result %d beside PyTorch's", what, i)
				}
			}
		}
	}
}

// mostError is what errors may be, and how much larger than PyTorch's: by one rounding,
// where that was luckier.
func (h hardNorm) mostError(kind string, dt tensor.Dtype) (most, slack float64) {
	if dt == tensor.Float32 {
		return 4 * 0x1p-23, 0x1p-23
	}
	const unit = 0x1p-52
	k := hardKinds[kind]
	byRow := h.name == "LayerNorm" || h.name == "RMSNorm" || h.name == "GroupNorm of rows"
	switch {
	case kind == "denormal": // a mean is of whole units of 2^-1074
		few := 4 * 0x1p-1074 / k.deviation
		return few, few
	case kind == "1e200" && !byRow: // the variance is beyond float64, and x̂ is 0
		return 1.2, 0.2
	case k.mean > 0 && !byRow: // the mean is rounded to float64
		return 4 * unit * k.mean / k.deviation, unit
	}
	return 4 * unit, unit
}

// TestNaNAndInfinityStayWhereTheyAre: one in x makes NaN of what is normalized together
// with it, and everything else is what it was, to the bit.
func TestNaNAndInfinityStayWhereTheyAre(t *testing.T) {
	for _, h := range hardNorms {
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			in, sets := hardData("usual", h, dt), h.sets()
			want := h.run(t, dt, in)
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				for _, at := range []int{0, 1717, hardSize - 1} {
					what := fmt.Sprintf("%s %s, %v, %g at %d", h.name, h.layout, dt, bad, at)
					in.x = hardData("usual", h, dt).x
					in.x[at] = bad
					got := h.run(t, dt, in)
					// rstd is 0 where a mean square is infinite: 0 = x·0, but for Inf·0.
					zeros := h.name == "RMSNorm" && math.IsInf(bad, 0)
					lostFeatures := make([]bool, hardFeatures)
					for i, s := range sets {
						switch y, dx := got[0][i], got[1][i]; {
						case s != sets[at]:
							require.Equal(t, want[0][i], y, "%s: y %d", what, i)
							require.Equal(t, want[1][i], dx, "%s: dx %d", what, i)
						case zeros && i != at:
							require.Zero(t, y, "%s: y %d", what, i)
							require.True(t, math.IsNaN(dx), "%s: dx %d is %g", what, i, dx)
							require.False(t, math.IsNaN(got[2][i%hardFeatures]), "%s: dγ %d", what, i%hardFeatures)
						default:
							require.True(t, math.IsNaN(y), "%s: y %d is %g", what, i, y)
							require.True(t, math.IsNaN(dx), "%s: dx %d is %g", what, i, dx)
							lostFeatures[i%hardFeatures] = true
						}
					}
					for j, is := range lostFeatures {
						if is {
							require.True(t, math.IsNaN(got[2][j]), "%s: dγ %d is %g", what, j, got[2][j])
						} else if !zeros {
							require.Equal(t, want[2][j], got[2][j], "%s: dγ %d", what, j)
						}
					}
					if h.centred() {
						require.Equal(t, want[3], got[3], "%s: dβ", what)
					}
				}
			}
		}
	}
}

func columns(errors []float64) (s string) {
	for _, e := range errors {
		if e == lost {
			s += "     lost"
		} else {
			s += fmt.Sprintf("  %.1e", e)
		}
	}
	return fmt.Sprintf("%-36s", s)
}

// hardRows are PyTorch's errors of y, dx, dγ and dβ, relative to the largest value, as
// python3 -B testdata/numerics.py prints them, with PyTorch 1.13.0 on a CPU, where
// RMSNorm is composed. The first are float32's, the second float64's.
var hardRows = []struct {
	rows, norm string
	pytorch    [2][]float64
}{
	{"mean 1e4", "LayerNorm", [2][]float64{{5.1e-04, 2.2e-04, 8.4e-04, 1.3e-07}, {9.0e-13, 2.9e-13, 1.1e-12, 4.1e-16}}},
	{"mean 1e4", "RMSNorm", [2][]float64{{1.5e-07, 1.1e-07, 1.4e-07}, {2.7e-16, 2.4e-16, 3.5e-16}}},
	{"mean 1e4", "BatchNorm", [2][]float64{{6.3e-04, 2.9e-04, 1.3e-03, 1.3e-07}, {8.4e-13, 5.5e-13, 2.3e-12, 4.1e-16}}},
	{"mean 1e4", "GroupNorm", [2][]float64{{5.0e-04, 8.8e-05, 1.4e-03, 1.3e-07}, {8.5e-13, 1.7e-13, 3.0e-12, 1.3e-16}}},
	{"mean 1e4", "GroupNorm of rows", [2][]float64{{9.9e-04, 2.5e-04, 7.5e-04, 1.3e-07}, {9.5e-13, 6.3e-13, 1.1e-12, 4.1e-16}}},
	{"mean 1e4", "InstanceNorm", [2][]float64{{3.7e-04, 5.2e-04, 4.5e-04, 8.2e-08}, {9.7e-13, 2.4e-12, 2.5e-12, 1.3e-16}}},
	{"mean 1e6", "LayerNorm", [2][]float64{{3.1e-02, 1.1e-02, 5.0e-02, 1.3e-07}, {5.9e-11, 2.2e-11, 6.0e-11, 4.1e-16}}},
	{"mean 1e6", "RMSNorm", [2][]float64{{1.5e-07, 1.3e-07, 1.2e-07}, {3.3e-16, 2.6e-16, 2.0e-16}}},
	{"mean 1e6", "BatchNorm", [2][]float64{{5.5e-02, 2.1e-02, 1.3e-01, 1.3e-07}, {1.2e-10, 5.6e-11, 1.9e-10, 4.1e-16}}},
	{"mean 1e6", "GroupNorm", [2][]float64{{4.7e-02, 1.0e-02, 9.4e-02, 1.3e-07}, {6.2e-11, 1.9e-11, 1.9e-10, 1.3e-16}}},
	{"mean 1e6", "GroupNorm of rows", [2][]float64{{5.7e-02, 3.0e-02, 4.7e-02, 1.3e-07}, {9.6e-11, 4.2e-11, 8.5e-11, 4.1e-16}}},
	{"mean 1e6", "InstanceNorm", [2][]float64{{3.0e-02, 4.9e-02, 2.4e-02, 8.2e-08}, {9.7e-11, 6.3e-11, 1.0e-10, 1.3e-16}}},
	{"constant", "LayerNorm", [2][]float64{{1.8e-02, 3.8e-05, 1.6e-01, 1.3e-07}, {3.3e-11, 1.5e-16, 2.5e-10, 4.1e-16}}},
	{"constant", "RMSNorm", [2][]float64{{8.3e-08, 1.5e-07, 1.2e-07}, {3.0e-16, 2.0e-16, 3.0e-16}}},
	{"constant", "BatchNorm", [2][]float64{{1.5e-01, 9.7e-03, 1.2e+00, 1.3e-07}, {2.5e-10, 1.8e-16, 2.6e-09, 4.1e-16}}},
	{"constant", "GroupNorm", [2][]float64{{2.3e-02, 3.7e-05, 4.0e-01, 1.3e-07}, {4.7e-11, 1.6e-16, 8.6e-10, 1.3e-16}}},
	{"constant", "GroupNorm of rows", [2][]float64{{2.5e-02, 1.3e-04, 1.1e-01, 1.3e-07}, {4.7e-11, 1.8e-16, 2.0e-10, 4.1e-16}}},
	{"constant", "InstanceNorm", [2][]float64{{1.3e-02, 7.5e-08, 0.0e+00, 8.2e-08}, {8.8e-11, 1.5e-16, 6.2e-10, 1.3e-16}}},
	{"zero", "LayerNorm", [2][]float64{{0.0e+00, 1.1e-07, 0.0e+00, 1.3e-07}, {0.0e+00, 1.8e-16, 0.0e+00, 4.1e-16}}},
	{"zero", "RMSNorm", [2][]float64{{0.0e+00, 8.9e-08, 0.0e+00}, {0.0e+00, 1.3e-16, 0.0e+00}}},
	{"zero", "BatchNorm", [2][]float64{{0.0e+00, 1.2e-07, 0.0e+00, 1.3e-07}, {0.0e+00, 1.8e-16, 0.0e+00, 4.1e-16}}},
	{"zero", "GroupNorm", [2][]float64{{0.0e+00, 9.4e-08, 0.0e+00, 1.3e-07}, {0.0e+00, 1.6e-16, 0.0e+00, 1.3e-16}}},
	{"zero", "GroupNorm of rows", [2][]float64{{0.0e+00, 1.1e-07, 0.0e+00, 1.3e-07}, {0.0e+00, 1.7e-16, 0.0e+00, 4.1e-16}}},
	{"zero", "InstanceNorm", [2][]float64{{0.0e+00, 7.5e-08, 0.0e+00, 8.2e-08}, {0.0e+00, 1.5e-16, 0.0e+00, 1.3e-16}}},
	{"denormal", "LayerNorm", [2][]float64{{7.5e-06, 1.1e-07, 1.2e-05, 1.3e-07}, {2.2e-14, 1.8e-16, 2.8e-14, 4.1e-16}}},
	{"denormal", "RMSNorm", [2][]float64{{1.0e-07, 8.9e-08, 1.5e-07}, {1.8e-16, 1.3e-16, 2.3e-16}}},
	{"denormal", "BatchNorm", [2][]float64{{1.7e-06, 1.2e-07, 6.7e-06, 1.3e-07}, {8.1e-15, 1.8e-16, 2.8e-14, 4.1e-16}}},
	{"denormal", "GroupNorm", [2][]float64{{5.6e-06, 9.4e-08, 1.4e-05, 1.3e-07}, {1.1e-14, 1.6e-16, 2.6e-14, 1.3e-16}}},
	{"denormal", "GroupNorm of rows", [2][]float64{{7.1e-06, 1.1e-07, 1.2e-05, 1.3e-07}, {1.7e-14, 1.7e-16, 3.4e-14, 4.1e-16}}},
	{"denormal", "InstanceNorm", [2][]float64{{2.5e-06, 7.5e-08, 4.7e-06, 8.2e-08}, {8.9e-15, 1.5e-16, 2.7e-14, 1.3e-16}}},
	{"1e30", "LayerNorm", [2][]float64{{lost, lost, lost, 1.3e-07}, {2.1e-16, 3.4e-16, 2.4e-16, 4.1e-16}}},
	{"1e30", "RMSNorm", [2][]float64{{1.0e+00, 1.0e+00, 1.0e+00}, {2.1e-16, 2.0e-16, 2.7e-16}}},
	{"1e30", "BatchNorm", [2][]float64{{1.1e+00, 1.0e+00, 1.0e+00, 1.3e-07}, {2.3e-16, 2.6e-16, 4.4e-16, 4.1e-16}}},
	{"1e30", "GroupNorm", [2][]float64{{lost, lost, lost, 1.3e-07}, {1.9e-16, 1.8e-16, 2.5e-16, 1.3e-16}}},
	{"1e30", "GroupNorm of rows", [2][]float64{{lost, lost, lost, 1.3e-07}, {2.1e-16, 2.3e-16, 3.9e-16, 4.1e-16}}},
	{"1e30", "InstanceNorm", [2][]float64{{1.1e+00, 1.0e+00, 1.0e+00, 8.2e-08}, {1.6e-16, 2.7e-16, 2.0e-16, 1.3e-16}}},
	{"1e200", "LayerNorm", [2][]float64{nil, {lost, lost, lost, 4.1e-16}}},
	{"1e200", "RMSNorm", [2][]float64{nil, {1.0e+00, 1.0e+00, 1.0e+00}}},
	{"1e200", "BatchNorm", [2][]float64{nil, {1.1e+00, 1.0e+00, 1.0e+00, 4.1e-16}}},
	{"1e200", "GroupNorm", [2][]float64{nil, {lost, lost, lost, 1.3e-16}}},
	{"1e200", "GroupNorm of rows", [2][]float64{nil, {lost, lost, lost, 4.1e-16}}},
	{"1e200", "InstanceNorm", [2][]float64{nil, {1.1e+00, 1.0e+00, 1.0e+00, 1.3e-16}}},
}
