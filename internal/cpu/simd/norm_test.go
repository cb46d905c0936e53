package simd

import (
	"fmt"
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// rowNormCase holds the slices of a norm over rows, forward and backward.
type rowNormCase[T Float] struct {
	*arena[T]
	rows, cols                 int
	x, y, dy, dx               []T
	gamma, beta, dgamma, dbeta []T
	mean, shift, rstd          []T
	a, b, d                    []T
}

func newRowNormCase[T Float](rows, cols int, f fill) *rowNormCase[T] {
	a := newArena[T](uint64(cols))
	normal := fills[0]
	return &rowNormCase[T]{
		arena: a, rows: rows, cols: cols,
		x: a.make(rows*cols, f), y: a.make(rows*cols, normal),
		dy: a.make(rows*cols, normal), dx: a.make(rows*cols, normal),
		gamma: a.make(cols, normal), beta: a.make(cols, normal),
		dgamma: a.make(cols, normal), dbeta: a.make(cols, normal),
		mean: a.make(rows, normal), shift: a.make(rows, normal), rstd: a.make(rows, normal),
		a: a.make(rows*cols, f), b: a.make(rows*cols, normal), d: a.make(rows*cols, normal),
	}
}

const eps = 1e-5

func (c *rowNormCase[T]) layerNorm(k *Kernels[T], stream bool) {
	k.LayerNorm(c.y, c.x, c.gamma, c.beta, c.mean, c.shift, c.rstd, eps, stream)
	k.LayerNormBackward(c.dx, c.x, c.dy, c.gamma, c.mean, c.shift, c.rstd, c.dgamma, c.dbeta, stream)
}

func (c *rowNormCase[T]) rmsNorm(k *Kernels[T], stream bool) {
	k.RMSNorm(c.y, c.x, c.gamma, c.rstd, eps, stream)
	k.RMSNormBackward(c.dx, c.x, c.dy, c.gamma, c.rstd, c.dgamma, stream)
}

func (c *rowNormCase[T]) layerNormOfSum(k *Kernels[T], stream bool) {
	k.LayerNormOfSum(c.y, c.x, c.a, c.b, c.gamma, c.beta, c.mean, c.shift, c.rstd, eps, stream)
	k.LayerNormBackwardPlus(c.dx, c.x, c.dy, c.d, c.gamma, c.mean, c.shift, c.rstd, c.dgamma, c.dbeta, stream)
}

func (c *rowNormCase[T]) rmsNormOfSum(k *Kernels[T], stream bool) {
	k.RMSNormOfSum(c.y, c.x, c.a, c.b, c.gamma, c.rstd, eps, stream)
	k.RMSNormBackwardPlus(c.dx, c.x, c.dy, c.d, c.gamma, c.rstd, c.dgamma, stream)
}

// rowNormRuns are the norms over rows, by name.
func rowNormRuns[T Float]() map[string]func(*rowNormCase[T], *Kernels[T], bool) {
	return map[string]func(*rowNormCase[T], *Kernels[T], bool){
		"LayerNorm": (*rowNormCase[T]).layerNorm, "LayerNorm of a sum": (*rowNormCase[T]).layerNormOfSum,
		"RMSNorm": (*rowNormCase[T]).rmsNorm, "RMSNorm of a sum": (*rowNormCase[T]).rmsNormOfSum,
	}
}

func TestRowNormTwins(t *testing.T) {
	t.Parallel()
	eachTwin(t, rowNormTwins[float32], rowNormTwins[float64])
}

// widths are all up to a hundred, and some around and beyond those from which on a row is summed in blocks.
var widths = func() (w []int) {
	for n := range 101 {
		w = append(w, n)
	}
	return append(w, 255, 256, 257, 511, 512, 530, 1023, 1024, 1025, 2061)
}()

func rowNormTwins[T Float](t *testing.T, k, twin *Kernels[T]) {
	for _, f := range fills {
		for _, cols := range widths {
			rows := cols % 11 // all remainders of a group of four
			for name, run := range rowNormRuns[T]() {
				c, want := newRowNormCase[T](rows, cols, f), newRowNormCase[T](rows, cols, f)
				run(c, k, false)
				run(want, twin, false)
				c.holdTo(t, name, f, want)
			}
		}
	}
}

// holdTo compares with the twin's results. x̂ is at most √cols, and sums over rows and columns round once for each
// term, in both directions.
func (c *rowNormCase[T]) holdTo(t *testing.T, norm string, f fill, want *rowNormCase[T]) {
	t.Helper()
	what := fmt.Sprintf("%s, %s, %d×%d: ", norm, f.name, c.rows, c.cols)
	c.intact(t)
	unit := ε[T]()
	root := math.Sqrt(float64(c.cols))
	within := func(size float64) func(int) float64 { return func(int) float64 { return size * unit } }
	requireNear(t, what+"x", want.x, c.x, exactly)
	requireNear(t, what+"y", want.y, c.y, within(8+8*root))
	requireNear(t, what+"mean", want.mean, c.mean, func(i int) float64 {
		return 8 * unit * largest(c.x[i*c.cols:(i+1)*c.cols])
	})
	requireNear(t, what+"rstd", want.rstd, c.rstd, func(i int) float64 { return 8 * unit * float64(want.rstd[i]) })
	requireNear(t, what+"dx", want.dx, c.dx, func(i int) float64 {
		return 16 * unit * root * max(1, float64(want.rstd[i/c.cols]))
	})
	requireNear(t, what+"dγ", want.dgamma, c.dgamma, within(8+8*root*float64(c.rows)))
	requireNear(t, what+"dβ", want.dbeta, c.dbeta, within(8+8*float64(c.rows)))
}

func largest[T Float](x []T) (m float64) {
	for _, v := range x {
		if a := math.Abs(float64(v)); a > m && !math.IsInf(a, 1) {
			m = a
		}
	}
	return m
}

// TestStreamedRows expects the same results past the caches and through them.
func TestStreamedRows(t *testing.T) {
	t.Parallel()
	eachTwin(t, streamedRows[float32], streamedRows[float64])
}

func streamedRows[T Float](t *testing.T, k, _ *Kernels[T]) {
	line := 64 / int(unsafe.Sizeof(T(0)))
	for _, run := range rowNormRuns[T]() {
		for _, lines := range []int{0, 1, 2, 3, 4, 5, 16, 32, 33, 64, 70, 129} {
			for rows := range 10 {
				c, want := newRowNormCase[T](rows, lines*line, fills[0]), newRowNormCase[T](rows, lines*line, fills[0])
				c.y, c.dx = aligned[T](rows*c.cols), aligned[T](rows*c.cols)
				run(c, k, true)
				run(want, k, false)
				c.intact(t)
				require.Equal(t, want.x, c.x)
				require.Equal(t, want.y, c.y)
				require.Equal(t, want.dx, c.dx)
				require.Equal(t, want.dgamma, c.dgamma)
			}
		}
	}
	for rows := range 10 {
		c, want := newColumnCase[T](rows, 3*line, line, fills[0]), newColumnCase[T](rows, 3*line, line, fills[0])
		c.y, c.dx = aligned[T](len(c.y)), aligned[T](len(c.dx))
		copy(c.y, want.y)
		copy(c.dx, want.dx)
		c.run(k, true)
		want.run(k, false)
		c.intact(t)
		require.Equal(t, want.y, c.y)
		require.Equal(t, want.dx, c.dx)
	}
}

// aligned returns a slice that begins at a multiple of 64 bytes.
func aligned[T Float](n int) []T {
	s := make([]T, n+64)
	size := int(unsafe.Sizeof(s[0]))
	skip := (64 - int(uintptr(unsafe.Pointer(&s[0]))%64)) % 64 / size
	return s[skip : skip+n : skip+n]
}

// columnCase holds strips of matrices and slices with one element for each column.
type columnCase[T Float] struct {
	*arena[T]
	rows, cols, stride          int
	x, y, dy, dx                []T
	mean, rstd, a, b, slope     []T
	sum, squares, dgamma, dbeta []T
}

func newColumnCase[T Float](rows, cols, gap int, f fill) *columnCase[T] {
	a := newArena[T](uint64(cols))
	stride := cols + gap
	n, normal := rows*stride, fills[0]
	return &columnCase[T]{
		arena: a, rows: rows, cols: cols, stride: stride,
		x: a.make(n, f), y: a.make(n, normal), dy: a.make(n, normal), dx: a.make(n, normal),
		mean: a.make(cols, f), rstd: a.make(cols, normal),
		a: a.make(cols, normal), b: a.make(cols, normal), slope: a.make(cols, normal),
		sum: a.make(cols, normal), squares: a.make(cols, normal),
		dgamma: a.make(cols, normal), dbeta: a.make(cols, normal),
	}
}

func (c *columnCase[T]) run(k *Kernels[T], stream bool) {
	k.ColumnSums(c.sum, c.squares, c.mean, c.x, c.rows, c.stride)
	k.ColumnNorm(c.y, c.x, c.mean, c.rstd, c.b, c.rows, c.stride, stream)
	k.ColumnGradientSums(c.dgamma, c.dbeta, c.mean, c.rstd, c.x, c.dy, c.rows, c.stride)
	k.ColumnNormBackward(c.dx, c.x, c.dy, c.mean, c.rstd, c.a, c.b, c.slope, c.rows, c.stride, stream)
}

func TestColumnTwins(t *testing.T) {
	t.Parallel()
	eachTwin(t, columnTwins[float32], columnTwins[float64])
}

func columnTwins[T Float](t *testing.T, k, twin *Kernels[T]) {
	for _, f := range fills {
		for cols := range 101 {
			rows, gap := cols%11, cols%3
			c, want := newColumnCase[T](rows, cols, gap, f), newColumnCase[T](rows, cols, gap, f)
			// The elements between the rows of a strip must not change: y and dx are compared as a whole.
			c.run(k, false)
			want.run(twin, false)
			c.intact(t)
			what := fmt.Sprintf("%s, %d×%d: ", f.name, rows, cols)
			unit := ε[T]()
			deviation := func(i int) float64 {
				return math.Abs(float64(c.x[i])) + math.Abs(float64(c.mean[i%c.stride%cols]))
			}
			sums := func(power float64) func(j int) float64 {
				return func(j int) float64 {
					size := 8.0
					for r := range rows {
						size += 8 * float64(rows) * math.Pow(deviation(r*c.stride+j), power)
					}
					return unit * size
				}
			}
			requireNear(t, what+"sum", want.sum, c.sum, sums(1))
			requireNear(t, what+"squares", want.squares, c.squares, sums(2))
			requireNear(t, what+"y", want.y, c.y, func(i int) float64 { return 16 * unit * (1 + deviation(i)) })
			requireNear(t, what+"dγ", want.dgamma, c.dgamma, sums(1))
			requireNear(t, what+"dβ", want.dbeta, c.dbeta, sums(0))
			requireNear(t, what+"dx", want.dx, c.dx, func(i int) float64 { return 128 * unit * (1 + deviation(i)) })
		}
	}
}

func TestAccumulateTwins(t *testing.T) {
	t.Parallel()
	eachTwin(t, accumulateTwins[float32], accumulateTwins[float64])
}

func accumulateTwins[T Float](t *testing.T, k, twin *Kernels[T]) {
	for _, f := range fills {
		for n := range 101 {
			x, a := newArena[T](uint64(n)), newArena[float64](uint64(n))
			in, sum := x.make(n, f), a.make(n, f)
			want := append([]float64{}, sum...)
			k.Accumulate(sum, in)
			twin.Accumulate(want, in)
			a.intact(t)
			requireNear(t, f.name, want, sum, exactly)
		}
	}
}
