package cpu

import "math"

// Sets are the elements of a tensor that are normalized together: each set is a row of Places. The
// columns of a feature are neighbours.
type Sets struct {
	Places
	Groups    int  // consecutive sets whose features differ; after them the features repeat
	Positions int  // columns of a feature
	Part      int  // columns, the first ones, that statistics are computed over
	Centred   bool // whether the mean is subtracted
	Eps       float64
	Each      bool // whether the mask has an element for each element of x, not for each position
}

// features returns the number of features of a set.
func (s *Sets) features() int { return len(s.Cols) / s.Positions }

// counted is the elements of a set that a mask counts: the place, the feature and the value of
// each.
type counted struct {
	at, feature []int
	x           []float64
	members     int // the number of elements, the first ones, that statistics are computed over
}

// count finds the elements of a set of x that the mask counts.
func count[T Float](c *counted, s *Sets, mask []int, x []T, set int) {
	c.at, c.feature, c.x, c.members = c.at[:0], c.feature[:0], c.x[:0], 0
	row, feature, position := s.Rows[set], set%s.Groups*s.features(), 0
	start := set / s.Groups * s.Positions
	for j, offset := range s.Cols {
		at := row + offset
		m := start + position
		if s.Each {
			m = at
		}
		if mask[m] != 0 {
			c.at, c.feature, c.x = append(c.at, at), append(c.feature, feature), append(c.x, float64(x[at]))
			if j < s.Part {
				c.members++
			}
		}
		if position++; position == s.Positions {
			feature, position = feature+1, 0
		}
	}
}

// setStatistics are the statistics of a set: x̂ = ((x·scale − pivot) − shift)·rstd.
type setStatistics struct{ scale, pivot, shift, rstd float64 }

// xhat returns x normalized.
func (s *setStatistics) xhat(x float64) float64 {
	return (float64(x*s.scale) - s.pivot - s.shift) * s.rstd
}

// measure returns the statistics of x·scale, from differences to the first x, so that they are exact
// if all x are equal. A second pass corrects the mean.
func (s *Sets) measure(x []float64, scale float64) setStatistics {
	m, n := setStatistics{scale: scale}, float64(len(x))
	if s.Centred {
		m.pivot = float64(x[0] * scale)
		for _, v := range x {
			m.shift += float64(v*scale) - m.pivot
		}
		m.shift /= n
	}
	var sum, squares float64
	for _, v := range x {
		d := float64(v*scale) - m.pivot - m.shift
		sum += d
		squares += float64(d * d)
	}
	variance := squares / n
	if s.Centred {
		correction := sum / n
		m.shift += correction
		variance -= float64(correction * correction)
	}
	m.rstd = 1 / math.Sqrt(variance+float64(s.Eps*scale*scale))
	return m
}

// MaskedNorm normalizes the elements of each set that a mask counts, by statistics of those alone.
// It keeps the statistics for its backward pass.
type MaskedNorm[T Float] struct {
	Sets
	statistics []setStatistics
	sums       []float64 // dγ and dβ of each chunk

	y, x, gamma, beta, dx, dy []T // the caller's
	mask                      []int
}

// These tasks take some sets a chunk.
type (
	maskedForward[T Float]  MaskedNorm[T]
	maskedBackward[T Float] MaskedNorm[T]
)

// Forward writes, with the mean and variance of the M elements of a set that count,
//
//	x̂ = (x−mean)/√(variance+eps)    y = γ·x̂ + β
//
// and 0 for elements that do not count. Without Centred, the mean is 0 and the variance is the
// mean square. If no element of a set's Part counts, y is 0 in the whole set.
func (n *MaskedNorm[T]) Forward(y, x, gamma, beta []T, mask []int) {
	n.statistics = Grow(n.statistics, len(n.Rows))
	n.y, n.x, n.gamma, n.beta, n.mask = y, x, gamma, beta, mask
	clear(y)
	parallel((*maskedForward[T])(n), rowChunks(len(n.Rows), len(n.Cols)))
	n.forget()
}

