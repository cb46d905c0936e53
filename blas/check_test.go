package blas

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
	"pgregory.net/rapid"

	"gorgonorm/internal/cpu"
)

// call is one of Sgemm or Dgemm, on a, b and c that hold small integers.
type call struct {
	tA, tB        blas.Transpose
	m, n, k       int
	alpha, beta   float64
	a, b, c       int // lengths
	lda, ldb, ldc int
}

// guard is the number of elements behind each slice in its memory.
const guard = 2000

// outcome is the value that a call panics with, nil if it returns, and c with the guard behind it.
type outcome struct {
	panicked any
	memory   []float64
}

func integers[T cpu.Float](n int) []T {
	x := make([]T, n+guard)
	for i := range x {
		x[i] = T(i%7 - 3)
	}
	return x
}

func (x call) run(impl interface {
	blas.Float32
	blas.Float64
}, double bool) (o outcome) {
	if double {
		return runWith(x, impl.Dgemm)
	}
	return runWith(x, impl.Sgemm)
}

func runWith[T cpu.Float](x call, gemm func(
	tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int,
)) (o outcome) {
	a, b, c := integers[T](x.a), integers[T](x.b), integers[T](x.c)
	defer func() {
		o.panicked = recover()
		for _, v := range c {
			o.memory = append(o.memory, float64(v))
		}
	}()
	gemm(x.tA, x.tB, x.m, x.n, x.k, T(x.alpha), a[:x.a:x.a], x.lda, b[:x.b:x.b], x.ldb, T(x.beta), c[:x.c:x.c], x.ldc)
	return o
}

// fault returns the message with which BLAS refuses the call, or "" if it is valid. It computes with
// numbers of any size. fits reports whether gonum's int sizes hold the same numbers.
func (x call) fault() (message string, fits bool) {
	short := func(length, rows, cols, ld int) bool {
		need := new(big.Int).Mul(big.NewInt(int64(rows-1)), big.NewInt(int64(ld)))
		need.Add(need, big.NewInt(int64(cols)))
		fits = fits && need.IsInt64() && need.Int64() <= math.MaxInt
		return need.Cmp(big.NewInt(int64(length))) > 0
	}
	fits = true
	ra, ca, rb, cb := x.m, x.k, x.k, x.n
	if x.tA != blas.NoTrans {
		ra, ca = ca, ra
	}
	if x.tB != blas.NoTrans {
		rb, cb = cb, rb
	}
	known := []blas.Transpose{blas.NoTrans, blas.Trans, blas.ConjTrans}
	switch {
	case !slices.Contains(known, x.tA), !slices.Contains(known, x.tB):
		return "blas: illegal transpose", fits
	case x.m < 0:
		return "blas: m < 0", fits
	case x.n < 0:
		return "blas: n < 0", fits
	case x.k < 0:
		return "blas: k < 0", fits
	case x.lda < max(1, ca):
		return "blas: bad leading dimension of A", fits
	case x.ldb < max(1, cb):
		return "blas: bad leading dimension of B", fits
	case x.ldc < max(1, x.n):
		return "blas: bad leading dimension of C", fits
	case x.m == 0 || x.n == 0:
		return "", fits
	}
	shortA, shortB, shortC := short(x.a, ra, ca, x.lda), short(x.b, rb, cb, x.ldb), short(x.c, x.m, x.n, x.ldc)
	switch {
	case shortA:
		return "blas: insufficient length of a", fits
	case shortB:
		return "blas: insufficient length of b", fits
	case shortC:
		return "blas: insufficient length of c", fits
	}
	return "", fits
}

// check compares a call in both types with BLAS's rules and, if its sizes do not wrap, with gonum.
func (x call) check(t require.TestingT) {
	message, fits := x.fault()
	for _, double := range []bool{false, true} {
		about := fmt.Sprintf("%+v, in float64: %v", x, double)
		got := x.run(Implementation{}, double)
		if message == "" {
			require.Nil(t, got.panicked, about)
		} else {
			require.Equal(t, message, got.panicked, about)
			require.Equal(t, integers[float64](x.c), got.memory, about)
		}
		if fits {
			require.Equal(t, x.run(gonum.Implementation{}, double), got, about)
		}
	}
}

