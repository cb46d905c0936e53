package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// columnNorm is a pass of BatchNorm under way. It goes through the rows twice: for
// sums over them, and for what is made of those. (Where the rows do not fit the
// caches, to do so strip by strip of columns, which do, is slower by half: memory is
// fast in sequence only.)
type columnNorm[T Float] struct {
	rows, cols   int
	x, y, dx, dy []T
	stream       bool

	pilot, mean, rstd, scale, offset, slope []T          // an element a column
	total                                   blockSums[T] // two sums a column
}

type (
	columnSums[T Float]          columnNorm[T]
	columnApply[T Float]         columnNorm[T]
	columnGradientSums[T Float]  columnNorm[T]
	columnGradientApply[T Float] columnNorm[T]
)

var columnNorms lists[columnNorm[float32], columnNorm[float64]]

// BatchNorm normalizes each column by the mean and variance of its rows (Ioffe &
// Szegedy 2015), which it writes to mean and variance:
//
//	x̂ = (x−mean)/√(variance+eps)    y = γ·x̂ + β
func BatchNorm[T Float](y, x, gamma, beta []T, mean, variance []float64, rows, cols int, eps float64) {
	c := newColumnNorm(x, rows, cols)
	c.y, c.stream = y, streams(y, cols)
	c.moments(mean, variance)
	c.apply(gamma, beta, mean, variance, eps)
	c.release()
}

// ColumnNorm is BatchNorm with given statistics.
func ColumnNorm[T Float](y, x, gamma, beta []T, mean, variance []float64, rows, cols int, eps float64) {
	c := newColumnNorm(x, rows, cols)
	c.y, c.stream = y, streams(y, cols)
	c.apply(gamma, beta, mean, variance, eps)
	c.release()
}

// ColumnNormBackward gives the gradients of ColumnNorm or, where the statistics
// are the batch's own, of BatchNorm. With rstd = 1/√(variance+eps):
//
//	dγ = Σ_rows dy·x̂    dβ = Σ_rows dy
//	dx = γ·rstd·(dy − dβ/rows − x̂·dγ/rows)   where the statistics are the batch's own
//	dx = γ·rstd·dy                           where they are given (evaluation)
//
// A nil dgamma or dbeta is left out.
func ColumnNormBackward[T Float](dx, dgamma, dbeta, x, gamma []T, mean, variance []float64, dy []T, rows, cols int, eps float64, ownStatistics bool) {
	c := newColumnNorm(x, rows, cols)
	c.dx, c.dy, c.stream = dx, dy, streams(dx, cols)
	c.gradients(dgamma, dbeta, gamma, mean, variance, eps, ownStatistics)
	c.release()
}

func newColumnNorm[T Float](x []T, rows, cols int) *columnNorm[T] {
	c := listOf[columnNorm[T]](&columnNorms).get()
	c.x, c.rows, c.cols = x, rows, cols
	for _, s := range []*[]T{&c.pilot, &c.mean, &c.rstd, &c.scale, &c.offset, &c.slope} {
		*s = Grow(*s, cols)
	}
	return c
}

func (c *columnNorm[T]) release() {
	c.x, c.y, c.dx, c.dy = nil, nil, nil, nil
	listOf[columnNorm[T]](&columnNorms).put(c)
}

func (c *columnNorm[T]) chunks() int { return ceilDiv(c.rows, rowsAt(c.rows, c.cols)) }

// chunk is where a chunk of rows begins and ends.
func (c *columnNorm[T]) chunk(i int) (from, to int) {
	n := rowsAt(c.rows, c.cols)
	return i * n, min((i+1)*n, c.rows)
}

// sums runs a task that takes two sums a column.
func (c *columnNorm[T]) sums(t task) (first, second []float64) {
	c.total.resize(c.chunks(), 2*c.cols)
	parallel(t, c.chunks())
	c.total.add()
	return c.total.total[:c.cols], c.total.total[c.cols:]
}

// moments takes sums of differences from a pilot, the mean of some of the rows:
//
//	mean = pilot + Σ(x−pilot)/rows    variance = Σ(x−pilot)²/rows − (mean−pilot)²
//
// What the last difference cancels is little, for the pilot is within a fraction
// of a deviation of the mean; where it is not, the mean found is the next pilot.
func (c *columnNorm[T]) moments(mean, variance []float64) {
	c.choosePilot()
	for again := true; ; again = false {
		n := float64(c.rows)
		sum, squares := c.sums((*columnSums[T])(c))
		far := false
		for j, p := range c.pilot {
			d := sum[j] / n
			mean[j] = float64(p) + d
			variance[j] = max(0, squares[j]/n-d*d)
			const tiny = 1e-30 // a deviation's square, of those that vanish in float32
			constant := squares[j] == 0 && d == 0
			if !(squares[j] < math.MaxFloat32) || variance[j] < tiny && !constant { // the sums are in T
				c.careful(j, &mean[j], &variance[j])
			} else if d*d > 16*variance[j] && T(mean[j]) != p {
				far = true
			}
		}
		if !far || !again {
			return
		}
		for j, m := range mean {
			c.pilot[j] = T(m)
		}
	}
}

