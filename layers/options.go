package layers

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"
)

// Option changes a default of a layer; the package documentation has the table.
type Option struct {
	name  string
	apply func(*config)
}

type config struct {
	name     string
	dtype    tensor.Dtype
	eps      *float64 // nil: the layer's default
	momentum float64
	bias     bool
}

// WithName names the layer, as nanoGPT does: "transformer.h.0.ln_1".
func WithName(name string) Option {
	return Option{"WithName", func(c *config) { c.name = name }}
}

// WithDtype chooses tensor.Float32 (the default) or tensor.Float64.
func WithDtype(dt tensor.Dtype) Option {
	return Option{"WithDtype", func(c *config) { c.dtype = dt }}
}

// WithEps sets what a norm adds to the variance, inside the square root.
func WithEps(eps float64) Option {
	return Option{"WithEps", func(c *config) { c.eps = &eps }}
}

// WithMomentum sets the weight of the newest batch in BatchNorm's running
// statistics, in (0, 1].
func WithMomentum(momentum float64) Option {
	return Option{"WithMomentum", func(c *config) { c.momentum = momentum }}
}

// WithoutBias leaves out the learnable that is added (beta of a norm).
func WithoutBias() Option {
	return Option{"WithoutBias", func(c *config) { c.bias = false }}
}

// configure applies options to the defaults. A layer allows WithName and those it
// lists.
func configure(kind string, opts []Option, allowed ...string) (config, error) {
	c := config{dtype: tensor.Float32, momentum: 0.1, bias: true}
	for _, o := range opts {
		if o.name != "WithName" && !slices.Contains(allowed, o.name) {
			return c, fmt.Errorf("layers: %s: has no option %s", kind, o.name)
		}
		o.apply(&c)
	}
	if c.eps != nil && !(*c.eps >= 0 && *c.eps < math.Inf(1)) {
		return c, fmt.Errorf("layers: %s: eps is %g, want a number of 0 or more", kind, *c.eps)
	}
	if !(c.momentum > 0 && c.momentum <= 1) {
		return c, fmt.Errorf("layers: %s: momentum is %g, want it in (0, 1]", kind, c.momentum)
	}
	return c, nil
}

func (c config) epsOr(def float64) float64 {
	if c.eps != nil {
		return *c.eps
	}
	return def
}
