package layers

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Option changes a default of a layer. The package documentation lists options, layers and
// defaults.
type Option struct {
	name  string
	apply func(*config)
}

// config is a layer's settings after all options.
type config struct {
	given map[string]bool // names of the options given

	name  string
	dtype tensor.Dtype

	// of norms
	eps                  *float64 // nil: the layer's default
	weight, bias         bool
	weightInit, biasInit G.InitWFn // nil: the layer's default
	axes                 []int     // nil: the last ones
	shape                []int     // nil: the number of features

	momentum                   float64
	cumulative, biasedVariance bool
	tracking, frozen           bool
	positions                  int // 0: one statistic for all positions

	instanceTracking, unbatched bool // of InstanceNorm

	zeroCentred bool
	partial     float64

	alpha float64
	exact bool // of GELU
}

// WithName sets the layer's name, for example nanoGPT's "transformer.h.0.ln_1". It is an error if
// the graph already has learnables of that name. By default it is the kind of layer, numbered.
func WithName(name string) Option {
	return Option{"WithName", func(c *config) { c.name = name }}
}

// WithDtype sets the type of the layer's learnables and inputs, tensor.Float32 (the default) or
// tensor.Float64.
func WithDtype(dt tensor.Dtype) Option {
	return Option{"WithDtype", func(c *config) { c.dtype = dt }}
}

// WithEps sets the number that a norm adds, inside the square root, to the variance, or RMSNorm to
// the mean square. It must be finite and above 0, and for float32 1/√eps must be finite in float32.
// By default it is 1e-5, in RMSNorm the dtype's machine epsilon.
func WithEps(eps float64) Option {
	return Option{"WithEps", func(c *config) { c.eps = &eps }}
}

// WithoutBias leaves out the learnable that a layer adds: the bias of a Linear, or β of a norm, DyT
// or Derf. By default a layer that can have one has one.
func WithoutBias() Option {
	return Option{"WithoutBias", func(c *config) { c.bias = false }}
}

// WithoutAffine leaves out γ and β, so that y = x̂ (PyTorch's elementwise_affine=False and
// affine=False). It cannot be combined with WithWeightInit, WithBiasInit or WithZeroCentredGain.
func WithoutAffine() Option {
	return Option{"WithoutAffine", func(c *config) { c.weight, c.bias = false, false }}
}

// WithoutWeight leaves out γ, so that y = x̂ + β. By default there is a γ.
func WithoutWeight() Option {
	return Option{"WithoutWeight", func(c *config) { c.weight = false }}
}

// WithWeightInit sets the initial weight (γ) of a norm, DyT or Derf. By default it is 1, with
// WithZeroCentredGain 0. The function must return a slice of the dtype with an element for each of
// the shape's.
func WithWeightInit(init G.InitWFn) Option {
	return Option{"WithWeightInit", func(c *config) { c.weightInit = init }}
}

// WithBiasInit sets the initial bias of a Linear, or β of a norm, DyT or Derf, as WithWeightInit
// sets the weight. By default it is 0.
func WithBiasInit(init G.InitWFn) Option {
	return Option{"WithBiasInit", func(c *config) { c.biasInit = init }}
}

// WithAxis sets the axis of the input that holds the features, for example 1 for images of shape
// (N, C, H, W). A negative axis counts from the end. The default is -1, the last. A norm of rows,
// which is one that takes WithShape, may have several axes and normalizes them together. WithShape
// then gives their sizes, and the learnables have these sizes in the order of the axes. Forward
// returns an error if the input has no such axis, or one of another size.
func WithAxis(axes ...int) Option {
	return Option{"WithAxis", func(c *config) { c.axes = slices.Clone(axes) }}
}

// WithShape makes a norm of rows normalize over the last dimensions together, or over the axes of
// WithAxis, which have the given sizes (PyTorch's normalized_shape). The product of the sizes must
// be the layer's number of features. The learnables have that shape. By default a norm normalizes
// over the last dimension alone.
func WithShape(dims ...int) Option {
	return Option{"WithShape", func(c *config) { c.shape = dims }}
}