// choosePilot takes the mean of rows from all over the batch.
func (c *columnNorm[T]) choosePilot() {
	const most = 16
	n := min(most, c.rows)
	kernels := simd.Of[T]()
	copy(c.pilot, c.x)
	sum, squares := c.scale, c.offset
	clear(sum)
	clear(squares)
	for i := range n {
		kernels.ColumnSums(sum, squares, c.pilot, c.x[i*c.rows/n*c.cols:], 1, c.cols, false)
	}
	for j, s := range sum {
		c.pilot[j] += s / T(n)
	}
}

// careful takes a column's moments in two passes of float64, for values that are
// too large to be squared in T, or no numbers.
func (c *columnNorm[T]) careful(j int, mean, variance *float64) {
	var sum, squares float64
	for r := range c.rows {
		sum += float64(c.x[r*c.cols+j])
	}
	m := sum / float64(c.rows)
	for r := range c.rows {
		d := float64(c.x[r*c.cols+j]) - m
		squares += d * d
	}
	*mean, *variance = m, squares/float64(c.rows)
}

// apply: y = (x−mean)·scale + offset, in which the offset
// also makes up for the rounding of the mean.
func (c *columnNorm[T]) apply(gamma, beta []T, mean, variance []float64, eps float64) {
	for j := range c.mean {
		scale := 1 / math.Sqrt(variance[j]+eps)
		if gamma != nil {
			scale *= float64(gamma[j])
		}
		c.mean[j], c.scale[j] = T(mean[j]), T(scale)
		offset := (float64(c.mean[j]) - mean[j]) * scale
		if beta != nil {
			offset += float64(beta[j])
		}
		c.offset[j] = T(offset)
	}
	parallel((*columnApply[T])(c), c.chunks())
}

// gradients gives dγ, dβ and
//
//	dx = dy·scale − offset − (x−mean)·rstd·slope
//
// shift is what the rounding of the mean takes from x̂.
func (c *columnNorm[T]) gradients(dgamma, dbeta, gamma []T, mean, variance []float64, eps float64, ownStatistics bool) {
	for j := range c.mean {
		c.mean[j], c.rstd[j] = T(mean[j]), T(1/math.Sqrt(variance[j]+eps))
	}
	sumX, sum1 := c.sums((*columnGradientSums[T])(c))
	n := float64(c.rows)
	for j, rstd := range c.rstd {
		scale := float64(rstd)
		shift := (mean[j] - float64(c.mean[j])) * scale
		dg, db := sumX[j]-shift*sum1[j], sum1[j]
		if dgamma != nil {
			dgamma[j] = T(dg)
		}
		if dbeta != nil {
			dbeta[j] = T(db)
		}
		if gamma != nil {
			scale *= float64(gamma[j])
		}
		c.scale[j], c.offset[j], c.slope[j] = T(scale), 0, 0
		if ownStatistics {
			slope := scale * dg / n
			c.offset[j], c.slope[j] = T(scale*db/n-shift*slope), T(slope)
		}
	}
	parallel((*columnGradientApply[T])(c), c.chunks())
}

func (c *columnSums[T]) run(chunk int) {
	n := (*columnNorm[T])(c)
	from, to := n.chunk(chunk)
	n.total.run(chunk, from, to, func(sums []T, from, to int) {
		simd.Of[T]().ColumnSums(sums[:n.cols], sums[n.cols:], n.pilot, n.x[from*n.cols:], to-from, n.cols, n.stream)
	})
}

func (c *columnApply[T]) run(chunk int) {
	n := (*columnNorm[T])(c)
	from, to := n.chunk(n.chunks() - 1 - chunk) // the last rows read are in the caches
	at := from * n.cols
	simd.Of[T]().ColumnNorm(n.y[at:], n.x[at:], n.mean, n.scale, n.offset, to-from, n.cols, n.stream)
}

func (c *columnGradientSums[T]) run(chunk int) {
	n := (*columnNorm[T])(c)
	from, to := n.chunk(chunk)
	n.total.run(chunk, from, to, func(sums []T, from, to int) {
		at := from * n.cols
		simd.Of[T]().ColumnGradientSums(sums[:n.cols], sums[n.cols:], n.mean, n.rstd, n.x[at:], n.dy[at:], to-from, n.cols, n.stream)
	})
}

func (c *columnGradientApply[T]) run(chunk int) {
	n := (*columnNorm[T])(c)
	from, to := n.chunk(n.chunks() - 1 - chunk)
	at := from * n.cols
	simd.Of[T]().ColumnNormBackward(n.dx[at:], n.x[at:], n.dy[at:], n.mean, n.rstd, n.scale, n.offset, n.slope, to-from, n.cols, n.stream)
}
