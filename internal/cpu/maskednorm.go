package cpu

import "math"

// Sets say which elements of a tensor are normalized together: those of a row of
// Places, as far as a mask counts them. The columns of a feature stand side by side.
type Sets struct {
	Places
	Groups    int // sets that follow each other and have features of their own; then these come again
	Positions int // columns of each feature
	Part      int // statistics are those of the first so many columns
	Centred   bool
	Eps       float64
	Each      bool // the mask has an element for each of the tensor's, not for each position
}

// features is how many there are in a set.
func (s *Sets) features() int { return len(s.Cols) / s.Positions }

// counted is what a mask counts of a set: for each of these elements its place, its feature
// and itself. Statistics are over the first so many.
type counted struct {
	at, feature []int
	x           []float64
	members     int
}

// count finds what the mask counts of a set of x.
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

// setStatistics are those of a set: x̂ = ((x·scale − pivot) − shift)·rstd.
type setStatistics struct{ scale, pivot, shift, rstd float64 }

// xhat is x normalized.
func (s *setStatistics) xhat(x float64) float64 {
	return (float64(x*s.scale) - s.pivot - s.shift) * s.rstd
}

// measure takes the statistics of x·scale in two passes about the first x, so that they are
// exact where all are equal; the second pass corrects the mean.
func (s *Sets) measure(x []float64, scale float64) setStatistics {
	m, n := setStatistics{scale: scale}, float64(len(x))
	if s.Centred {
		m.pivot = x[0] * scale
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

// MaskedNorm normalizes the elements of each set that a mask counts, by statistics of
// those alone. It keeps them for the backward pass.
type MaskedNorm[T Float] struct {
	Sets
	statistics []setStatistics
	sums       []float64 // dγ and dβ of each chunk

	y, x, gamma, beta, dx, dy []T
	mask                      []int
}

type (
	maskedForward[T Float]  MaskedNorm[T]
	maskedBackward[T Float] MaskedNorm[T]
)

// Forward gives, with mean and variance of the M elements of a set that count,
//
//	x̂ = (x−mean)/√(variance+eps)    y = γ·x̂ + β
//
// and 0 for what does not count. Without Centred, the mean is 0 and the variance the mean
// square. What counts in a set of whose Part nothing does has y = 0.
func (n *MaskedNorm[T]) Forward(y, x, gamma, beta []T, mask []int) {
	n.statistics = Grow(n.statistics, len(n.Rows))
	n.y, n.x, n.gamma, n.beta, n.mask = y, x, gamma, beta, mask
	clear(y)
	parallel((*maskedForward[T])(n), rowChunks(len(n.Rows), len(n.Cols)))
	n.forget()
}

// Backward gives Forward's gradients. With g = dy·γ and sums over what counts:
//
//	dx = rstd·(g − Σg/M − x̂·Σ(g·x̂)/M)    dγ = Σdy·x̂    dβ = Σdy
//
// and dx = 0 for what does not count. Without Centred there is no Σg/M, and beyond Part
// no x̂·Σ(g·x̂)/M. A nil dgamma or dbeta is left out.
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

// forget lets go of the caller's memory.
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
			y := n.gammaOf(c.feature[i]) * s.xhat(c.x[i])
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
			g := dy * n.gammaOf(j)
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
