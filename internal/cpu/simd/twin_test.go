package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// eachTwin runs a test of each implementation that this machine can run beside the formulas.
func eachTwin(
	t *testing.T,
	run32 func(*testing.T, *Kernels[float32], *Kernels[float32]),
	run64 func(*testing.T, *Kernels[float64], *Kernels[float64]),
) {
	for i := range all32 {
		t.Run("float32/"+all32[i].Name, func(t *testing.T) { t.Parallel(); run32(t, all32[i], formulasOf[float32]()) })
		t.Run("float64/"+all64[i].Name, func(t *testing.T) { t.Parallel(); run64(t, all64[i], formulasOf[float64]()) })
	}
}

// eachPair runs a test of each assembly implementation that this machine can run beside the one in Go.
func eachPair(
	t *testing.T,
	run32 func(*testing.T, *Kernels[float32], *Kernels[float32]),
	run64 func(*testing.T, *Kernels[float64], *Kernels[float64]),
) {
	for _, k := range all32[1:] {
		t.Run("float32/"+k.Name, func(t *testing.T) { t.Parallel(); run32(t, k, all32[0]) })
	}
	for _, k := range all64[1:] {
		t.Run("float64/"+k.Name, func(t *testing.T) { t.Parallel(); run64(t, k, all64[0]) })
	}
}

// ε returns the distance from 1 to the next number of the type.
func ε[T Float]() float64 {
	if _, double := any(T(0)).(float64); double {
		return 0x1p-52
	}
	return 0x1p-23
}

// fill is a kind of test data.
type fill struct {
	name string
	at   func(r *rand.Rand, i int) float64
}

var fills = []fill{
	{"normal", func(r *rand.Rand, _ int) float64 { return r.NormFloat64() }},
	{"thirty orders of magnitude", func(r *rand.Rand, _ int) float64 {
		return r.NormFloat64() * math.Pow(10, 30*r.Float64()-15)
	}},
	{"mean 1e4", func(r *rand.Rand, _ int) float64 { return 1e4 + r.NormFloat64() }},
	{"a NaN", special(math.NaN())},
	{"an Inf", special(math.Inf(1))},
	{"zeros", func(*rand.Rand, int) float64 { return 0 }},
}

// special returns normal data with v at one place in nine.
func special(v float64) func(*rand.Rand, int) float64 {
	return func(r *rand.Rand, i int) float64 {
		if i%9 == 4 {
			return v
		}
		return r.NormFloat64()
	}
}

// arena hands out slices of larger ones, at odd places, between guard words that must not change.
type arena[T Float] struct {
	rng     *rand.Rand
	memory  [][]T
	offsets []int
	lengths []int
}

const guard = 16

func newArena[T Float](seed uint64) *arena[T] {
	return &arena[T]{rng: rand.New(rand.NewPCG(seed, 1))}
}

// make returns n elements of a kind, the same ones for the same seed of the arena.
func (a *arena[T]) make(n int, f fill) []T {
	offset := guard + len(a.memory)%5 // not aligned to a vector
	m := make([]T, n+2*guard+5)
	for i := range m {
		m[i] = T(-12345)
	}
	s := m[offset : offset+n : offset+n]
	for i := range s {
		s[i] = T(f.at(a.rng, i))
	}
	a.memory, a.offsets, a.lengths = append(a.memory, m), append(a.offsets, offset), append(a.lengths, n)
	return s
}

// intact fails if a guard word has changed.
func (a *arena[T]) intact(t *testing.T) {
	t.Helper()
	for i, m := range a.memory {
		for j, v := range m {
			if (j < a.offsets[i] || j >= a.offsets[i]+a.lengths[i]) && v != T(-12345) {
				at := j - a.offsets[i]
				require.Failf(t, "out of bounds", "slice %d of %d elements was written at %d", i, a.lengths[i], at)
			}
		}
	}
}

// requireNear requires that got equals want up to an absolute tolerance, with NaN and Inf in the same places.
func requireNear[T Float](t *testing.T, what string, want, got []T, tolerance func(i int) float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i, w := range want {
		w, g := float64(w), float64(got[i])
		if w == g || math.IsNaN(w) && math.IsNaN(g) {
			continue
		}
		if d := math.Abs(w - g); !(d <= tolerance(i)) {
			require.Failf(t, "twins differ", "%s[%d] is %g, its twin %g: %g apart, want at most %g",
				what, i, g, w, d, tolerance(i))
		}
	}
}

// exactly is the tolerance of kernels that round each result once.
func exactly(int) float64 { return 0 }

func TestElementwiseTwins(t *testing.T) {
	t.Parallel()
	eachTwin(t, elementwiseTwin[float32], elementwiseTwin[float64])
}

