package layers

import (
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/extent"
	"gorgonorm/internal/portable"
)

// Normal returns a function for initial weights from a normal distribution with mean 0 and the given
// standard deviation. Equal sources draw equal weights. Give each layer its own source. The function
// returns nil for a shape with more elements than a tensor may have.
func Normal(source rand.Source, std float64) G.InitWFn {
	rng := rand.New(source)
	return func(dt tensor.Dtype, shape ...int) any {
		return fill(dt, shape, func() float64 { return portable.Normal(rng) * std })
	}
}

// constant returns a function for initial weights that are all v.
func constant(v float64) G.InitWFn {
	return func(dt tensor.Dtype, shape ...int) any {
		return fill(dt, shape, func() float64 { return v })
	}
}

// fill returns the values of a weight of that shape, or nil if it has more elements than a tensor
// may have.
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
