package cpu

import "math"

// AdamW holds the settings of one update: Loshchilov & Hutter 2019, as
// torch.optim.AdamW computes it. Step counts from 1.
type AdamW struct {
	LR, Beta1, Beta2, Eps, Decay float64
	Step                         int
}

// Update changes weights w and the moments m and v by gradient g:
//
//	w ← w·(1 − lr·decay)
//	m ← β1·m + (1−β1)·g    v ← β2·v + (1−β2)·g²
//	w ← w − lr/(1−β1^t) · m/(√v/√(1−β2^t) + eps)
func Update[T Float](a AdamW, w, m, v, g []T) {
	b1, b2 := T(a.Beta1), T(a.Beta2)
	c1, c2 := T(1-a.Beta1), T(1-a.Beta2)
	keep := T(1 - a.LR*a.Decay)
	lr := T(a.LR / (1 - math.Pow(a.Beta1, float64(a.Step))))
	bias2 := T(math.Sqrt(1 - math.Pow(a.Beta2, float64(a.Step))))
	eps := T(a.Eps)
	for i, d := range g {
		m[i] = b1*m[i] + c1*d
		v[i] = b2*v[i] + c2*d*d
		w[i] = w[i]*keep - lr*m[i]/(T(math.Sqrt(float64(v[i])))/bias2+eps)
	}
}

// SumSquares is Σx², taken in float64.
func SumSquares[T Float](x []T) float64 { return centredSquares(x, 0) }

// Scale multiplies every element by s.
func Scale[T Float](x []T, s T) {
	for i := range x {
		x[i] *= s
	}
}
