package cpu

// Moments are those of a set of numbers: how many there are, their mean and the sum
// of their squared distances from it.
type Moments struct{ Count, Mean, M2 float64 }

// Add makes m the moments of both sets together (Chan, Golub & LeVeque 1979).
func (m *Moments) Add(n Moments) {
	switch {
	case n.Count == 0:
	case m.Count == 0:
		*m = n
	default:
		count, d := m.Count+n.Count, n.Mean-m.Mean
		share := n.Count / count
		m.M2 += n.M2 + d*d*m.Count*share
		m.Mean += d * share
		m.Count = count
	}
}

// Variance is the biased one.
func (m Moments) Variance() float64 { return m.M2 / m.Count }
