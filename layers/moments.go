package layers

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// Moments are statistics of each feature over rows: the number of rows, the mean, and M2, the sum
// of squared distances from the mean. The moments of parts determine those of the whole; their
// means and variances alone do not.
type Moments struct {
	Count    int
	Mean, M2 []float64 // of each feature; with WithPositions, of each position's features in turn
}

// Var returns the biased variance of each feature, M2/Count, by which BatchNorm normalizes.
func (m Moments) Var() []float64 {
	v := make([]float64, len(m.M2))
	for j, m2 := range m.M2 {
		v[j] = m2 / float64(m.Count)
	}
	return v
}

// CombineMoments returns the moments of a whole batch from those of its parts, which may differ in
// size. The result is exact except for rounding (Chan, Golub & LeVeque 1979, Updating formulae and
// a pairwise algorithm for computing sample variances):
//
//	n = n₁ + n₂    δ = mean₂ − mean₁    mean = mean₁ + δ·n₂/n    M2 = M2₁ + M2₂ + δ²·n₁·n₂/n
//
// The parts may be micro-batches, or shards of a batch on several machines. BatchNorm.Moments
// returns the moments of a part, and BatchNorm.SetStatistics takes those of the whole. Parts of no
// rows are skipped. It is an error if a count is negative, if the sum of counts overflows an int,
// or if the parts differ in their number of features.
func CombineMoments(parts ...Moments) (Moments, error) {
	at := slices.IndexFunc(parts, func(p Moments) bool { return p.Count != 0 })
	if at < 0 {
		return Moments{}, nil
	}
	features := len(parts[at].Mean)
	whole := Moments{Mean: make([]float64, features), M2: make([]float64, features)}
	for i, p := range parts {
		if p.Count == 0 {
			continue
		}
		if p.Count < 0 || len(p.Mean) != features || len(p.M2) != features {
			return Moments{}, fmt.Errorf("layers: CombineMoments: part %d has a count of %d, %d means and %d M2, "+
				"want a count of 1 or more and %d of each", i, p.Count, len(p.Mean), len(p.M2), features)
		}
		if p.Count > math.MaxInt-whole.Count {
			return Moments{}, fmt.Errorf("layers: CombineMoments: part %d has a count of %d, "+
				"which with the %d before it is more than %d", i, p.Count, whole.Count, math.MaxInt)
		}
		whole.Count += p.Count
	}
	for j := range features {
		var m cpu.Moments
		for _, p := range parts {
			if p.Count == 0 {
				continue
			}
			m.Add(cpu.Moments{Count: float64(p.Count), Mean: p.Mean[j], M2: p.M2[j]})
		}
		whole.Mean[j], whole.M2[j] = m.Mean, m.M2
	}
	return whole, nil
}

// SetStatistics sets the layer's running mean and variance to those of m. The variance is
// M2/(Count−1) or, with WithBiasedVariance, M2/Count. The number of batches tracked does not
// change. No graph with the layer may run meanwhile. SetStatistics returns an error, and changes
// nothing, if the layer has no running statistics, or if m has another number of features, too few
// rows for the variance, or a negative M2.
func (l *BatchNorm) SetStatistics(m Moments) error {
	r := l.running
	if r == nil {
		return l.errorf("WithoutTracking leaves no statistics to set")
	}
	if err := r.check(); err != nil {
		return l.errorf("%w", err)
	}
	if n := r.shape.TotalSize(); len(m.Mean) != n || len(m.M2) != n {
		return l.errorf("moments have %d means and %d M2, want %d of each", len(m.Mean), len(m.M2), n)
	}
	correction := 1 // Bessel's: the divisor is the count − 1
	if r.biased {
		correction = 0
	}
	if m.Count <= correction {
		return l.errorf("moments are of %d rows, want %d or more", m.Count, correction+1)
	}
	if i := slices.IndexFunc(m.M2, func(v float64) bool { return v < 0 }); i >= 0 {
		return l.errorf("moments have an M2 of %v, want 0 or more", m.M2[i])
	}
	variance := make([]float64, len(m.M2))
	for j, squares := range m.M2 {
		variance[j] = squares / float64(m.Count-correction)
		if !l.holds(m.Mean[j]) || !l.holds(variance[j]) {
			return l.errorf("feature %d has mean %v and variance %v, want finite numbers of type %v",
				j, m.Mean[j], variance[j], l.dtype)
		}
	}
	op.SetNumbers(r.mean, m.Mean)
	op.SetNumbers(r.variance, variance)
	return nil
}

// holds reports whether a number is finite in the layer's type.
func (l *BatchNorm) holds(v float64) bool {
	return finite(v) && (l.dtype == tensor.Float64 || finite(float32(v)))
}

// set replaces m by moments of the given mean and biased variance, in the same memory.
func (m *Moments) set(count int, mean, variance []float64) {
	m.Count = count
	m.Mean = append(m.Mean[:0], mean...)
	m.M2 = m.M2[:0]
	for _, v := range variance {
		m.M2 = append(m.M2, v*float64(count))
	}
}

func (m Moments) clone() Moments {
	return Moments{m.Count, slices.Clone(m.Mean), slices.Clone(m.M2)}
}
