package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/cpu/simd"
)

// wideNorm is a norm of sets of n numbers in x of shape (outer, sets·features, inner). A set
// consists of features.
type wideNorm struct {
	name  string
	shape func(n int) (outer, features, inner int)
}

var wideNorms = []wideNorm{
	{"LayerNorm", inRows},
	{"RMSNorm", inRows},
	{"GroupNorm of rows", inRows},
	{"GroupNorm of columns", func(n int) (int, int, int) { return n / 4, 4, 1 }},
	{"GroupNorm of segments", func(n int) (int, int, int) { return 1, 4, n / 4 }},
	{"InstanceNorm of segments", func(n int) (int, int, int) { return 1, 1, n }},
	{"BatchNorm of columns", func(n int) (int, int, int) { return n, 1, 1 }},
	{"BatchNorm of short segments", func(n int) (int, int, int) { return n / 8, 1, 8 }},
	{"BatchNorm of segments", func(n int) (int, int, int) { return 1, 1, n }},
}

func inRows(n int) (outer, features, inner int) { return 1, n, 1 }

// wideRow defines a row that is hard to normalize. The name says why.
type wideRow struct {
	name string
	at   func(r *rand.Rand, i, n int) float64
}

// wideRows begin with those that are hardest when wide.
var wideRows = []wideRow{
	{"1e6, then 1e6+2", func(_ *rand.Rand, i, n int) float64 { return 1e6 + 2*float64(2*i/n) }},
	{"mean -1e5", func(r *rand.Rand, _, _ int) float64 { return -1e5 + r.NormFloat64() }},
	{"all 1.1e8 but one that is an ulp more", func(_ *rand.Rand, i, n int) float64 {
		if i == n/3 {
			return 1.1e8 + 8
		}
		return 1.1e8
	}},
	{"constant 1e20", constantly(1e20)},
	{"-0.3, then 1.1", func(_ *rand.Rand, i, n int) float64 { return 1.4*float64(2*i/n) - 0.3 }},
	{"1e6 and 1e6+2 in turn", func(_ *rand.Rand, i, _ int) float64 { return 1e6 + 2*float64(i%2) }},
	{"normal", func(r *rand.Rand, _, _ int) float64 { return r.NormFloat64() }},
	{"mean 1e4", func(r *rand.Rand, _, _ int) float64 { return 1e4 + r.NormFloat64() }},
	{"mean 1e6", func(r *rand.Rand, _, _ int) float64 { return 1e6 + r.NormFloat64() }},
	{"-0.7, then 0.7", func(_ *rand.Rand, i, n int) float64 { return 1.4*float64(2*i/n) - 0.7 }},
	{"a drift", func(_ *rand.Rand, i, n int) float64 { return float64(i) / float64(n) }},
	{"an outlier", func(r *rand.Rand, i, n int) float64 {
		if i == 0 {
			return 1e6
		}
		return r.NormFloat64()
	}},
	{"mostly 0.1", func(r *rand.Rand, _, _ int) float64 { return max(0.1, 3*r.NormFloat64()-5) }},
	{"constant 0.1", constantly(0.1)},
	{"constant 1e6", constantly(1e6)},
	{"constant 1.1e10", constantly(1.1e10)},
	{"constant -3e30", constantly(-3e30)},
}

func constantly(v float64) func(*rand.Rand, int, int) float64 {
	return func(*rand.Rand, int, int) float64 { return v }
}

// TestNormsOfWideAndHardRows bounds the largest error of x̂ at every width. It is at most
// four times the error of the two-pass formula in float64 with results rounded to float32, or
// four times one rounding of the largest x̂, 2⁻²⁴, if that is more. Errors of gradients and
// second derivatives, which include that of x̂, are at most eight times those of the formulas,
// or eight times one rounding of the sum of their terms' sizes. Constant rows become 0.
func TestNormsOfWideAndHardRows(t *testing.T) {
	t.Log("kernels:", simd.Of[float32]().Name)
	for _, n := range []int{
		1, 2, 3, 7, 100, 500, 768, 1000, 1024, 1032, 2048, 4096, 4099, 1 << 14, 1<<16 + 5, 150528, 1 << 20, 1 << 22,
	} {
		rows := wideRows
		switch {
		case n > 5000 && testing.Short():
			return
		case n > 1<<18:
			rows = wideRows[:2]
		case n > 5000:
			rows = wideRows[:5]
		}
		for _, row := range rows {
			r := rand.New(rand.NewPCG(1, uint64(n)))
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(row.at(r, i, n))
			}
			checkWide(t, fmt.Sprintf("%s, %d columns", row.name, n), x, 1e-5, 4)
		}
	}
}

