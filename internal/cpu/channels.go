package cpu

import (
	"sync/atomic"

	"gorgonorm/internal/cpu/simd"
)

// channelNorm is a pass under way over x of shape (samples, outer, channels, inner),
// in which each channel of a sample is normalized for itself: over outer and inner.
// It goes through x twice: for sums, and for what is made of those. (Where x does not
// fit the caches, to do so strip by strip of columns, which do, is slower by half:
// memory is fast in sequence only.)
//
// The kernels are those of columns, with an element of mean, scale, … a column. Where
// inner is 1, a sample is a matrix of outer rows with a column a channel. Where it is
// not, the elements of a channel are repeated along the columns that it has in a
// panel, and those columns' sums are added up.
type channelNorm[T Float] struct {
	samples, outer, channels, inner int
	panels
	x, y, dx, dy []T
	stream       bool

	pilot, mean, rstd, scale, offset, slope []T       // an element a channel of a sample
	parts, total                            []float64 // two sums a channel: of a part of a sample, of a sample
	means, rests, variances                 []float64 // an element a channel of a sample
	far                                     atomic.Bool
}

// What is done chunk by chunk.
type (
	channelPilots[T Float]        channelNorm[T]
	channelMoments[T Float]       channelNorm[T]
	channelSums[T Float]          channelNorm[T]
	channelApply[T Float]         channelNorm[T]
	channelGradientSums[T Float]  channelNorm[T]
	channelGradientApply[T Float] channelNorm[T]
)

func newChannelNorm[T Float](x []T, samples, outer, channels, inner int) *channelNorm[T] {
	c := borrow[channelNorm[T]]()
	c.x, c.samples, c.outer, c.channels, c.inner = x, samples, outer, channels, inner
	c.panels = cut(samples, outer, channels, inner)
	for _, s := range []*[]T{&c.pilot, &c.mean, &c.rstd, &c.scale, &c.offset, &c.slope} {
		*s = Grow(*s, samples*channels)
	}
	c.rests, c.total = Grow(c.rests, samples*channels), Grow(c.total, 2*samples*channels)
	c.parts = Grow(c.parts, 2*samples*c.down*channels)
	return c
}

func (c *channelNorm[T]) release() {
	c.x, c.y, c.dx, c.dy, c.means, c.variances = nil, nil, nil, nil, nil, nil
	giveBack(c)
}

// streams says whether a result is written past the caches, as streams does.
func (c *channelNorm[T]) streams(y []T) bool {
	if c.inner == 1 {
		return streams(y, c.channels)
	}
	return streams(y, c.inner)
}

const (
	// segmentLanes is how many columns a segment is laid out in: enough for sums
	// side by side not to wait for each other.
	segmentLanes = 32
	// longSegment is from where on that is faster than a column an element, which
	// takes all rows of a sample at once.
	longSegment = 256
	// panelLanes is about how many columns of short segments a panel has.
	panelLanes = 1024
	// momentRows and gradientRows are how many rows are summed in T before float64 goes
	// on. An error of the moments is one of every x̂.
	momentRows, gradientRows = 32, 64
)

// panels is how x is cut into parts that the kernels take at once.
type panels struct {
	segmented    bool // a channel's elements in a row are a matrix themselves
	high, wide   int  // rows and channels of a panel
	down, across int  // panels of a sample
	count, each  int  // panels of x, and of a chunk
}

func cut(samples, outer, channels, inner int) (p panels) {
	const fewRows = 8
	p.high, p.wide = max(blockRows, ceilDiv(outer, mostRowChunks)), max(1, panelLanes/inner)
	switch {
	case inner == 1:
		p.high, p.wide = rowsPerChunk(outer, channels), channels
	case inner >= longSegment || inner >= 2*segmentLanes && outer < fewRows:
		p.segmented, p.high, p.wide = true, 1, 1
	}
	p.down, p.across = ceilDiv(outer, p.high), ceilDiv(channels, p.wide)
	p.count, p.each = samples*p.down*p.across, max(1, span/(min(p.high, outer)*min(p.wide, channels)*inner))
	return p
}