// WithMomentum sets the weight of the newest batch in the running statistics of BatchNorm or, with
// WithTracking, InstanceNorm. It is in [0, 1], 0.1 by default, as in PyTorch. (In Flax and Keras,
// momentum is the weight of the old statistics.)
func WithMomentum(momentum float64) Option {
	return Option{"WithMomentum", func(c *config) { c.momentum, c.cumulative = momentum, false }}
}

// WithCumulativeAverage makes BatchNorm's running statistics the mean over all batches so far
// (PyTorch's momentum=None).
func WithCumulativeAverage() Option {
	return Option{"WithCumulativeAverage", func(c *config) { c.cumulative = true }}
}

// WithBiasedVariance makes BatchNorm average the biased variance of batches, which divides by the
// number of rows N, as Flax and Keras do. By default the running variance divides by N−1, as
// PyTorch's does.
func WithBiasedVariance() Option {
	return Option{"WithBiasedVariance", func(c *config) { c.biasedVariance = true }}
}

// WithoutTracking makes BatchNorm keep no running statistics and use those of the batch in
// evaluation too (PyTorch's track_running_stats=False). Options about averaging then have no effect.
func WithoutTracking() Option {
	return Option{"WithoutTracking", func(c *config) { c.tracking = false }}
}

// WithTracking makes InstanceNorm keep running statistics and normalize by them in evaluation
// (PyTorch's track_running_stats=True). By default it keeps none.
func WithTracking() Option {
	return Option{"WithTracking", func(c *config) { c.instanceTracking = true }}
}

// WithUnbatched makes InstanceNorm treat x as one sample, without an axis of samples: (length,
// features) or, with WithAxis(0), PyTorch's (C, L).
func WithUnbatched() Option {
	return Option{"WithUnbatched", func(c *config) { c.unbatched = true }}
}

// WithFrozenStatistics makes BatchNorm use its running statistics in training too and leave them
// unchanged, for fine-tuning a trained network (a PyTorch module in eval mode inside one in training
// mode). Load sets the statistics. Options about averaging have no effect.
func WithFrozenStatistics() Option {
	return Option{"WithFrozenStatistics", func(c *config) { c.frozen = true }}
}

// WithPositions makes BatchNorm take statistics over the batch alone, separately at each of the
// given number of positions. x has shape (batch, positions, features) and running statistics have
// shape (positions, features). No token then depends on later ones through the statistics.
func WithPositions(positions int) Option {
	return Option{"WithPositions", func(c *config) { c.positions = positions }}
}

// WithZeroCentredGain makes RMSNorm's gain 1 + weight, with a weight of 0 at the start, so that
// weight decay pulls the gain to 1 (Gemma).
func WithZeroCentredGain() Option {
	return Option{"WithZeroCentredGain", func(c *config) { c.zeroCentred = true }}
}

// WithPartial makes RMSNorm take the root mean square over the first ⌈p·features⌉ features alone,
// with p in (0, 1] (pRMSNorm, Zhang & Sennrich 2019, who propose 1/16).
func WithPartial(p float64) Option {
	return Option{"WithPartial", func(c *config) { c.partial = p }}
}

// WithAlpha sets the initial α of DyT and Derf, a finite number. By default it is 0.5, as in Zhu
// et al. 2025 (arXiv 2503.10622).
func WithAlpha(alpha float64) Option {
	return Option{"WithAlpha", func(c *config) { c.alpha = alpha }}
}

// WithExact makes GELU compute the exact form, x·Φ(x), as torch.nn.GELU() and nanoGPT do. By
// default it computes GPT-2's tanh form.
func WithExact() Option {
	return Option{"WithExact", func(c *config) { c.exact = true }}
}

// configure returns the settings of a layer after its options. Every layer takes WithName; allowed
// are the names of the others that it takes.
func configure(kind string, opts []Option, allowed ...string) (config, error) {
	c := config{
		dtype:    tensor.Float32,
		weight:   true,
		bias:     true,
		momentum: 0.1,
		tracking: true,
		partial:  1,
		alpha:    0.5,
	}
	err := c.apply(opts, allowed)
	if err == nil {
		severalAxes := slices.Contains(allowed, "WithShape")
		err = cmp.Or(c.checkNumbers(), c.checkStatistics(), c.checkLearnables(), c.checkAxes(severalAxes))
	}
	if err != nil {
		return c, fmt.Errorf("layers: %s: %w", kind, err)
	}
	return c, nil
}