func elementwiseTwin[T Float](t *testing.T, k, twin *Kernels[T]) {
	for _, f := range fills {
		for n := range 101 {
			what := fmt.Sprintf("%s, length %d", f.name, n)
			run := func(k *Kernels[T]) (z, scaled []T, squares T, a *arena[T]) {
				a = newArena[T](uint64(n))
				x, y, z := a.make(n, f), a.make(n, f), a.make(n, f)
				k.Add(z, x, y)
				squares = T(k.SumSquares(x))
				k.Scale(x, x, 1.7)
				return z, x, squares, a
			}
			z, scaled, squares, a := run(k)
			wantZ, wantScaled, wantSquares, _ := run(twin)
			a.intact(t)
			requireNear(t, what+": sum", wantZ, z, exactly)
			requireNear(t, what+": scaled", wantScaled, scaled, exactly)
			requireNear(t, what+": squares", []T{wantSquares}, []T{squares}, func(int) float64 {
				return 4 * ε[T]() * math.Abs(float64(wantSquares))
			})
		}
	}
}

func TestTileTwins(t *testing.T) {
	t.Parallel()
	eachTwin(t, tileTwins[float32], tileTwins[float64])
}

func tileTwins[T Float](t *testing.T, k, _ *Kernels[T]) {
	tileTwin(t, k, k.Tile, k.TileRows)
	tileTwin(t, k, k.LowTile, k.LowRows)
}

// tileTwin compares a tile of m rows with its definition in float64, because the twin's own tile has another size.
func tileTwin[T Float](
	t *testing.T, k *Kernels[T],
	tile func(k int, a []T, rsa, csa int, b []T, ldb int, c []T, ldc int, alpha, beta T), m int,
) {
	n := k.TileCols
	for _, f := range fills {
		for _, depth := range []int{0, 1, 2, 7, 64, 100} {
			for _, transposed := range []bool{false, true} {
				for _, beta := range []T{0, 1, -0.5} {
					what := fmt.Sprintf("%d rows, %s, k %d, transposed %v, beta %v", m, f.name, depth, transposed, beta)
					a := newArena[T](uint64(depth))
					lda, ldb, ldc := depth+3, n+5, n+1
					rsa, csa := lda, 1
					A := a.make(max(m, depth)*(max(m, depth)+3), f)
					if transposed {
						lda = m + 3
						rsa, csa = 1, lda
					}
					B, C := a.make(depth*ldb+1, f), a.make(m*ldc, fills[0])
					want, tolerance := append([]T{}, C...), make([]float64, len(C))
					for i := range m {
						for j := range n {
							var s, size float64
							for p := range depth {
								v := float64(A[i*rsa+p*csa]) * float64(B[p*ldb+j])
								s, size = s+v, size+math.Abs(v)
							}
							c := &want[i*ldc+j]
							s *= 1.25
							if beta != 0 {
								s += float64(beta) * float64(*c)
							}
							*c, tolerance[i*ldc+j] = T(s), ε[T]()*float64(depth+2)*(1.25*size+1)
						}
					}
					tile(depth, A, rsa, csa, B, ldb, C, ldc, 1.25, beta)
					a.intact(t)
					requireNear(t, what, want, C, func(i int) float64 { return tolerance[i] })
				}
			}
		}
	}
}

// TestPeakEnds: it computes nothing that could be compared.
func TestPeakEnds(t *testing.T) {
	t.Parallel()
	for _, k := range all32 {
		k.Peak(1)
		require.Positive(t, k.PeakTerms)
	}
	for _, k := range all64 {
		k.Peak(3)
		require.Positive(t, k.PeakTerms)
	}
}

// TestChoose makes the kernels of a name run. It is not parallel, because it changes what others use.
func TestChoose(t *testing.T) {
	best := Of[float32]().Name
	defer func() { require.NoError(t, Choose(best)) }()
	for _, name := range Names() {
		require.NoError(t, Choose(strings.ToLower(name)))
		require.Equal(t, name, Of[float32]().Name)
		require.Equal(t, name, Of[float64]().Name)
	}
	require.ErrorContains(t, Choose("sse"), `this machine has no kernels "sse", want one of ["purego"`)
}

func TestTransposeTwins(t *testing.T) {
	t.Parallel()
	eachTwin(t, transposeTwin[float32], transposeTwin[float64])
}

func transposeTwin[T Float](t *testing.T, k, _ *Kernels[T]) {
	for _, n := range []int{0, k.Lanes, 3 * k.Lanes} {
		lds, ldd := n+3, k.Lanes+1
		a := newArena[T](uint64(n))
		src, dst := a.make(k.Lanes*lds, fills[0]), a.make(n*ldd, fills[0])
		want := append([]T{}, dst...)
		for i := range k.Lanes {
			for j := range n {
				want[j*ldd+i] = src[i*lds+j]
			}
		}
		k.Transpose(dst, ldd, src, lds, n)
		a.intact(t)
		requireNear(t, fmt.Sprint("n ", n), want, dst, exactly)
	}
}