// TestNothingIsWrittenWhereSizesWrap makes calls that an earlier check took for valid.
func TestNothingIsWrittenWhereSizesWrap(t *testing.T) {
	t.Parallel()
	const far = math.MaxInt/2 + 1 // 1<<62, or 1<<30 where ints have 32 bits
	no, tr := blas.NoTrans, blas.Trans
	for _, x := range []call{
		{no, no, 3, 16, 16, 1, 0, 48, 256, 64, 16, 16, far + 1000},
		{no, no, 3, 16, 3, 1, 0, 9, 48, 48, 3, far + 1000, 16},
		{no, no, 3, 16, 3, 1, 0, 9, 48, 48, far + 1000, 16, 16},
		{no, no, 5, 16, 16, 1, 0, 80, 256, 80, 16, 16, far / 2},
		{tr, no, 16, 16, 5, 1, 0, 80, 80, 256, far / 2, 16, 16},
		{no, tr, 16, 5, 16, 1, 0, 256, 80, 80, 16, far / 2, 5},
		{no, no, 5, 4, 3, 1, 0, 15, 12, 20, 3, 4, math.MaxInt},
		{no, no, far + 1, 4, 4, 1, 0, 64, 64, 64, 4, 4, 4},
		{no, no, far, far, 1, 1, 0, 64, 64, 64, 1, far, far},
		{no, no, math.MaxInt, 2, math.MaxInt, 1, 0, 64, 64, 64, math.MaxInt, 2, 2},
	} {
		for _, scalars := range [][2]float64{{1, 0}, {1, 1}, {0, 0}, {0, 1}, {0, 2}, {2, -1}} {
			x.alpha, x.beta = scalars[0], scalars[1]
			message, fits := x.fault()
			require.NotEmpty(t, message)
			require.False(t, fits)
			x.check(t)
		}
	}
}

// TestOneRowMayBeAnyDistanceFromTheNext, because there is no next row.
func TestOneRowMayBeAnyDistanceFromTheNext(t *testing.T) {
	t.Parallel()
	for _, tA := range []blas.Transpose{blas.NoTrans, blas.Trans} {
		for _, tB := range []blas.Transpose{blas.NoTrans, blas.Trans} {
			for _, ld := range []int{math.MaxInt, math.MaxInt - 4095, 1 << 30} {
				call{tA, tB, 1, 1, 1, 2, 1, 1, 1, 1, ld, ld, ld}.check(t)
			}
		}
	}
	call{blas.NoTrans, blas.NoTrans, 1, 50, 40, 1, 1, 40, 2000, 50, math.MaxInt, 50, math.MaxInt}.check(t)
	call{blas.NoTrans, blas.NoTrans, 50, 40, 1, 1, 1, 50, 40, 2000, 1, math.MaxInt, 40}.check(t)
	call{blas.Trans, blas.NoTrans, 50, 40, 1, 1, 1, 50, 40, 2000, math.MaxInt, math.MaxInt, 40}.check(t)
	call{blas.NoTrans, blas.Trans, 50, 1, 40, 1, 1, 2000, 40, 50, 40, math.MaxInt, 1}.check(t)
}

// TestAnyCallDoesAsGonums draws sizes and leading dimensions around the allowed ones, and far from them.
func TestAnyCallDoesAsGonums(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(0, 3),
			rapid.SampledFrom([]int{-1, math.MinInt, math.MaxInt, math.MaxInt / 2, math.MaxInt/2 + 1}))
		trans := rapid.SampledFrom([]blas.Transpose{
			blas.NoTrans, blas.NoTrans, blas.Trans, blas.Trans, blas.ConjTrans, 'x', 0,
		})
		scalar := rapid.SampledFrom([]float64{0, 1, 2, -1})
		x := call{
			tA: trans.Draw(t, "tA"), tB: trans.Draw(t, "tB"),
			m: size.Draw(t, "m"), n: size.Draw(t, "n"), k: size.Draw(t, "k"),
			alpha: scalar.Draw(t, "alpha"), beta: scalar.Draw(t, "beta"),
		}
		operand := func(name string, transposed bool, rows, cols int) (length, ld int) {
			if transposed {
				rows, cols = cols, rows
			}
			ld = rapid.OneOf(
				rapid.Map(rapid.IntRange(-1, 3), func(more int) int { return cols + more }),
				rapid.SampledFrom([]int{0, math.MaxInt, math.MaxInt/2 + 1, math.MaxInt/2 + 1000, math.MaxInt/4 + 1}),
			).Draw(t, "ld"+name)
			fit := 0
			if rows > 0 && rows <= 40 && ld >= 0 && ld <= 50 && cols >= 0 && cols <= 40 {
				fit = (rows-1)*ld + cols
			}
			return max(0, fit+rapid.IntRange(-1, 2).Draw(t, "length of "+name)), ld
		}
		x.a, x.lda = operand("a", x.tA != blas.NoTrans, x.m, x.k)
		x.b, x.ldb = operand("b", x.tB != blas.NoTrans, x.k, x.n)
		x.c, x.ldc = operand("c", false, x.m, x.n)
		x.check(t)
	})
}
