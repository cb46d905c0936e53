package layers

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
)

const hardEps = 1e-5

// hardKinds holds distributions of x.
var hardKinds = map[string]struct{ mean, deviation float64 }{
	"usual": {0, 1}, "mean 1e4": {1e4, 1}, "mean 1e6": {1e6, 1}, "zero": {0, 0}, "denormal": {0, 1e-310},
	"1e30": {0, 1e30}, "1e200": {0, 1e200},
}

// hardData returns the inputs of a case, with x of one kind.
func hardData(kind string, h normCase, dt tensor.Dtype) normInputs {
	k := hardKinds[kind]
	if kind == "denormal" && dt == tensor.Float32 {
		k.deviation = 1e-40
	}
	in := normInputs{
		x:     golden.Made(1, caseSize, k.mean, k.deviation),
		dy:    golden.Made(2, caseSize, 0, 1),
		gamma: golden.Made(3, caseFeatures, 0, 1),
		beta:  golden.Made(4, caseFeatures, 0, 1),
	}
	switch kind {
	case "denormal":
		clear(in.beta) // x̂ would be negligible beside β
	case "constant":
		sets := h.sets()
		constants := golden.Made(5, slices.Max(sets)+1, 1000, 1)
		for i, s := range sets {
			in.x[i] = constants[s]
		}
	}
	round(dt, in.x, in.dy, in.gamma, in.beta)
	return in
}

// TestErrorsOnHardRowsAreSmall checks the errors of norms on numbers that are far from 0, constant,
// zero, or so large or small that squares overflow or vanish. The errors are at limit a few units in
// the last place, and at limit PyTorch's on the same numbers, except for slack.
func TestErrorsOnHardRowsAreSmall(t *testing.T) {
	t.Parallel()
	t.Logf("%-41s %-36s  %s", "errors", "  y, dx, dγ and dβ, ours", "  PyTorch's")
	for _, rows := range hardRowKinds() {
		for _, h := range normCases {
			for i, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
				if rows == "1e200" && dt == tensor.Float32 {
					continue
				}
				in := hardData(rows, h, dt)
				got, want := h.run(t, dt, hardEps, in), h.exact(hardEps, in)
				require.Len(t, got, len(want))
				pytorch := pytorchErrors(rows, h.name)[i]
				var ours []float64
				for i := range want {
					ours = append(ours, exactError(want[i], got[i]))
				}
				what := fmt.Sprintf("%-8s  %-19s  %v", rows, h.name+" "+h.layout, dt)
				t.Logf("%-41s %s  %s", what, columns(ours), columns(pytorch))
				if rows == "1e200" && !h.byRow() { // the variance overflows float64, so x̂ and rstd are 0
					for _, y := range got[0] {
						require.Contains(t, in.beta, y)
					}
					require.Equal(t, make([]float64, len(in.x)), got[1], "dx")
					require.Equal(t, make([]float64, len(in.gamma)), got[2], "dγ")
					require.LessOrEqual(t, ours[3], 8*0x1p-52, "dβ")
					continue
				}
				limit, slack := h.allowedError(rows, dt)
				for i, e := range ours {
					require.LessOrEqual(t, e, limit, "%s, result %d", what, i)
				}
				if pytorch == nil { // testdata/numerics.py does not have the norm
					continue
				}
				require.Len(t, pytorch, len(want))
				for i, e := range ours {
					require.LessOrEqual(t, e, pytorch[i]+slack, "%s, result %d beside PyTorch's", what, i)
				}
			}
		}
	}
}

// hardRowKinds returns the kinds of hardRows, each once.
func hardRowKinds() (kinds []string) {
	for _, c := range hardRows {
		if !slices.Contains(kinds, c.rows) {
			kinds = append(kinds, c.rows)
		}
	}
	return kinds
}

// pytorchErrors returns PyTorch's errors in float32 and float64, or nil if hardRows does not have them.
func pytorchErrors(rows, norm string) (errors [2][]float64) {
	for _, c := range hardRows {
		if c.rows == rows && c.norm == norm {
			return c.pytorch
		}
	}
	return errors
}

// byRow reports whether the kernels of rows take the statistics.
func (c normCase) byRow() bool {
	return c.norm().byRow() || c.name == "GroupNorm of rows"
}

