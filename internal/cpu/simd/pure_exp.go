package simd

import "math"

// exponential holds the numbers of exp for x ≤ 0. With k = round(x/ln 2) and r = x − k·ln 2, exp(x) is
// 2^k·exp(r), and exp(r) a polynomial. Adding magic to x/ln 2 rounds it to an integer in the last bits of
// the sum, which hold k plus the exponent of 2^0.
type exponential[T Float] struct {
	low                        T // the smallest x whose exp has all its digits
	log2e, magic, ln2, ln2Rest T // ln 2 in two parts (Cody & Waite 1980); the first times k is exact
	poly                       []T
}

func expOf[T Float]() *exponential[T] { return either[*exponential[T]](exp32, exp64) }

// whole returns k, and 2^k.
func (e *exponential[T]) whole(x T) (k, power T) {
	t := fma(e.log2e, x, e.magic)
	if double[T]() {
		power = T(math.Float64frombits(math.Float64bits(float64(t)) << 52))
	} else {
		power = T(math.Float32frombits(math.Float32bits(float32(t)) << 23))
	}
	return t - e.magic, power
}

// of returns exp(x) from k and 2^k of whole, and r, which is x − k·ln2 without the second part of ln 2.
// It is 0 below low.
func (e *exponential[T]) of(x, k, power, r T) T {
	if x < e.low {
		return 0
	}
	return power * horner(e.poly, fma(-e.ln2Rest, k, r))
}

// parts returns exp(x) as s + s·p, with s = 2^k and p = exp(r) − 1 to all its digits.
func (e *exponential[T]) parts(x T) (s, p T) {
	k, s := e.whole(x)
	r := fma(-e.ln2Rest, k, fma(-e.ln2, k, x))
	p = r * horner(e.poly[:len(e.poly)-2], r)
	return s, fma(r, p, r)
}

// lessExp returns 1 − exp(x) to all its digits, for exp(x) = s + s·p.
func lessExp[T Float](s, p T) T { return fma(-s, p, 1-s) }

// horner returns a polynomial of x, whose highest coefficient is the first.
func horner[T Float](c []T, x T) T {
	p := c[0]
	for _, c := range c[1:] {
		p = fma(x, p, c)
	}
	return p
}

func maximum[T Float](x []T) T {
	top := T(math.Inf(-1))
	for _, v := range x {
		if v > top {
			top = v
		}
	}
	return top
}

func expSum[T Float](p, x []T, top T) T {
	e := expOf[T]()
	var sum vector[T]
	for i, v := range x {
		shifted := v - top
		lost := v - (shifted + top) // the rounding error, exact if |x| ≤ |top| (Dekker 1971)
		k, power := e.whole(shifted)
		p[i] = e.of(shifted, k, power, lost+fma(-e.ln2, k, shifted))
		sum[lane[T](i)] += p[i]
	}
	return sum.tree(width[T]())
}

func softmax[T Float](p, x []T) (top, sum T) {
	top = maximum(x)
	sum = expSum(p, x, top)
	scale(p, p, 1/sum)
	return top, sum
}

func softmaxBackward[T Float](dp, p []T) {
	sum := T(dot(dp, p))
	for i, v := range p {
		dp[i] = v * (dp[i] - sum)
	}
}

var (
	geluScale = 2 * math.Sqrt(2/math.Pi)
	geluCubic = 0.044715
)

func gelu[T Float](y, h, x []T) {
	e, a, b := expOf[T](), T(geluScale), T(geluScale*geluCubic)
	for i, v := range x {
		w, minus := fma(b, v*v, a), -abs(v)
		z := w * minus
		k, power := e.whole(z)
		exp := e.of(z, k, power, fma(minus, w, -(e.ln2*k)))
		h[i] = exp / (1 + exp)
		if v < 0 {
			v = 0
		}
		y[i] = fma(minus, h[i], v)
	}
}

func geluBackward[T Float](dx, x, h, dy []T) {
	a, b := T(geluScale), T(3*geluScale*geluCubic)
	for i, v := range x {
		// If v² is larger, h is zero.
		slope := fma(b, min(v*v, 1e4), a)
		q := (1 - h[i]) * h[i] * v
		s := 0.5 + copySign(0.5-h[i], v)
		dx[i] = dy[i] * fma(q, slope, s)
	}
}

func abs[T Float](v T) T { return T(math.Abs(float64(v))) }

func copySign[T Float](v, sign T) T { return T(math.Copysign(float64(v), float64(sign))) }
