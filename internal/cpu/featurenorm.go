package cpu

import (
	"sync/atomic"

	"gorgonorm/internal/cpu/simd"
)

// featureNorm is what BatchNorm and GroupNorm share: passes over x of shape (samples, outer,
// features, inner), in which each feature of a sample has statistics of its own, over outer
// and inner.
//
// Every pass reads x twice: for sums, and to apply what follows from them. If x does not fit
// the caches, reading it in strips of columns that do is slower by half, because memory is fast
// only in sequence.
//
// The inner loops work on the columns of a matrix, with an element of mean, scale, … for each
// column. If inner is 1, a sample is a matrix of outer rows with a column for each feature.
// Otherwise a feature has several columns in a panel: its element is repeated for each of
// them, and their sums are added up.
type featureNorm[T Float] struct {
	samples, outer, features, inner int
	panels
	x, y, dx, dy []T // the caller's
	stream       bool

	// An element for each feature of each sample.
	pilot, mean, rstd, scale, offset, slope []T
	means, rests, variances                 []float64 // rests: what the rounding of means to float64 loses

	parts, total []float64   // two sums for each feature: of a part of a sample, of a sample
	far          atomic.Bool // whether a pilot is too far from its mean
}

// These tasks take some panels a chunk.
type (
	featureSums[T Float]          featureNorm[T]
	featureApply[T Float]         featureNorm[T]
	featureGradientSums[T Float]  featureNorm[T]
	featureGradientApply[T Float] featureNorm[T]
)

// start prepares a pass over x. It keeps the statistics of an earlier pass of the same shape.
func (f *featureNorm[T]) start(x []T, samples, outer, features, inner int) {
	f.x, f.samples, f.outer, f.features, f.inner = x, samples, outer, features, inner
	f.panels = newPanels(samples, outer, features, inner)
	n := samples * features
	for _, s := range [...]*[]T{&f.pilot, &f.mean, &f.rstd, &f.scale, &f.offset, &f.slope} {
		*s = Grow(*s, n)
	}
	f.means, f.rests, f.variances = Grow(f.means, n), Grow(f.rests, n), Grow(f.variances, n)
	f.parts, f.total = Grow(f.parts, 2*n*f.down), Grow(f.total, 2*n)
}

// forget releases the caller's memory.
func (f *featureNorm[T]) forget() { f.x, f.y, f.dx, f.dy = nil, nil, nil, nil }

// apply writes y = (x−mean)·scale + offset.
func (f *featureNorm[T]) apply(y []T) {
	f.y, f.stream = y, f.streams(y)
	parallel((*featureApply[T])(f), f.chunks())
}

// gradientSums computes the totals Σdy·(x−mean)·rstd and Σdy.
func (f *featureNorm[T]) gradientSums(dy []T) {
	f.dy = dy
	f.sums((*featureGradientSums[T])(f))
}

// applyGradients writes dx = dy·scale − offset − (x−mean)·rstd·slope, with the dy of
// gradientSums.
func (f *featureNorm[T]) applyGradients(dx []T) {
	f.dx, f.stream = dx, f.streams(dx)
	parallel((*featureGradientApply[T])(f), f.chunks())
}

// streams reports whether y is written past the caches.
func (f *featureNorm[T]) streams(y []T) bool {
	if f.inner == 1 {
		return streams(y, f.features)
	}
	return streams(y, f.inner)
}

const (
	// segmentLanes is the number of columns that a segment is laid out in. There are enough
	// of them for sums side by side not to wait for each other.
	segmentLanes = 32
	// longSegment is the length from which that is faster than a column for each element,
	// which takes all rows of a sample at once.
	longSegment = 256
	// panelLanes is about how many columns a panel of short segments has.
	panelLanes = 1024
	// momentRows and gradientRows are how many rows are summed in T before their sum is added
	// in float64. There are fewer for the moments, whose errors reach every x̂.
	momentRows, gradientRows = 32, 64
)

// panels is how x is cut into the parts that a kernel takes at once.
type panels struct {
	segmented       bool // each feature of each row, a segment, is laid out as a matrix
	high, wide      int  // rows and features of a panel
	down, across    int  // panels of a sample
	count, perChunk int  // panels of x, and of a chunk
}

func newPanels(samples, outer, features, inner int) (p panels) {
	const fewRows = 8
	p.high, p.wide = max(blockRows, ceilDiv(outer, mostRowChunks)), max(1, panelLanes/inner)
	switch {
	case inner == 1:
		p.high, p.wide = rowsPerChunk(outer, features), features
	case inner >= longSegment || inner >= 2*segmentLanes && outer < fewRows:
		p.segmented, p.high, p.wide = true, 1, 1
	}
	p.down, p.across = ceilDiv(outer, p.high), ceilDiv(features, p.wide)
	p.count = samples * p.down * p.across
	p.perChunk = max(1, span/(min(p.high, outer)*min(p.wide, features)*inner))
	return p
}

// chunks returns how many chunks the panels are cut into.
func (p *panels) chunks() int { return ceilDiv(p.count, p.perChunk) }

// panelsOf returns the panels of a chunk.
func (p *panels) panelsOf(chunk int) (from, to int) {
	return chunk * p.perChunk, min((chunk+1)*p.perChunk, p.count)
}

// panel is some rows of some features of a sample.
type panel struct {
	sample, part int // the part's number among those of all samples
	from, to     int // the features' numbers among those of all samples

	at, rows, stride int // in x
	lanes            int // columns of a feature
	tail             int // elements of a segment after its last whole row
}