func (p *panels) chunks() int { return ceilDiv(p.count, p.each) }

// chunk is the panels that a task takes.
func (p *panels) chunk(i int) (from, to int) { return i * p.each, min((i+1)*p.each, p.count) }

// panel is one of them: of a sample, some rows of some channels.
type panel struct {
	sample, part int // part is counted through all samples, and so are
	from, to     int // the channels

	at, rows, stride int // in x
	lanes            int // columns a channel
	tail             int // elements of a segment after the last whole row
}

// panel is the i-th in the order of memory.
func (c *channelNorm[T]) panel(i int) (p panel) {
	strip, part := i%c.across, i/c.across
	p.sample, p.part = part/c.down, part
	first, row := strip*c.wide, part%c.down*c.high
	p.from = p.sample*c.channels + first
	p.to = p.from + min(c.wide, c.channels-first)
	p.stride, p.lanes = c.channels*c.inner, c.inner
	p.rows = min(c.high, c.outer-row)
	p.at = (p.sample*c.outer+row)*p.stride + first*c.inner
	if c.segmented {
		p.stride, p.lanes = segmentLanes, segmentLanes
		p.rows, p.tail = c.inner/segmentLanes, c.inner%segmentLanes
	}
	return p
}

// lanes is a task's memory for a panel.
type lanes[T Float] struct {
	vectors     [5][]T
	ones, block []T
	columns     []float64 // sums of a panel's columns
}

func newLanes[T Float]() *lanes[T] { return borrow[lanes[T]]() }
func (l *lanes[T]) release()       { giveBack(l) }

// spread gives the n-th vector of a kernel: of each channel of the panel its element,
// as often as it has columns.
func (l *lanes[T]) spread(n int, p panel, elements []T) []T {
	elements = elements[p.from:p.to]
	if p.lanes == 1 {
		return elements
	}
	v := Grow(l.vectors[n], len(elements)*p.lanes)
	l.vectors[n] = v
	if len(l.ones) < p.lanes {
		l.ones = constant(l.ones, p.lanes, 1)
	}
	for i, e := range elements {
		simd.Of[T]().Scale(v[i*p.lanes:(i+1)*p.lanes], l.ones[:p.lanes], e)
	}
	return v
}

// sums has a kernel, which adds to two sums a column, go through a panel, and gives
// the sums of its channels: in T over a block of rows, in float64 from there on.
func (l *lanes[T]) sums(p panel, block int, first, second []float64, kernel func(first, second []T, at, rows int)) {
	cols := len(first) * p.lanes
	l.block = Grow(l.block, 2*cols)
	a, b := l.block[:cols], l.block[cols:]
	columnsA, columnsB := first, second
	if p.lanes > 1 {
		l.columns = Grow(l.columns, 2*cols)
		columnsA, columnsB = l.columns[:cols], l.columns[cols:]
	}
	clear(columnsA)
	clear(columnsB)
	for row := 0; row < p.rows; row += block {
		clear(l.block)
		kernel(a, b, p.at+row*p.stride, min(block, p.rows-row))
		if p.tail > 0 && row+block >= p.rows {
			kernel(a[:p.tail], b[:p.tail], p.at+p.rows*p.stride, 1)
		}
		simd.Of[T]().Accumulate(columnsA, a)
		simd.Of[T]().Accumulate(columnsB, b)
	}
	if p.lanes > 1 {
		addLanes(first, columnsA, p.lanes)
		addLanes(second, columnsB, p.lanes)
	}
}

// addLanes gives each channel's sum of its columns.
func addLanes(sums, columns []float64, lanes int) {
	for i := range sums {
		var a, b, c, d float64
		v := columns[i*lanes : (i+1)*lanes]
		for ; len(v) >= 4; v = v[4:] {
			a, b, c, d = a+v[0], b+v[1], c+v[2], d+v[3]
		}
		for _, e := range v {
			a += e
		}
		sums[i] = a + b + (c + d)
	}
}