// TestRowsOfMeanAMillion bounds the error by 10⁻⁷ of the largest x̂, as documented.
func TestRowsOfMeanAMillion(t *testing.T) {
	for _, n := range []int{512, 1024, 4096, 1 << 16, 1 << 20, 1 << 22} {
		if n > 1<<16 && testing.Short() {
			return
		}
		x := normals[float32](n, 1e6, 1)
		want := exactNorm(x, 1e-5, true).xhat
		largest := max(slices.Max(want), -slices.Min(want))
		for _, norm := range wideNorms {
			if _, features, _ := norm.shape(n); norm.name == "RMSNorm" || n > 1<<20 && features != n {
				continue
			}
			for i, v := range runWide(t, norm, x, x, x, 1e-5)[0] {
				if e := math.Abs(float64(v) - want[i]); !(e <= 1e-7*largest) {
					require.Failf(t, "inexact", "%s, %d columns: %g is off by %g", norm.name, n, v, e)
				}
			}
		}
	}
}

// TestNormsKeepTheirDigitsInFloat64 covers deviations much smaller than the mean.
func TestNormsKeepTheirDigitsInFloat64(t *testing.T) {
	for _, n := range []int{2, 7, 16, 100, 768, 4096} {
		for _, row := range []struct{ mean, deviation float64 }{
			{1e4, 1e-6}, {-12345.678, 1e-7}, {1.1e8, 1e-4}, {1e-4, 1e-17}, {0.3, 0},
		} {
			x := normals[float64](n, row.mean, row.deviation)
			checkWide(t, fmt.Sprintf("%v, %d columns", row, n), x, 1e-40, 8)
		}
	}
}

// TestNormsOfWideAndHardRowsOnOtherKernels runs these tests on the kernels that this machine
// would not choose.
func TestNormsOfWideAndHardRowsOnOtherKernels(t *testing.T) {
	if testing.Short() {
		t.Skip("each kind of kernels takes a process of its own")
	}
	for off, want := range map[string]string{"cpu.avx512f=off": "AVX2", "cpu.avx2=off": "purego"} {
		t.Run(want, func(t *testing.T) {
			if best := simd.Of[float32]().Name; best == "purego" || best == want || os.Getenv("GODEBUG") != "" {
				t.Skip("the kernels here are ", best)
			}
			short := want == "purego" // the tag purego has a run of its own
			const tests = "^(TestNormsOfWideAndHardRows|TestNormsKeepTheirDigitsInFloat64)$"
			cmd := exec.Command(os.Args[0], "-test.v", "-test.run", tests, fmt.Sprint("-test.short=", short))
			cmd.Env = append(os.Environ(), "GODEBUG="+off)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "kernels: "+want)
		})
	}
}

