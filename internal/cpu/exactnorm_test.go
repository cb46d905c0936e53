package cpu

import (
	"math"
	"slices"
)

// exact holds numbers normalized together, by the formulas.
type exact struct {
	xhat []float64
	rstd float64
}

// exactNorm computes x's mean to some 100 bits and the rest to float64's. RMSNorm's x is not
// centred.
func exactNorm[T Float](x []T, eps float64, centred bool) exact {
	n := float64(len(x))
	var mean, rest float64 // in two parts
	if centred {
		var sum, low float64
		for _, v := range x {
			s, e := twoSum(sum, float64(v))
			sum, low = s, low+e
		}
		mean = (sum + low) / n
		rest = (math.FMA(-mean, n, sum) + low) / n
	}
	e := exact{xhat: make([]float64, len(x))}
	var squares, low float64
	for i, v := range x {
		d, err := twoSum(float64(v), -mean)
		d += err - rest
		e.xhat[i] = d
		s, r := twoSum(squares, d*d)
		squares, low = s, low+r
	}
	e.rstd = 1 / math.Sqrt((squares+low)/n+eps)
	for i := range e.xhat {
		e.xhat[i] *= e.rstd
	}
	return e
}

// twoPassNorm computes in float64 alone, in two passes.
func twoPassNorm[T Float](x []T, eps float64, centred bool) exact {
	n := float64(len(x))
	var mean, squares float64
	if centred {
		for _, v := range x {
			mean += float64(v)
		}
		mean /= n
	}
	for _, v := range x {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	e := exact{make([]float64, len(x)), 1 / math.Sqrt(squares/n+eps)}
	for i, v := range x {
		e.xhat[i] = (float64(v) - mean) * e.rstd
	}
	return e
}

// twoSum returns a+b rounded, and the rest (Knuth).
func twoSum(a, b float64) (sum, rest float64) {
	sum = a + b
	t := sum - a
	return sum, a - (sum - t) + (b - t)
}

// exactResults holds x̂, dx, dγ and the gradients of Σu·dx with respect to x and to dy, and
// for each the size that rounding is relative to: the largest element, or sum of the terms'
// sizes.
type exactResults struct {
	values [5][]float64
	sizes  [5]float64
}

func (e exact) results(dy, u func(i int) float64, centred bool) (r exactResults) {
	n := len(e.xhat)
	mean := func(f func(i int) float64) float64 {
		var sum, low float64
		for i := range n {
			s, e := twoSum(sum, f(i))
			sum, low = s, low+e
		}
		return (sum + low) / float64(n)
	}
	size := func(f func(i int) float64) func(i int) float64 { return func(i int) float64 { return math.Abs(f(i)) } }
	x := func(i int) float64 { return e.xhat[i] }
	g, v, sizeG, sizeV := dy, u, size(dy), size(u)
	if centred {
		meanG, meanV, sizeMeanG, sizeMeanV := mean(dy), mean(u), mean(sizeG), mean(sizeV)
		g, v = func(i int) float64 { return dy(i) - meanG }, func(i int) float64 { return u(i) - meanV }
		sizeG = func(i int) float64 { return math.Abs(dy(i)) + sizeMeanG }
		sizeV = func(i int) float64 { return math.Abs(u(i)) + sizeMeanV }
	}
	product := func(a, b func(i int) float64) func(i int) float64 { return func(i int) float64 { return a(i) * b(i) } }
	gx, vx, gv := mean(product(g, x)), mean(product(v, x)), mean(product(g, v))
	sizeGX, sizeVX, sizeGV := mean(product(sizeG, size(x))), mean(product(sizeV, size(x))), mean(product(sizeG, sizeV))
	add := func(result int, scale float64, value, size func(i int) float64) {
		r.values[result] = make([]float64, n)
		for i := range n {
			r.values[result][i] = scale * value(i)
			r.sizes[result] = max(r.sizes[result], math.Abs(scale)*size(i))
		}
	}
	add(0, 1, x, size(x))
	add(1, e.rstd,
		func(i int) float64 { return g(i) - x(i)*gx },
		func(i int) float64 { return sizeG(i) + math.Abs(x(i))*sizeGX })
	add(3, -e.rstd*e.rstd,
		func(i int) float64 { return x(i)*(gv-3*gx*vx) + vx*g(i) + gx*v(i) },
		func(i int) float64 {
			return math.Abs(x(i))*(sizeGV+3*sizeGX*sizeVX) + sizeVX*sizeG(i) + sizeGX*sizeV(i)
		})
	add(4, e.rstd,
		func(i int) float64 { return v(i) - x(i)*vx },
		func(i int) float64 { return sizeV(i) + math.Abs(x(i))*sizeVX })
	return r
}

// dgamma computes dγ. The feature changes after every inner elements.
func (r *exactResults) dgamma(dy func(i int) float64, features, inner int) {
	sums, sizes := make([]float64, features), make([]float64, features)
	for i, v := range r.values[0] {
		sums[i/inner%features] += v * dy(i)
		sizes[i/inner%features] += math.Abs(v * dy(i))
	}
	r.values[2], r.sizes[2] = sums, slices.Max(sizes)
}
