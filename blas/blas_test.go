package blas

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/blas/testblas"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func TestGonumsOwnSuite(t *testing.T) {
	t.Parallel()
	var impl Implementation
	t.Run("Dgemm", func(t *testing.T) { testblas.TestDgemm(t, impl) })
	t.Run("Sgemm", func(t *testing.T) { testblas.TestDgemm(t, single{}) })
	t.Run("Dsymm", func(t *testing.T) { testblas.DsymmTest(t, impl) })
	t.Run("Dtrsm", func(t *testing.T) { testblas.DtrsmTest(t, impl) })
	t.Run("Dsyrk", func(t *testing.T) { testblas.DsyrkTest(t, impl) })
	t.Run("Dsyr2k", func(t *testing.T) { testblas.Dsyr2kTest(t, impl) })
	t.Run("Dtrmm", func(t *testing.T) { testblas.DtrmmTest(t, impl) })
	t.Run("Dgemv", func(t *testing.T) { testblas.DgemvTest(t, impl) })
	t.Run("Dger", func(t *testing.T) { testblas.DgerTest(t, impl) })
	t.Run("Zgemm", func(t *testing.T) { testblas.ZgemmTest(t, impl) })
}

// single computes Dgemm by Sgemm, because gonum's suite has no test of Sgemm. The numbers of the suite are
// exact in float32.
type single struct{ Implementation }

func (s single) Dgemm(
	tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int,
	b []float64, ldb int, beta float64, c []float64, ldc int,
) {
	narrow := func(x []float64) []float32 {
		y := make([]float32, len(x))
		for i, v := range x {
			y[i] = float32(v)
		}
		return y
	}
	c32 := narrow(c)
	s.Sgemm(tA, tB, m, n, k, float32(alpha), narrow(a), lda, narrow(b), ldb, float32(beta), c32, ldc)
	for i, v := range c32 {
		c[i] = float64(v)
	}
}

// TestSgemm compares Sgemm with gonum's over sizes around those of its tiles and panels, leading dimensions
// that leave gaps, and each alpha and beta with a special case. Gaps must not change.
func TestSgemm(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	fill := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	transposes := []blas.Transpose{blas.NoTrans, blas.Trans}
	for _, size := range [][3]int{
		{1, 1, 1}, {1, 7, 5}, {3, 31, 17}, {12, 32, 16}, {13, 33, 300}, {50, 97, 513}, {64, 64, 32}, {130, 70, 512},
		{9, 1100, 1030},
	} {
		m, n, k := size[0], size[1], size[2]
		for _, tA := range transposes {
			for _, tB := range transposes {
				for _, s := range [][2]float32{{1, 0}, {0.5, 1}, {-2, 0.25}, {0, 0}, {0, 2}} {
					lda, ldb, ldc := max(m, k)+rng.IntN(3), max(n, k)+rng.IntN(3), n+rng.IntN(3)
					a, b, c := fill(max(m, k)*lda), fill(max(n, k)*ldb), fill(m*ldc)
					want := append([]float32{}, c...)
					gonum.Implementation{}.Sgemm(tA, tB, m, n, k, s[0], a, lda, b, ldb, s[1], want, ldc)
					Implementation{}.Sgemm(tA, tB, m, n, k, s[0], a, lda, b, ldb, s[1], c, ldc)
					for i := range c {
						near := math.Abs(float64(want[i])-float64(c[i])) <= 1e-5*float64(k+10)
						if !near || i%ldc >= n && c[i] != want[i] { // outside of a row nothing is written
							t.Fatalf("%v %v %v %v: element %d is %v, want %v", size, tA, tB, s, i, c[i], want[i])
						}
					}
				}
			}
		}
	}
}

func TestSgemmPanicsAsGonumsDoes(t *testing.T) {
	t.Parallel()
	a := make([]float32, 6)
	message := func(impl blas.Float32, f func(blas.Float32)) (m any) {
		defer func() { m = recover() }()
		f(impl)
		return nil
	}
	for name, f := range map[string]func(blas.Float32){
		"transpose": func(i blas.Float32) { i.Sgemm('x', blas.NoTrans, 2, 3, 1, 1, a, 1, a, 3, 0, a, 3) },
		"m":         func(i blas.Float32) { i.Sgemm(blas.NoTrans, blas.NoTrans, -1, 3, 1, 1, a, 1, a, 3, 0, a, 3) },
		"lda":       func(i blas.Float32) { i.Sgemm(blas.NoTrans, blas.NoTrans, 2, 3, 1, 1, a, 0, a, 3, 0, a, 3) },
		"ldb":       func(i blas.Float32) { i.Sgemm(blas.NoTrans, blas.NoTrans, 2, 3, 1, 1, a, 1, a, 2, 0, a, 3) },
		"short a":   func(i blas.Float32) { i.Sgemm(blas.NoTrans, blas.NoTrans, 2, 3, 2, 1, a[:3], 2, a, 3, 0, a, 3) },
		"short c":   func(i blas.Float32) { i.Sgemm(blas.NoTrans, blas.NoTrans, 2, 3, 1, 1, a, 1, a, 3, 0, a[:5], 3) },
	} {
		want := message(gonum.Implementation{}, f)
		require.NotNil(t, want, name)
		require.Equal(t, want, message(Implementation{}, f), name)
	}
}

// TestEverybodyCanUseIt multiplies through Gorgonia and through gonum.
func TestEverybodyCanUseIt(t *testing.T) {
	G.Use(Implementation{})
	defer G.Use(gonum.Implementation{})
	a := tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float32{1, 2, 3, 4, 5, 6}))
	b := tensor.New(tensor.WithShape(3, 2), tensor.WithBacking([]float32{1, 0, 0, 1, 1, 1}))
	c, err := tensor.MatMul(a, b)
	require.NoError(t, err)
	require.Equal(t, []float32{4, 5, 10, 11}, c.Data())

	blas32.Use(Implementation{})
	defer blas32.Use(gonum.Implementation{})
	d := blas32.General{Rows: 2, Cols: 2, Stride: 2, Data: make([]float32, 4)}
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1,
		blas32.General{Rows: 2, Cols: 3, Stride: 3, Data: a.Float32s()},
		blas32.General{Rows: 3, Cols: 2, Stride: 2, Data: b.Float32s()}, 0, d)
	require.Equal(t, []float32{4, 5, 10, 11}, d.Data)
}