// checkWide bounds the largest errors of every norm of x by that many times those of the
// formula, which in float64 has only rounding errors.
func checkWide[T Float](t *testing.T, what string, x []T, eps, times float64) {
	t.Helper()
	dys := map[string][]T{"random": normals[T](len(x)+1, 0, 1)[1:]}
	if len(x) < 5000 {
		dys["constant"] = constant[T](nil, len(x), 0.1)
	}
	u := normals[T](len(x), 0, 1)
	for dyName, dy := range dys {
		for _, centred := range []bool{true, false} {
			g, v := func(i int) float64 { return float64(dy[i]) }, func(i int) float64 { return float64(u[i]) }
			want := exactNorm(x, eps, centred).results(g, v, centred)
			formula := twoPassNorm(x, eps, centred).results(g, v, centred)
			for _, norm := range wideNorms {
				outer, features, inner := norm.shape(len(x))
				if outer*features*inner != len(x) || centred != (norm.name != "RMSNorm") {
					continue
				}
				if len(x) > 1<<20 && features != len(x) { // the norms' scratch stays, and would take gigabytes
					continue
				}
				got := runWide(t, norm, x, dy, u, eps)
				if want := slices.Repeat([]T{0}, len(x)); centred && slices.Min(x) == slices.Max(x) {
					require.Equal(t, want, got[0], "%s of %s", norm.name, what)
				}
				want.dgamma(g, features, inner)
				formula.dgamma(g, features, inner)
				for i, result := range []string{"x̂", "dx", "dγ", "second dx", "second ddy"} {
					most := times
					if i > 0 {
						most *= 2
					}
					most *= allowed[T](want, formula, i)
					for j, v := range got[i] {
						if e := math.Abs(float64(v) - want.values[i][j]); !(e <= most) {
							require.Failf(t, "inexact", "%s of %s, dy %s: %s is off by %g, want at most %g",
								norm.name, what, dyName, result, e, most)
						}
					}
				}
			}
		}
	}
}

// allowed returns the error of the formula's result, or one rounding if that is more.
func allowed[T Float](want, formula exactResults, result int) float64 {
	_, double := any(T(0)).(float64)
	if double {
		return 0x1p-53 * want.sizes[result]
	}
	most := 0x1p-24 * want.sizes[result]
	for j, w := range want.values[result] {
		most = max(most, math.Abs(float64(T(formula.values[result][j]))-w))
	}
	return most
}

// runWide returns the results of one of some equal sets side by side, whose results must be
// equal.
func runWide[T Float](t *testing.T, norm wideNorm, x, dy, u []T, eps float64) (r [5][]T) {
	n := len(x)
	outer, features, inner := norm.shape(n)
	sets := 5
	if n > 5000 {
		sets = 2
	}
	at := make([]int, n) // the first set's places; the next set's are features·inner further
	for i := range at {
		at[i] = (i/inner/features*sets*features+i/inner%features)*inner + i%inner
	}
	spread := func(s []T) []T {
		all := make([]T, sets*n)
		for i, v := range s {
			for set := range sets {
				all[at[i]+set*features*inner] = v
			}
		}
		return all
	}
	gather := func(all []T) []T {
		s := make([]T, n)
		for i := range s {
			s[i] = all[at[i]]
			for set := range sets {
				if v := all[at[i]+set*features*inner]; v != s[i] && s[i] == s[i] {
					require.Failf(t, "sets differ", "%s: %v and %v at %d", norm.name, s[i], v, i)
				}
			}
		}
		return s
	}
	X, DY, Y, DX := spread(x), spread(dy), make([]T, sets*n), make([]T, sets*n)
	dgamma := make([]T, sets*features)
	if norm.name == "LayerNorm" || norm.name == "RMSNorm" {
		dgamma = dgamma[:n]
		rows := NewLayerNorm[T](n, eps)
		if norm.name == "RMSNorm" {
			rows = NewRMSNorm[T](n, n, eps)
		}
		rows.Forward(Y, X, nil, nil)
		rows.Backward(DX, dgamma, nil, X, nil, DY)
		for i := range dgamma { // a sum over the sets
			dgamma[i] /= T(sets)
		}
		ddx, ddy := make([]T, sets*n), make([]T, sets*n)
		rows.Second(ddx, nil, ddy, X, nil, DY, spread(u))
		r[3], r[4] = gather(ddx), gather(ddy)
	} else if strings.HasPrefix(norm.name, "Batch") {
		n := BatchNorm[T]{Features: sets, Inner: inner, Eps: eps}
		n.Forward(Y, X, nil, nil)
		n.Backward(DX, dgamma, nil, X, nil, DY)
	} else {
		n := GroupNorm[T]{GroupShape: GroupShape{1, outer, sets * features, inner, sets}, Eps: eps}
		n.Forward(Y, X, nil, nil)
		n.Backward(DX, dgamma, nil, X, nil, DY)
	}
	r[0], r[1], r[2] = gather(Y), gather(DX), dgamma[:features]
	return r
}