// panel returns the i-th panel in the order of memory.
func (f *featureNorm[T]) panel(i int) (p panel) {
	strip, part := i%f.across, i/f.across
	p.sample, p.part = part/f.down, part
	first, row := strip*f.wide, part%f.down*f.high
	p.from = p.sample*f.features + first
	p.to = p.from + min(f.wide, f.features-first)
	p.stride, p.lanes = f.features*f.inner, f.inner
	p.rows = min(f.high, f.outer-row)
	p.at = (p.sample*f.outer+row)*p.stride + first*f.inner
	if f.segmented {
		p.stride, p.lanes = segmentLanes, segmentLanes
		p.rows, p.tail = f.inner/segmentLanes, f.inner%segmentLanes
	}
	return p
}

// each calls kernel on the rows of a panel, and on its tail.
func (p panel) each(kernel func(at, rows, cols int)) {
	kernel(p.at, p.rows, (p.to-p.from)*p.lanes)
	if p.tail > 0 {
		kernel(p.at+p.rows*p.stride, 1, p.tail)
	}
}

// lanes is a chunk's scratch for a panel.
type lanes[T Float] struct {
	vectors     [5][]T
	ones, block []T
	columns     []float64 // sums of a panel's columns
}

// spread returns a kernel's i-th vector: the element of each of the panel's features, once
// for each of its columns.
func (l *lanes[T]) spread(i int, p panel, elements []T) []T {
	elements = elements[p.from:p.to]
	if p.lanes == 1 {
		return elements
	}
	v := Grow(l.vectors[i], len(elements)*p.lanes)
	l.vectors[i] = v
	if len(l.ones) < p.lanes {
		l.ones = constant(l.ones, p.lanes, 1)
	}
	for i, e := range elements {
		simd.Of[T]().Scale(v[i*p.lanes:(i+1)*p.lanes], l.ones[:p.lanes], e)
	}
	return v
}

// sums writes two sums for each of the panel's features. The kernel adds to two sums of each
// column in T; blocks of that many rows are added up in float64.
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

// addLanes writes each feature's sum over its columns.
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

// sums runs a task that writes two sums for each feature of each part, and adds up a sample's
// parts in their order.
func (f *featureNorm[T]) sums(t task) {
	parallel(t, f.chunks())
	width := 2 * f.features
	clear(f.total)
	for i := range f.samples * f.down {
		total := f.total[i/f.down*width:][:width]
		simd.Of[float64]().Accumulate(total, f.parts[i*width:(i+1)*width])
	}
}

// featuresOf returns a sample's features, numbered through all samples.
func (f *featureNorm[T]) featuresOf(sample int) (from, to int) {
	return sample * f.features, (sample + 1) * f.features
}

// totals returns the two sums of each of a sample's features.
func (f *featureNorm[T]) totals(sample int) (first, second []float64) {
	t := f.total[2*sample*f.features:][:2*f.features]
	return t[:f.features], t[f.features:]
}

// partSums returns the memory for the two sums of each of a panel's features.
func (f *featureNorm[T]) partSums(p panel) (first, second []float64) {
	sums := f.parts[2*p.part*f.features:][:2*f.features]
	from, to := p.from-p.sample*f.features, p.to-p.sample*f.features
	return sums[from:to], sums[f.features+from : f.features+to]
}

func (t *featureSums[T]) run(chunk int) {
	f, l := (*featureNorm[T])(t), borrow[lanes[T]]()
	for i, to := f.panelsOf(chunk); i < to; i++ {
		p := f.panel(i)
		pilot := l.spread(0, p, f.pilot)
		first, second := f.partSums(p)
		l.sums(p, momentRows, first, second, func(sum, squares []T, at, rows int) {
			simd.Of[T]().ColumnSums(sum, squares, pilot, f.x[at:], rows, p.stride)
		})
	}
	giveBack(l)
}

func (t *featureApply[T]) run(chunk int) {
	f, l := (*featureNorm[T])(t), borrow[lanes[T]]()
	from, to := f.panelsOf(f.chunks() - 1 - chunk) // backwards, because what was read last is in the caches
	for i := to - 1; i >= from; i-- {
		p := f.panel(i)
		mean, scale, offset := l.spread(0, p, f.mean), l.spread(1, p, f.scale), l.spread(2, p, f.offset)
		p.each(func(at, rows, cols int) {
			simd.Of[T]().ColumnNorm(f.y[at:], f.x[at:], mean[:cols], scale, offset, rows, p.stride, f.stream)
		})
	}
	giveBack(l)
}

func (t *featureGradientSums[T]) run(chunk int) {
	f, l := (*featureNorm[T])(t), borrow[lanes[T]]()
	for i, to := f.panelsOf(chunk); i < to; i++ {
		p := f.panel(i)
		mean, rstd := l.spread(0, p, f.mean), l.spread(1, p, f.rstd)
		first, second := f.partSums(p)
		l.sums(p, gradientRows, first, second, func(dgamma, dbeta []T, at, rows int) {
			simd.Of[T]().ColumnGradientSums(dgamma, dbeta,
				mean[:len(dgamma)], rstd, f.x[at:], f.dy[at:], rows, p.stride)
		})
	}
	giveBack(l)
}

func (t *featureGradientApply[T]) run(chunk int) {
	f, l := (*featureNorm[T])(t), borrow[lanes[T]]()
	from, to := f.panelsOf(f.chunks() - 1 - chunk)
	for i := to - 1; i >= from; i-- {
		p := f.panel(i)
		mean, rstd := l.spread(0, p, f.mean), l.spread(1, p, f.rstd)
		scale, offset, slope := l.spread(2, p, f.scale), l.spread(3, p, f.offset), l.spread(4, p, f.slope)
		p.each(func(at, rows, cols int) {
			simd.Of[T]().ColumnNormBackward(f.dx[at:], f.x[at:], f.dy[at:],
				mean[:cols], rstd, scale, offset, slope, rows, p.stride, f.stream)
		})
	}
	giveBack(l)
}