func (c *config) apply(opts []Option, allowed []string) error {
	c.given = make(map[string]bool)
	for _, o := range opts {
		if o.apply == nil {
			return errors.New("an option is the zero Option, want one made by a With… function")
		}
		if o.name != "WithName" && !slices.Contains(allowed, o.name) {
			return fmt.Errorf("has no option %s", o.name)
		}
		c.given[o.name] = true
		o.apply(c)
	}
	return nil
}

// checkNumbers returns an error for a number outside its range.
func (c *config) checkNumbers() error {
	switch {
	case c.eps != nil && !(*c.eps > 0 && *c.eps < math.Inf(1)):
		return fmt.Errorf("eps is %g, want a finite number above 0", *c.eps)
	case c.eps != nil && c.dtype == tensor.Float32 && 1/math.Sqrt(*c.eps) > math.MaxFloat32:
		// x̂ would be 0·∞ for a variance of 0
		return fmt.Errorf("eps is %g, too small for float32, which has no 1/√eps", *c.eps)
	case !(c.partial > 0 && c.partial <= 1):
		return fmt.Errorf("the part for the root mean square is %g, want it in (0, 1]", c.partial)
	case !finite(c.alpha) || c.dtype == tensor.Float32 && math.Abs(c.alpha) > math.MaxFloat32:
		return fmt.Errorf("alpha is %g, want a finite number", c.alpha)
	}
	return nil
}

// checkStatistics returns an error for contradicting or impossible settings of statistics.
func (c *config) checkStatistics() error {
	switch {
	case !(c.momentum >= 0 && c.momentum <= 1):
		return fmt.Errorf("momentum is %g, want it in [0, 1]", c.momentum)
	case c.given["WithPositions"] && c.positions < 1:
		return fmt.Errorf("WithPositions was given %d positions, want 1 or more", c.positions)
	case c.frozen && !c.tracking:
		return errors.New("WithoutTracking leaves no statistics to freeze")
	}
	return nil
}

// checkLearnables returns an error for an option about a learnable that is left out.
func (c *config) checkLearnables() error {
	switch {
	case c.given["WithWeightInit"] && c.weightInit == nil, c.given["WithBiasInit"] && c.biasInit == nil:
		return errors.New("a function for initial values is nil")
	case c.weightInit != nil && !c.weight:
		return errors.New("there is no weight for WithWeightInit")
	case c.zeroCentred && !c.weight:
		return errors.New("WithoutAffine leaves no weight for WithZeroCentredGain")
	case c.biasInit != nil && !c.bias:
		return errors.New("there is no bias for WithBiasInit")
	}
	return nil
}

// checkAxes returns an error for axes and sizes that do not match.
func (c *config) checkAxes(severalAllowed bool) error {
	switch {
	case c.given["WithShape"] && len(c.shape) == 0:
		return errors.New("WithShape was given no dimensions")
	case c.given["WithAxis"] && len(c.axes) == 0:
		return errors.New("WithAxis was given no axis")
	case repeats(c.axes):
		return fmt.Errorf("WithAxis was given one axis twice (%v)", c.axes)
	case len(c.axes) > 1 && !severalAllowed:
		return fmt.Errorf("WithAxis was given %d axes, want 1", len(c.axes))
	case len(c.axes) > 1 && c.shape == nil:
		return fmt.Errorf("WithAxis was given %d axes, want their sizes in WithShape", len(c.axes))
	case c.axes != nil && c.shape != nil && len(c.axes) != len(c.shape):
		return fmt.Errorf("WithAxis was given %d axes, but WithShape the sizes of %d", len(c.axes), len(c.shape))
	}
	return nil
}

// repeats reports whether s contains a number twice.
func repeats(s []int) bool {
	for i, v := range s {
		if slices.Contains(s[:i], v) {
			return true
		}
	}
	return false
}

// axis returns the features' axis of a layer that has one.
func (c config) axis() int {
	if c.axes == nil {
		return -1
	}
	return c.axes[0]
}

// epsOr returns the eps of WithEps, or else a layer's default.
func (c config) epsOr(def float64) float64 {
	if c.eps != nil {
		return *c.eps
	}
	return def
}

func initOr(init, def G.InitWFn) G.InitWFn {
	if init != nil {
		return init
	}
	return def
}