// allowedError returns the largest error allowed, and by how much it may exceed PyTorch's. The slack is
// one rounding, by which PyTorch may be lucky. In float64 it is larger, because without assembly the
// kernels sum sequentially.
func (c normCase) allowedError(kind string, dt tensor.Dtype) (limit, slack float64) {
	if dt == tensor.Float32 {
		return 4 * 0x1p-23, 0x1p-23
	}
	const unit = 0x1p-52
	k := hardKinds[kind]
	switch {
	case kind == "denormal": // a mean is a multiple of 2^-1074
		few := 4 * 0x1p-1074 / k.deviation
		return few, few
	}
	return 8 * unit, 8 * unit
}

// TestNaNAndInfinityAffectOnlyTheirSet: a NaN or infinity in x makes everything that is normalized
// with it NaN, and all else keeps its bits.
func TestNaNAndInfinityAffectOnlyTheirSet(t *testing.T) {
	t.Parallel()
	for _, h := range normCases {
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			in, sets := hardData("usual", h, dt), h.sets()
			want := h.run(t, dt, hardEps, in)
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				for _, at := range []int{0, 1717, caseSize - 1} {
					what := fmt.Sprintf("%s %s, %v, %g at %d", h.name, h.layout, dt, bad, at)
					in.x = hardData("usual", h, dt).x
					in.x[at] = bad
					got := h.run(t, dt, hardEps, in)
					// rstd is 0 if a mean square is infinite. Then y = x·0 is 0, except Inf·0.
					zeros := !h.centred() && math.IsInf(bad, 0)
					lostFeatures := make([]bool, len(want[2]))
					for i, s := range sets {
						switch y, dx := got[0][i], got[1][i]; {
						case s != sets[at]:
							require.Equal(t, want[0][i], y, "%s: y %d", what, i)
							require.Equal(t, want[1][i], dx, "%s: dx %d", what, i)
						case zeros && i != at:
							require.Zero(t, y, "%s: y %d", what, i)
							require.True(t, math.IsNaN(dx), "%s: dx %d is %g", what, i, dx)
							if j := i % caseFeatures; !h.norm().scalar { // a scalar gain's gradient sums over x[at] too
								require.False(t, math.IsNaN(got[2][j]), "%s: dγ %d", what, j)
							}
						default:
							require.True(t, math.IsNaN(y), "%s: y %d is %g", what, i, y)
							require.True(t, math.IsNaN(dx), "%s: dx %d is %g", what, i, dx)
							lostFeatures[h.gainAt(i%caseFeatures)] = true
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

// hardRows holds PyTorch's errors of y, dx, dγ and dβ, relative to the largest value, in float32 and
// float64, as printed by python3 -B testdata/numerics.py with PyTorch 1.13.0 on a CPU. RMSNorm is
// composed of PyTorch's operations there.
var hardRows = []struct {
	rows, norm string
	pytorch    [2][]float64
}{
	{"mean 1e4", "LayerNorm", [2][]float64{{5.1e-04, 2.2e-04, 8.4e-04, 1.3e-07}, {9.0e-13, 2.9e-13, 1.1e-12, 4.1e-16}}},
	{"mean 1e4", "RMSNorm", [2][]float64{{1.5e-07, 1.1e-07, 1.4e-07}, {2.7e-16, 2.4e-16, 3.5e-16}}},
	{"mean 1e4", "BatchNorm", [2][]float64{{6.3e-04, 2.9e-04, 1.3e-03, 1.3e-07}, {8.4e-13, 5.5e-13, 2.3e-12, 4.1e-16}}},
	{"mean 1e4", "GroupNorm", [2][]float64{{5.0e-04, 8.8e-05, 1.4e-03, 1.3e-07}, {8.5e-13, 1.7e-13, 3.0e-12, 1.3e-16}}},
	{"mean 1e4", "GroupNorm of rows",
		[2][]float64{{9.9e-04, 2.5e-04, 7.5e-04, 1.3e-07}, {9.5e-13, 6.3e-13, 1.1e-12, 4.1e-16}}},
	{"mean 1e4", "InstanceNorm", [2][]float64{{3.7e-04, 5.2e-04, 4.5e-04, 8.2e-08}, {9.7e-13, 2.4e-12, 2.5e-12, 1.3e-16}}},
	{"mean 1e6", "LayerNorm", [2][]float64{{3.1e-02, 1.1e-02, 5.0e-02, 1.3e-07}, {5.9e-11, 2.2e-11, 6.0e-11, 4.1e-16}}},
	{"mean 1e6", "RMSNorm", [2][]float64{{1.5e-07, 1.3e-07, 1.2e-07}, {3.3e-16, 2.6e-16, 2.0e-16}}},
	{"mean 1e6", "BatchNorm", [2][]float64{{5.5e-02, 2.1e-02, 1.3e-01, 1.3e-07}, {1.2e-10, 5.6e-11, 1.9e-10, 4.1e-16}}},
	{"mean 1e6", "GroupNorm", [2][]float64{{4.7e-02, 1.0e-02, 9.4e-02, 1.3e-07}, {6.2e-11, 1.9e-11, 1.9e-10, 1.3e-16}}},
	{"mean 1e6", "GroupNorm of rows",
		[2][]float64{{5.7e-02, 3.0e-02, 4.7e-02, 1.3e-07}, {9.6e-11, 4.2e-11, 8.5e-11, 4.1e-16}}},
	{"mean 1e6", "InstanceNorm", [2][]float64{{3.0e-02, 4.9e-02, 2.4e-02, 8.2e-08}, {9.7e-11, 6.3e-11, 1.0e-10, 1.3e-16}}},
	{"constant", "LayerNorm", [2][]float64{{1.8e-02, 3.8e-05, 1.6e-01, 1.3e-07}, {3.3e-11, 1.5e-16, 2.5e-10, 4.1e-16}}},
	{"constant", "RMSNorm", [2][]float64{{8.3e-08, 1.5e-07, 1.2e-07}, {3.0e-16, 2.0e-16, 3.0e-16}}},
	{"constant", "BatchNorm", [2][]float64{{1.5e-01, 9.7e-03, 1.2e+00, 1.3e-07}, {2.5e-10, 1.8e-16, 2.6e-09, 4.1e-16}}},
	{"constant", "GroupNorm", [2][]float64{{2.3e-02, 3.7e-05, 4.0e-01, 1.3e-07}, {4.7e-11, 1.6e-16, 8.6e-10, 1.3e-16}}},
	{"constant", "GroupNorm of rows",
		[2][]float64{{2.5e-02, 1.3e-04, 1.1e-01, 1.3e-07}, {4.7e-11, 1.8e-16, 2.0e-10, 4.1e-16}}},
	{"constant", "InstanceNorm", [2][]float64{{1.3e-02, 7.5e-08, 0.0e+00, 8.2e-08}, {8.8e-11, 1.5e-16, 6.2e-10, 1.3e-16}}},
	{"zero", "LayerNorm", [2][]float64{{0.0e+00, 1.1e-07, 0.0e+00, 1.3e-07}, {0.0e+00, 1.8e-16, 0.0e+00, 4.1e-16}}},
	{"zero", "RMSNorm", [2][]float64{{0.0e+00, 8.9e-08, 0.0e+00}, {0.0e+00, 1.3e-16, 0.0e+00}}},
	{"zero", "BatchNorm", [2][]float64{{0.0e+00, 1.2e-07, 0.0e+00, 1.3e-07}, {0.0e+00, 1.8e-16, 0.0e+00, 4.1e-16}}},
	{"zero", "GroupNorm", [2][]float64{{0.0e+00, 9.4e-08, 0.0e+00, 1.3e-07}, {0.0e+00, 1.6e-16, 0.0e+00, 1.3e-16}}},
	{"zero", "GroupNorm of rows",
		[2][]float64{{0.0e+00, 1.1e-07, 0.0e+00, 1.3e-07}, {0.0e+00, 1.7e-16, 0.0e+00, 4.1e-16}}},
	{"zero", "InstanceNorm", [2][]float64{{0.0e+00, 7.5e-08, 0.0e+00, 8.2e-08}, {0.0e+00, 1.5e-16, 0.0e+00, 1.3e-16}}},
	{"denormal", "LayerNorm", [2][]float64{{7.5e-06, 1.1e-07, 1.2e-05, 1.3e-07}, {2.2e-14, 1.8e-16, 2.8e-14, 4.1e-16}}},
	{"denormal", "RMSNorm", [2][]float64{{1.0e-07, 8.9e-08, 1.5e-07}, {1.8e-16, 1.3e-16, 2.3e-16}}},
	{"denormal", "BatchNorm", [2][]float64{{1.7e-06, 1.2e-07, 6.7e-06, 1.3e-07}, {8.1e-15, 1.8e-16, 2.8e-14, 4.1e-16}}},
	{"denormal", "GroupNorm", [2][]float64{{5.6e-06, 9.4e-08, 1.4e-05, 1.3e-07}, {1.1e-14, 1.6e-16, 2.6e-14, 1.3e-16}}},
	{"denormal", "GroupNorm of rows",
		[2][]float64{{7.1e-06, 1.1e-07, 1.2e-05, 1.3e-07}, {1.7e-14, 1.7e-16, 3.4e-14, 4.1e-16}}},
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
