package layers

import (
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/extent"
)

// Normal starts weights from a normal distribution of mean 0 and the given
// standard deviation, drawn from a source of the caller's, so that it can be
// repeated. It makes one weight's values; give each its own source. It returns nil for a
// shape that no tensor may have.
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

// fill returns a weight's values, or nil if there are more than a tensor may have.
func fill(dt tensor.Dtype, shape []int, next func() float64) any {
	n, ok := extent.Product(shape...)
	if !ok {
		return nil
	}
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