// sums runs a task that takes two sums a channel, and adds up the parts of a sample
// in their order.
func (c *channelNorm[T]) sums(t task) {
	parallel(t, c.chunks())
	width := 2 * c.channels
	clear(c.total)
	for i := range c.samples * c.down {
		total := c.total[i/c.down*width:][:width]
		simd.Of[float64]().Accumulate(total, c.parts[i*width:(i+1)*width])
	}
}

// sampleChannels is where a sample's channels are, counted through all samples.
func (c *channelNorm[T]) sampleChannels(sample int) (from, to int) {
	return sample * c.channels, (sample + 1) * c.channels
}

// totals are the two sums of a sample's channels.
func (c *channelNorm[T]) totals(sample int) (first, second []float64) {
	t := c.total[2*sample*c.channels:][:2*c.channels]
	return t[:c.channels], t[c.channels:]
}

// partSums is where the two sums of a panel's channels go.
func (c *channelNorm[T]) partSums(p panel) (first, second []float64) {
	sums := c.parts[2*p.part*c.channels:][:2*c.channels]
	from, to := p.from-p.sample*c.channels, p.to-p.sample*c.channels
	return sums[from:to], sums[c.channels+from : c.channels+to]
}

func (t *channelSums[T]) run(chunk int) {
	c := (*channelNorm[T])(t)
	l := newLanes[T]()
	for i, to := c.chunk(chunk); i < to; i++ {
		p := c.panel(i)
		pilot := l.spread(0, p, c.pilot)
		first, second := c.partSums(p)
		l.sums(p, momentRows, first, second, func(sum, squares []T, at, rows int) {
			simd.Of[T]().ColumnSums(sum, squares, pilot, c.x[at:], rows, p.stride)
		})
	}
	l.release()
}

func (t *channelApply[T]) run(chunk int) {
	c := (*channelNorm[T])(t)
	l := newLanes[T]()
	from, to := c.chunk(c.chunks() - 1 - chunk) // what was read last is in the caches
	for i := to - 1; i >= from; i-- {
		p := c.panel(i)
		mean, scale, offset := l.spread(0, p, c.mean), l.spread(1, p, c.scale), l.spread(2, p, c.offset)
		p.apply(func(at, rows, cols int) {
			simd.Of[T]().ColumnNorm(c.y[at:], c.x[at:], mean[:cols], scale, offset, rows, p.stride, c.stream)
		})
	}
	l.release()
}

func (t *channelGradientSums[T]) run(chunk int) {
	c := (*channelNorm[T])(t)
	l := newLanes[T]()
	for i, to := c.chunk(chunk); i < to; i++ {
		p := c.panel(i)
		mean, rstd := l.spread(0, p, c.mean), l.spread(1, p, c.rstd)
		first, second := c.partSums(p)
		l.sums(p, gradientRows, first, second, func(dgamma, dbeta []T, at, rows int) {
			simd.Of[T]().ColumnGradientSums(dgamma, dbeta, mean[:len(dgamma)], rstd, c.x[at:], c.dy[at:], rows, p.stride)
		})
	}
	l.release()
}

func (t *channelGradientApply[T]) run(chunk int) {
	c := (*channelNorm[T])(t)
	l := newLanes[T]()
	from, to := c.chunk(c.chunks() - 1 - chunk)
	for i := to - 1; i >= from; i-- {
		p := c.panel(i)
		mean, rstd := l.spread(0, p, c.mean), l.spread(1, p, c.rstd)
		scale, offset, slope := l.spread(2, p, c.scale), l.spread(3, p, c.offset), l.spread(4, p, c.slope)
		p.apply(func(at, rows, cols int) {
			simd.Of[T]().ColumnNormBackward(c.dx[at:], c.x[at:], c.dy[at:], mean[:cols], rstd, scale, offset, slope, rows, p.stride, c.stream)
		})
	}
	l.release()
}

// apply has a kernel go through a panel.
func (p panel) apply(kernel func(at, rows, cols int)) {
	kernel(p.at, p.rows, (p.to-p.from)*p.lanes)
	if p.tail > 0 {
		kernel(p.at+p.rows*p.stride, 1, p.tail)
	}
}
