package layers

import (
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Normal starts weights from a normal distribution of mean 0 and the given
// standard deviation, drawn from a source of the caller's, so that it can be
// repeated. It makes one weight's values; give each its own source.
func Normal(source rand.Source, std float64) G.InitWFn {
	rng := rand.New(source)
	return func(dt tensor.Dtype, shape ...int) any {
		return fill(dt, shape, func() float64 { return rng.NormFloat64() * std })
	}
}

func constant(v float64) G.InitWFn {
	return func(dt tensor.Dtype, shape ...int) any {
		return fill(dt, shape, func() float64 { return v })
	}
}

func fill(dt tensor.Dtype, shape []int, next func() float64) any {
	n := tensor.Shape(shape).TotalSize()
	if dt == tensor.Float64 {
		s := make([]float64, n)
		for i := range s {
			s[i] = next()
		}
		return s
	}
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(next())
	}
	return s
}
