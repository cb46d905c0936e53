// Package portable has functions of package math that return the same bits on every machine. Those of
// package math are assembly on some machines, and on others the compiler fuses their products and sums.
package portable

import "math"

// ln 2 in two parts, of which the first has 32 bits: its products with exponents are exact (Cody & Waite
// 1980).
const (
	ln2High = 0x1.62e42feep-1
	ln2Low  = 0x1.a39ef35793c76p-33
)

// Exp returns e**x, within two units in the last place.
func Exp(x float64) float64 {
	switch {
	case x != x || math.IsInf(x, 1):
		return x
	case x > 710:
		return math.Inf(1)
	case x < -746:
		return 0
	}
	k := math.RoundToEven(x * math.Log2E)
	r := math.FMA(-ln2Low, k, math.FMA(-ln2High, k, x))
	p := 1.0 // Taylor's series, from its 14th term on: 1 + r/14·(1 + …)
	for n := 14.0; n > 0; n-- {
		p = math.FMA(p, r/n, 1)
	}
	return math.Ldexp(p, int(k))
}

// Log returns the natural logarithm of x, within two units in the last place.
func Log(x float64) float64 {
	switch {
	case x != x || math.IsInf(x, 1):
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	m, k := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, k = 2*m, k-1
	}
	// With s = (m−1)/(m+1), log m = 2·(s + s³/3 + s⁵/5 + …).
	f := m - 1
	s := f / (2 + f)
	square := float64(s * s)
	p := 0.0
	for n := 23.0; n > 1; n -= 2 {
		p = float64(square * (p + 1/n))
	}
	// 2·s is f − s·f, whose first term is exact.
	rest := math.FMA(s, p+p-f, float64(k)*ln2Low)
	return math.FMA(float64(k), ln2High, f+rest)
}

// CosPi returns cos(π·x) for x from 0 to 1, within 2^-52.
func CosPi(x float64) float64 {
	// It is sin(π·y) with y = 1/2 − x. Taylor's series, from y²³ on.
	y := math.Pi * (0.5 - x)
	square, p := float64(y*y), 1.0
	for n := 22.0; n > 0; n -= 2 {
		p = math.FMA(-p, square/(n*(n+1)), 1)
	}
	return float64(y * p)
}

// Power returns x**n for n ≥ 0, with about n/2 units in the last place of error.
func Power(x float64, n int) float64 {
	p := 1.0
	for ; n > 0; n /= 2 {
		if n%2 == 1 {
			p *= x
		}
		x *= x
	}
	return p
}
