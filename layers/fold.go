package layers

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// Fold returns a Linear on g that computes linear followed by the norm in evaluation, so that a
// trained network needs no operation for the norm (PyTorch's fuse_linear_bn_eval):
//
//	rstd = 1/√(running_var+eps)    W' = γ·rstd·W    b' = γ·rstd·(b − running_mean) + β
//
// The folded layer has copies of the present weights and running statistics, always a bias, and the
// type of linear. Fold takes WithName. It returns an error if the norm has WithoutTracking,
// WithPositions or WithAxis, or if linear's output differs from the norm's input in type or number
// of features.
func (l *BatchNorm) Fold(g *G.ExprGraph, linear *Linear, opts ...Option) (*Linear, error) {
	c, err := configure("Linear", opts)
	switch {
	case err != nil:
		return nil, err
	case linear == nil:
		return nil, l.errorf("the linear layer to fold into is nil")
	case l.running == nil:
		return nil, l.errorf("WithoutTracking leaves no statistics to fold")
	case l.running.check() != nil:
		return nil, l.errorf("%w", l.running.check())
	case l.axis != -1:
		return nil, l.errorf("the features are on axis %d, want them last, as a linear layer's outputs", l.axis)
	case l.positions > 0:
		return nil, l.errorf("statistics at %d positions do not fold into one linear layer", l.positions)
	case linear.dtype != l.dtype:
		return nil, l.errorf("the linear layer is of type %v, want %v", linear.dtype, l.dtype)
	case linear.out != l.features:
		return nil, l.errorf("the linear layer has %d outputs, want %d", linear.out, l.features)
	}
	norm, from := l.State(), linear.State()
	for _, s := range []State{norm, from} {
		for name, d := range s {
			if empty(d) {
				return nil, l.errorf("%s has no memory: the layer's graph has been unbound", name)
			}
		}
	}
	weight, bias := folded(norm, from, l.eps, linear.in)
	values := func(v []float64) G.InitWFn {
		i := -1
		return func(dt tensor.Dtype, shape ...int) any { return fill(dt, shape, func() float64 { i++; return v[i] }) }
	}
	opts = []Option{WithDtype(l.dtype), WithBiasInit(values(bias))}
	if c.name != "" {
		opts = append(opts, WithName(c.name))
	}
	return NewLinear(g, linear.in, linear.out, values(weight), opts...)
}

// folded returns W' and b', computed in float64.
func folded(norm, linear State, eps float64, in int) (weight, bias []float64) {
	weight = op.Numbers(linear["weight"])
	mean, variance := op.Numbers(norm["running_mean"]), op.Numbers(norm["running_var"])
	gamma, beta, b := op.Numbers(norm["weight"]), op.Numbers(norm["bias"]), op.Numbers(linear["bias"])
	bias = make([]float64, len(mean))
	for j := range bias {
		scale := 1 / math.Sqrt(variance[j]+eps)
		if gamma != nil {
			scale *= gamma[j]
		}
		for i := range weight[j*in : (j+1)*in] {
			weight[j*in+i] *= scale
		}
		bias[j] = -mean[j] * scale
		if b != nil {
			bias[j] = (b[j] - mean[j]) * scale
		}
		if beta != nil {
			bias[j] += beta[j]
		}
	}
	return weight, bias
}
