package simd

import (
	"math"
	"math/big"
	"slices"
)

// The functions in this file are exact to some 90 bits.

const precision = 128

func number(x float64) *big.Float { return new(big.Float).SetPrec(precision).SetFloat64(x) }

func decimal(s string) *big.Float {
	x, _, err := big.ParseFloat(s, 10, precision, big.ToNearestEven)
	if err != nil {
		panic(err)
	}
	return x
}

func add2(x, y *big.Float) *big.Float { return number(0).Add(x, y) }
func sub2(x, y *big.Float) *big.Float { return number(0).Sub(x, y) }
func mul2(x, y *big.Float) *big.Float { return number(0).Mul(x, y) }
func quo2(x, y *big.Float) *big.Float { return number(0).Quo(x, y) }

// exactExp returns exp(x): Taylor's series for x/2^16, squared 16 times.
func exactExp(x *big.Float) *big.Float {
	small, y := number(0).SetMantExp(x, -16), number(0)
	for _, c := range inverseFactorials {
		y.Add(y.Mul(y, small), c)
	}
	for range 16 {
		y.Mul(y, y)
	}
	return y
}

// inverseFactorials are 1/n! from n = 12 down.
var inverseFactorials = func() (c []*big.Float) {
	f := number(1)
	for n := range 13 {
		f = quo2(f, number(float64(max(1, n))))
		c = append(c, f)
	}
	slices.Reverse(c)
	return c
}()

var (
	exactScale = decimal("1.595769121605730711759784239737527473903") // 2·√(2/π)
	exactCubic = decimal("0.044715")
)

// exactGELU returns GELU, in its tanh form, and its derivative.
func exactGELU(x *big.Float) (y, slope *big.Float) {
	one, square := number(1), mul2(x, x)
	twoU := mul2(mul2(exactScale, x), add2(one, mul2(exactCubic, square)))
	e := exactExp(number(0).Neg(twoU))
	s := quo2(one, add2(one, e))
	twoUSlope := mul2(exactScale, add2(one, mul2(mul2(number(3), exactCubic), square)))
	y = mul2(x, s)
	return y, add2(s, mul2(mul2(y, mul2(e, s)), twoUSlope))
}

// exactSoftmax returns the softmax of one row, without a shift.
func exactSoftmax(x []*big.Float) []*big.Float {
	p, sum := make([]*big.Float, len(x)), number(0)
	for i, v := range x {
		p[i] = exactExp(v)
		sum = add2(sum, p[i])
	}
	for i, v := range p {
		p[i] = quo2(v, sum)
	}
	return p
}

// exactSoftmaxBackward returns p·(dp − Σp·dp).
func exactSoftmaxBackward(dp, p []*big.Float) []*big.Float {
	dot, ds := number(0), make([]*big.Float, len(p))
	for i, v := range p {
		dot = add2(dot, mul2(v, dp[i]))
	}
	for i, v := range p {
		ds[i] = mul2(v, sub2(dp[i], dot))
	}
	return ds
}

func exactNumbers[T Float](x []T) []*big.Float {
	exact := make([]*big.Float, len(x))
	for i, v := range x {
		exact[i] = number(float64(v))
	}
	return exact
}

// errorIn returns the largest |got − want|, in units that depend on want.
func errorIn[T Float](unit func(want float64) float64, got []T, want []*big.Float) (worst float64) {
	for i, w := range want {
		d, _ := sub2(number(float64(got[i])), w).Float64()
		size, _ := w.Float64()
		worst = max(worst, math.Abs(d)/unit(size))
	}
	return worst
}

// ulp returns the distance between T's numbers around x.
func ulp[T Float](x float64) float64 {
	_, exponent := math.Frexp(x)
	smallest := 0x1p-126 * ε[T]()
	if ε[T]() == 0x1p-52 {
		smallest = 0x1p-1074
	}
	return max(smallest, math.Ldexp(ε[T](), exponent-1))
}