// Backward writes the gradients of the last Forward. With g = dy·γ and sums over the elements
// that count:
//
//	dx = rstd·(g − Σg/M − x̂·Σ(g·x̂)/M)    dγ = Σdy·x̂    dβ = Σdy
//
// and dx = 0 for the others. Without Centred the term Σg/M is absent, and beyond Part the term
// x̂·Σ(g·x̂)/M is. A nil dgamma or dbeta is not written.
func (n *MaskedNorm[T]) Backward(dx, dgamma, dbeta, x, gamma []T, mask []int, dy []T) {
	chunks, features := rowChunks(len(n.Rows), len(n.Cols)), n.Groups*n.features()
	n.sums = Grow(n.sums, max(1, chunks)*2*features)
	clear(n.sums)
	n.dx, n.x, n.gamma, n.mask, n.dy = dx, x, gamma, mask, dy
	clear(dx)
	parallel((*maskedBackward[T])(n), chunks)
	total := n.sums[:2*features]
	for i, v := range n.sums[len(total):] {
		total[i%len(total)] += v
	}
	store(dgamma, total[:features])
	store(dbeta, total[features:])
	n.forget()
}

// forget releases the caller's memory.
func (n *MaskedNorm[T]) forget() {
	n.y, n.x, n.gamma, n.beta, n.dx, n.dy, n.mask = nil, nil, nil, nil, nil, nil, nil
}

func (n *MaskedNorm[T]) gammaOf(feature int) float64 {
	if n.gamma == nil {
		return 1
	}
	return float64(n.gamma[feature])
}

func (f *maskedForward[T]) run(chunk int) {
	n, c := (*MaskedNorm[T])(f), borrow[counted]()
	defer giveBack(c)
	from, to := rowsOf(chunk, len(n.Rows), len(n.Cols))
	for set := from; set < to; set++ {
		count(c, &n.Sets, n.mask, n.x, set)
		if c.members == 0 {
			continue
		}
		s := n.measure(c.x[:c.members], 1)
		if !(s.rstd > 0) { // squares have overflowed, unless x is not finite
			s = n.measure(c.x[:c.members], 0x1p-600)
		}
		n.statistics[set] = s
		for i, at := range c.at {
			y := float64(n.gammaOf(c.feature[i]) * s.xhat(c.x[i]))
			if n.beta != nil {
				y += float64(n.beta[c.feature[i]])
			}
			n.y[at] = T(y)
		}
	}
}

func (b *maskedBackward[T]) run(chunk int) {
	n, c := (*MaskedNorm[T])(b), borrow[counted]()
	defer giveBack(c)
	features := n.Groups * n.features()
	sums := n.sums[chunk*2*features:][:2*features]
	dgamma, dbeta := sums[:features], sums[features:]
	from, to := rowsOf(chunk, len(n.Rows), len(n.Cols))
	for set := from; set < to; set++ {
		count(c, &n.Sets, n.mask, n.x, set)
		if c.members == 0 {
			continue
		}
		s, m := n.statistics[set], float64(c.members)
		var meanG, meanGX float64
		for i, at := range c.at {
			dy, xhat, j := float64(n.dy[at]), s.xhat(c.x[i]), c.feature[i]
			g := float64(dy * n.gammaOf(j))
			meanG += g
			meanGX += float64(g * xhat)
			dgamma[j] += float64(dy * xhat)
			dbeta[j] += dy
		}
		meanG, meanGX = meanG/m, meanGX/m
		if !n.Centred {
			meanG = 0
		}
		for i, at := range c.at {
			d := float64(float64(n.dy[at])*n.gammaOf(c.feature[i])) - meanG
			if i < c.members {
				d -= float64(s.xhat(c.x[i]) * meanGX)
			}
			n.dx[at] = T(d * s.rstd * s.scale)
		}
	}
}
