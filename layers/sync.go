package layers

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// Moments are the statistics of each feature over some rows: how many there are, each
// feature's mean, and M2, the sum of squared distances from it. Unlike variances, those
// of parts give those of the whole.
type Moments struct {
	Count    int
	Mean, M2 []float64 // an element a feature (with WithPositions, of each position in turn)
}

// Var is the biased variance of each feature, M2/Count, by which BatchNorm normalizes.
func (m Moments) Var() []float64 {
	v := make([]float64, len(m.M2))
	for j, m2 := range m.M2 {
		v[j] = m2 / float64(m.Count)
	}
	return v
}

// Sync combines the moments of the parts of a batch, whatever their sizes, into the
// whole batch's, to rounding (Chan, Golub & LeVeque 1979, Updating formulae and a
// pairwise algorithm for computing sample variances):
//
//	n = n₁ + n₂    δ = mean₂ − mean₁    mean = mean₁ + δ·n₂/n    M2 = M2₁ + M2₂ + δ²·n₁·n₂/n
//
// The parts may be micro-batches, or shards of a batch on several machines; BatchNorm's
// Moments has those of each, and SetStatistics takes what comes out. A part of no rows is
// passed over. A negative count, a sum of counts that an int does not hold, or another
// number of features than the first part's, is an error.
func Sync(parts ...Moments) (Moments, error) {
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
			return Moments{}, fmt.Errorf("layers: Sync: part %d has a count of %d, %d means and %d M2, want a count of 1 or more and %d of each", i, p.Count, len(p.Mean), len(p.M2), features)
		}
		if p.Count > math.MaxInt-whole.Count {
			return Moments{}, fmt.Errorf("layers: Sync: part %d has a count of %d, which with the %d before it is more than %d", i, p.Count, whole.Count, math.MaxInt)
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

// SetStatistics makes a mean and variance of m the layer's running ones, with the variance
// that the layer keeps: M2/(Count−1) or, with WithBiasedVariance, M2/Count. The number of
// batches tracked stays as it is. No graph that the layer stands on may run meanwhile.
// It is an error if the layer has no running statistics, or if m has another number of
// features, too few rows for the variance, or a negative M2. Nothing has changed then.
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
	lost := 1 // degree of freedom, to the mean
	if r.biased {
		lost = 0
	}
	if m.Count <= lost {
		return l.errorf("moments are of %d rows, want %d or more", m.Count, lost+1)
	}
	if v := below(m.M2); v < 0 {
		return l.errorf("moments have an M2 of %v, want 0 or more", v)
	}
	variance := make([]float64, len(m.M2))
	for j, squares := range m.M2 {
		variance[j] = squares / float64(m.Count-lost)
		if !l.holds(m.Mean[j]) || !l.holds(variance[j]) {
			return l.errorf("feature %d has mean %v and variance %v, want finite numbers of type %v", j, m.Mean[j], variance[j], l.dtype)
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
