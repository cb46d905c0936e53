package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/cpu/simd"
)

func normals[T Float](n int, mean, std float64) []T {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	x := make([]T, n)
	for i := range x {
		x[i] = T(rng.NormFloat64()*std + mean)
	}
	return x
}

func bothTypes(t *testing.T, f32, f64 func(*testing.T)) {
	t.Run("float32", f32)
	t.Run("float64", f64)
}

func TestGemmEqualsItsDefinition(t *testing.T) {
	t.Parallel()
	bothTypes(t, testGemm[float32], testGemm[float64])
}

func testGemm[T Float](t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {3, 5, 7}, {65, 33, 70}, {128, 1, 9}, {50, 300, 512}} {
		m, n, k := s[0], s[1], s[2]
		for _, transA := range []bool{false, true} {
			for _, transB := range []bool{false, true} {
				for _, coeff := range [][2]T{{1, 0}, {0.5, 1}, {-2, 0.25}} {
					testGemmCase(t, transA, transB, m, n, k, coeff[0], coeff[1])
				}
			}
		}
	}
}

func testGemmCase[T Float](t *testing.T, transA, transB bool, m, n, k int, alpha, beta T) {
	const gap = 3 // elements between rows, which must not change
	lda, ldb, ldc := k+gap, n+gap, n+gap
	rowsA, rowsB := m, k
	if transA {
		lda, rowsA = m+gap, k
	}
	if transB {
		ldb, rowsB = k+gap, n
	}
	a, b, c := normals[T](rowsA*lda, 0, 1), normals[T](rowsB*ldb, 0, 1), normals[T](m*ldc, 0, 1)
	at := func(x []T, ld, i, j int, trans bool) float64 {
		if trans {
			i, j = j, i
		}
		return float64(x[i*ld+j])
	}
	want := make([]float64, len(c))
	for i := range want {
		want[i] = float64(c[i])
	}
	for i := range m {
		for j := range n {
			var s float64
			for l := range k {
				s += at(a, lda, i, l, transA) * at(b, ldb, l, j, transB)
			}
			want[i*ldc+j] = float64(alpha)*s + float64(beta)*want[i*ldc+j]
		}
	}
	Gemm(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
	eps := 1e-15
	if _, ok := any(alpha).(float32); ok {
		eps = 1e-6
	}
	for i := range want {
		// The rounding error grows at most with the number of terms, all of order 1.
		if !(math.Abs(want[i]-float64(c[i])) <= eps*float64(k+1)*4) {
			t.Fatalf("%v %v %d×%d×%d alpha %v beta %v: c[%d] is %v, want %v",
				transA, transB, m, n, k, alpha, beta, i, c[i], want[i])
		}
	}
}

// TestRowNormsOfFarOffRows compares float32 with the formula in float64 on rows for which
// E[x²]−E[x]² would lose all digits, and a mean rounded to float32 would be wrong by up to a
// thirtieth of a deviation.
// TestGemmHasTheSameBits with AVX2 as with AVX-512, whose tiles have other sizes, and at any number of
// threads. It is not parallel, because it chooses the kernels.
func TestGemmHasTheSameBits(t *testing.T) {
	names := simd.Names()
	best := names[len(names)-1]
	defer func() { require.NoError(t, simd.Choose(best)) }()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rng := rand.New(rand.NewPCG(3, 5))
	draw := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	for range 60 {
		m, n, k := 1+rng.IntN(80), 1+rng.IntN(150), 1+rng.IntN(600)
		transA, transB := rng.IntN(2) == 0, rng.IntN(2) == 0
		a, b, c := draw(m*k), draw(k*n), draw(m*n)
		lda, ldb := k, n
		if transA {
			lda = m
		}
		if transB {
			ldb = k
		}
		for _, beta := range []float32{0, 1, -0.3} {
			var want []float32
			for _, name := range names[1:] { // those in assembly
				require.NoError(t, simd.Choose(name))
				for _, threads := range []int{1, 3} {
					runtime.GOMAXPROCS(threads)
					got := slices.Clone(c)
					Gemm(transA, transB, m, n, k, 1.7, a, lda, b, ldb, beta, got, n)
					if want == nil {
						want = got
					}
					require.Equal(t, want, got, "%d×%d×%d, beta %v, %s, %d threads", m, k, n, beta, name, threads)
				}
			}
		}
	}
}

func TestRowNormsOfFarOffRows(t *testing.T) {
	t.Parallel()
	const rows, cols = 3, 500
	for _, mean := range []float64{0, 1e4, 1e6} {
		t.Run(fmt.Sprint(mean), func(t *testing.T) {
			x := normals[float32](rows*cols, mean, 1)
			y := make([]float32, len(x))
			NewLayerNorm[float32](cols, 1e-5).Forward(y, x, nil, nil)
			for r := range rows {
				row := x[r*cols : (r+1)*cols]
				m := sum(row) / cols
				s := 1 / math.Sqrt(centredSquares(row, m)/cols+1e-5)
				for j, v := range row {
					require.InDelta(t, (float64(v)-m)*s, y[r*cols+j], 1e-6)
				}
			}
		})
	}
}

func TestExtremesStayFinite(t *testing.T) {
	t.Parallel()
	bothTypes(t, testExtremes[float32], testExtremes[float64])
}

func testExtremes[T Float](t *testing.T) {
	x := []T{0, 1e-30, -1e-30, 30, -30, 1e20, -1e20, 3e38, -3e38}
	y, dx, dy := make([]T, len(x)), make([]T, len(x)), make([]T, len(x))
	for i := range dy {
		dy[i] = 1
	}
	var g GELU[T]
	g.Forward(y, x)
	g.Backward(dx, x, dy)
	for i, v := range x {
		wantY, wantD := T(0), T(0)
		switch {
		case v > 1:
			wantY, wantD = v, 1
		case v > -1:
			wantY, wantD = v/2, 0.5
		}
		require.Equal(t, wantY, y[i]+0, "gelu(%g)", v)
		require.Equal(t, wantD, dx[i]+0, "gelu'(%g)", v)
	}

	var e CrossEntropy[T]
	require.InEpsilon(t, 1e30, e.Forward([]T{1e30, -1e30, 1e30}, []int{1}, 3)-1e30, 1e-6)
	require.Equal(t, []T{0.5, 0, 0.5}, e.probs)
	require.Equal(t, T(5000), e.Forward([]T{0, 1e4, 1e4, 0}, []int{0, 0}, 2))
}

// TestAttentionIsCausal expects the first token to attend to itself alone.
func TestAttentionIsCausal(t *testing.T) {
	t.Parallel()
	h := Heads{B: 2, T: 5, C: 6, Heads: 3}
	qkv := normals[float64](h.B*h.T*3*h.C, 0, 1)
	y, a := make([]float64, h.B*h.T*h.C), CausalAttention[float64]{Heads: h}
	a.Forward(y, qkv)
	for b := range h.B {
		require.InDeltaSlice(t, qkv[b*h.T*3*h.C+2*h.C:][:h.C], y[b*h.T*h.C:][:h.C], 1e-15)
	}
	for i := range h.B * h.Heads {
		for q := range h.T {
			row := a.kept[(i*h.T+q)*h.T:][:h.T]
			require.InDelta(t, 1, sum(row), 1e-14)
			require.Equal(t, make([]float64, h.T-q-1), row[q+1:])
		}
	}
}

// TestObjectsKeepNoSliceOfTheCallers expects them to hold only their own memory after a pass.
func TestObjectsKeepNoSliceOfTheCallers(t *testing.T) {
	t.Parallel()
	h := Heads{B: 1, T: 2, C: 4, Heads: 2}
	x, y := make([]float64, h.T*3*h.C), make([]float64, h.T*3*h.C)
	for _, exact := range []bool{false, true} {
		g := GELU[float64]{Exact: exact}
		g.Forward(y, x)
		g.Backward(y, x, x)
		require.Equal(t, GELU[float64]{Exact: exact, kept: g.kept}, g)
	}
	var e CrossEntropy[float64]
	e.Forward(x, []int{1, 2}, 12)
	e.Backward(y, []int{1, 2}, 1)
	require.Equal(t, CrossEntropy[float64]{probs: e.probs, losses: e.losses, cols: 12, scale: 0.5}, e)
	a := CausalAttention[float64]{Heads: h}
	a.Forward(y, x)
	a.Evaluate(y, x)
	a.Backward(y, x, x)
	require.Equal(t, CausalAttention[float64]{Heads: h, kept: a.kept}, a)
}

func sum[T Float](x []T) (s float64) {
	for _, v := range x {
		s += float64(v)
	}
	return s
}

func centredSquares[T Float](x []T, mean float64) (s float64) {
	for _, v := range x {
		d := float64(v) - mean
		s += d * d
	}
	return s
}
