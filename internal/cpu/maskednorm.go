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

// counted calls do with each element of a set that the mask counts: its place, its
// feature, and whether the statistics are over it too.
func (s *Sets) counted(mask []int, set int, do func(at, feature int, member bool)) {
	row, feature, position := s.Rows[set], set%s.Groups*s.features(), 0
	start := set / s.Groups * s.Positions
	for j, offset := range s.Cols {
		at := row + offset
		m := start + position
		if s.Each {
			m = at
		}
		if mask[m] != 0 {
			do(at, feature, j < s.Part)
		}
		if position++; position == s.Positions {
			feature, position = feature+1, 0
		}
	}
}

// setStatistics are those of a set: x̂ = ((x·scale − pivot) − shift)·rstd.
type setStatistics struct {
	members                   float64 // 0: nothing is normalized
	scale, pivot, shift, rstd float64
}

// xhat is x normalized.
func (s *setStatistics) xhat(x float64) float64 {
	return (float64(x*s.scale) - s.pivot - s.shift) * s.rstd
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
	parallel((*maskedForward[T])(n), rowTasks(len(n.Rows), len(n.Cols)))
	n.forget()
}

// Backward gives Forward's gradients. With g = dy·γ and sums over what counts:
//
//	dx = rstd·(g − Σg/M − x̂·Σ(g·x̂)/M)    dγ = Σdy·x̂    dβ = Σdy
//
// and dx = 0 for what does not count. Without Centred there is no Σg/M, and beyond Part
// no x̂·Σ(g·x̂)/M. A nil dgamma or dbeta is left out.
func (n *MaskedNorm[T]) Backward(dx, dgamma, dbeta, x, gamma []T, mask []int, dy []T) {
	chunks, features := rowTasks(len(n.Rows), len(n.Cols)), n.Groups*n.features()
	n.sums = Grow(n.sums, chunks*2*features)
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
	n := (*MaskedNorm[T])(f)
	from, to := rowsOf(chunk, len(n.Rows), len(n.Cols))
	for set := from; set < to; set++ {
		s := n.measure(set, 1)
		if v := s.rstd; !(v > 0) { // squares have overflowed, unless x is not finite
			s = n.measure(set, 0x1p-600)
		}
		n.statistics[set] = s
		if s.members == 0 {
			continue
		}
		n.counted(n.mask, set, func(at, feature int, _ bool) {
			y := n.gammaOf(feature) * s.xhat(float64(n.x[at]))
			if n.beta != nil {
				y += float64(n.beta[feature])
			}
			n.y[at] = T(y)
		})
	}
}

// measure takes a set's statistics of x·scale in two passes about its first element, so
// that they are exact where all elements are equal; the second corrects the mean.
func (n *MaskedNorm[T]) measure(set int, scale float64) setStatistics {
	s := setStatistics{scale: scale}
	n.counted(n.mask, set, func(at, _ int, member bool) {
		if !member {
			return
		}
		if s.members++; !n.Centred {
			return
		}
		x := float64(n.x[at]) * scale
		if s.members == 1 {
			s.pivot = x
		}
		s.shift += x - s.pivot
	})
	if s.members == 0 {
		return s
	}
	s.shift /= s.members
	var sum, squares float64
	n.counted(n.mask, set, func(at, _ int, member bool) {
		if member {
			d := float64(float64(n.x[at])*scale) - s.pivot - s.shift
			sum += d
			squares += float64(d * d)
		}
	})
	variance := squares / s.members
	if n.Centred {
		correction := sum / s.members
		s.shift += correction
		variance -= float64(correction * correction)
	}
	s.rstd = 1 / math.Sqrt(variance+float64(n.Eps*scale*scale))
	return s
}

func (b *maskedBackward[T]) run(chunk int) {
	n := (*MaskedNorm[T])(b)
	features := n.Groups * n.features()
	dgamma := n.sums[chunk*2*features:][:features]
	dbeta := n.sums[chunk*2*features:][features : 2*features]
	from, to := rowsOf(chunk, len(n.Rows), len(n.Cols))
	for set := from; set < to; set++ {
		s := n.statistics[set]
		if s.members == 0 {
			continue
		}
		var sumG, sumGX float64
		n.counted(n.mask, set, func(at, feature int, _ bool) {
			dy, xhat := float64(n.dy[at]), s.xhat(float64(n.x[at]))
			g := dy * n.gammaOf(feature)
			sumG += g
			sumGX += float64(g * xhat)
			dgamma[feature] += float64(dy * xhat)
			dbeta[feature] += dy
		})
		if !n.Centred {
			sumG = 0
		}
		n.counted(n.mask, set, func(at, feature int, member bool) {
			d := float64(float64(n.dy[at])*n.gammaOf(feature)) - sumG/s.members
			if member {
				d -= float64(s.xhat(float64(n.x[at])) * (sumGX / s.members))
			}
			n.dx[at] = T(d * s.rstd * s.scale)
		})
	}
}
