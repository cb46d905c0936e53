package cpu

// Moments are the count and the mean of a set of numbers, and the sum of their squared
// distances from the mean.
type Moments struct{ Count, Mean, M2 float64 }

// Add merges n into m, which becomes the moments of both sets together (Chan, Golub & LeVeque
// 1979).
func (m *Moments) Add(n Moments) {
	switch {
	case n.Count == 0:
	case m.Count == 0:
		*m = n
	default:
		count, d := m.Count+n.Count, n.Mean-m.Mean
		share := n.Count / count
		m.M2 += n.M2 + float64(d*d*m.Count*share)
		m.Mean += float64(d * share)
		m.Count = count
	}
}

// Variance returns the biased variance.
func (m Moments) Variance() float64 { return m.M2 / m.Count }
