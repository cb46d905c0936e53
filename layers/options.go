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

// Option changes a default of a layer; the package documentation has the table.
type Option struct {
	name  string
	apply func(*config)
}

type config struct {
	given map[string]bool // the options' names

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
	positions                  int // 0: one statistic for all

	instanceTracking, unbatched bool // of InstanceNorm

	zeroCentred bool
	partial     float64

	alpha float64
	exact bool // of GELU
}

// WithName names the layer, as nanoGPT does: "transformer.h.0.ln_1". A name whose
// learnables the graph has already is an error. By default it is the kind, numbered.
func WithName(name string) Option {
	return Option{"WithName", func(c *config) { c.name = name }}
}

// WithDtype chooses tensor.Float32 (the default) or tensor.Float64; others are an error.
func WithDtype(dt tensor.Dtype) Option {
	return Option{"WithDtype", func(c *config) { c.dtype = dt }}
}

// WithEps sets what a norm adds to the variance, and RMSNorm to the mean square, inside
// the square root: a finite number above 0 and, for float32, with an 1/√eps that
// float32 holds. It is 1e-5 by default, in RMSNorm the dtype's machine epsilon.
func WithEps(eps float64) Option {
	return Option{"WithEps", func(c *config) { c.eps = &eps }}
}

// WithoutBias leaves out the learnable that is added: the bias of a Linear, β of a norm,
// of DyT and of Derf. By default it is there, where the layer can have one.
func WithoutBias() Option {
	return Option{"WithoutBias", func(c *config) { c.bias = false }}
}

// WithoutAffine leaves out γ and β, which are there by default: y = x̂ (PyTorch's
// elementwise_affine=False and affine=False). There is then no initial weight or bias
// to set, and no zero-centred gain.
func WithoutAffine() Option {
	return Option{"WithoutAffine", func(c *config) { c.weight, c.bias = false, false }}
}

// WithoutWeight leaves out γ alone: y = x̂ + β. By default it is there.
func WithoutWeight() Option {
	return Option{"WithoutWeight", func(c *config) { c.weight = false }}
}

// WithWeightInit sets the initial weight (γ) of a norm, DyT or Derf, which is 1 by
// default, and 0 with WithZeroCentredGain. The function must give as many elements of
// the dtype as it is asked for.
func WithWeightInit(init G.InitWFn) Option {
	return Option{"WithWeightInit", func(c *config) { c.weightInit = init }}
}

// WithBiasInit sets the initial bias (β of a norm), which is 0 by default, as
// WithWeightInit does the weight.
func WithBiasInit(init G.InitWFn) Option {
	return Option{"WithBiasInit", func(c *config) { c.biasInit = init }}
}

// WithAxis says which axis of the input the features are: 1 for images of shape
// (N, C, H, W). A negative one counts from the end; -1, the last, is the default. A norm of
// rows, one that takes WithShape, may have several axes, which it normalizes together; their
// sizes are given WithShape, and learnables have these sizes in the axes' order. Forward
// returns an error if the input lacks such an axis, or has it in another size.
func WithAxis(axes ...int) Option {
	return Option{"WithAxis", func(c *config) { c.axes = slices.Clone(axes) }}
}

// WithShape normalizes over several last dimensions at once, whose sizes have the
// layer's features as their product, or it is an error; learnables have that shape
// (PyTorch's normalized_shape). By default it is the last dimension alone. With WithAxis
// they are the sizes of its axes.
func WithShape(dims ...int) Option {
	return Option{"WithShape", func(c *config) { c.shape = dims }}
}

// WithMomentum sets the weight of the newest batch in the running statistics of BatchNorm
// or, with WithTracking, InstanceNorm, in [0, 1], as PyTorch means it. (Flax and Keras
// give that of the old ones.)
func WithMomentum(momentum float64) Option {
	return Option{"WithMomentum", func(c *config) { c.momentum, c.cumulative = momentum, false }}
}

// WithCumulativeAverage makes BatchNorm's running statistics the plain mean over
// all batches so far (PyTorch's momentum=None).
func WithCumulativeAverage() Option {
	return Option{"WithCumulativeAverage", func(c *config) { c.cumulative = true }}
}

// WithBiasedVariance takes the batch's variance into BatchNorm's running variance
// as it is, divided by the number of rows N, as Flax and Keras do. PyTorch divides
// by N−1 there.
func WithBiasedVariance() Option {
	return Option{"WithBiasedVariance", func(c *config) { c.biasedVariance = true }}
}

// WithoutTracking gives BatchNorm no running statistics: those of the batch are
// used in evaluation too (PyTorch's track_running_stats=False). How running statistics
// are averaged is then without effect.
func WithoutTracking() Option {
	return Option{"WithoutTracking", func(c *config) { c.tracking = false }}
}

// WithTracking gives InstanceNorm running statistics, which it normalizes by in
// evaluation (PyTorch's track_running_stats=True). By default it has none.
func WithTracking() Option {
	return Option{"WithTracking", func(c *config) { c.instanceTracking = true }}
}

// WithUnbatched lets InstanceNorm take x as a single sample, without an axis of samples:
// (length, features) or, with WithAxis(0), PyTorch's (C, L).
func WithUnbatched() Option {
	return Option{"WithUnbatched", func(c *config) { c.unbatched = true }}
}

// WithFrozenStatistics makes BatchNorm use its running statistics in training
// too and leave them alone, as when a trained network is fine-tuned (a PyTorch
// module in eval mode inside a training one). They are loaded with Load, and how they
// are averaged is without effect.
func WithFrozenStatistics() Option {
	return Option{"WithFrozenStatistics", func(c *config) { c.frozen = true }}
}

// WithPositions takes BatchNorm's statistics over the batch alone, at each of that
// many positions by itself: x is (batch, positions, features), running statistics
// are (positions, features). So no token sees the ones after it through the
// statistics.
func WithPositions(positions int) Option {
	return Option{"WithPositions", func(c *config) { c.positions = positions }}
}

// WithZeroCentredGain makes RMSNorm's gain 1 + weight, the weight starting at 0, so
// that weight decay pulls the gain to 1 (Gemma).
func WithZeroCentredGain() Option {
	return Option{"WithZeroCentredGain", func(c *config) { c.zeroCentred = true }}
}

// WithPartial takes RMSNorm's root mean square over the first ⌈p·features⌉ alone,
// p in (0, 1] (pRMSNorm, Zhang & Sennrich 2019, who propose 1/16).
func WithPartial(p float64) Option {
	return Option{"WithPartial", func(c *config) { c.partial = p }}
}

// WithAlpha sets the initial α of DyT and Derf, a finite number, 0.5 by default as in
// Zhu et al. 2025 (arXiv 2503.10622).
func WithAlpha(alpha float64) Option {
	return Option{"WithAlpha", func(c *config) { c.alpha = alpha }}
}

// WithExact makes GELU the exact one, x·Φ(x), as torch.nn.GELU() and nanoGPT have it. By
// default it is the tanh form, GPT-2's.
func WithExact() Option {
	return Option{"WithExact", func(c *config) { c.exact = true }}
}

// configure applies options to the defaults. A layer allows WithName and those it
// lists.
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
		err = cmp.Or(c.checkNumbers(), c.checkStatistics(), c.checkLearnables(), c.checkAxes(slices.Contains(allowed, "WithShape")))
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
	case c.eps != nil && c.dtype == tensor.Float32 && 1/math.Sqrt(*c.eps) > math.MaxFloat32: // x̂ would be 0·∞ where a variance is 0
		return fmt.Errorf("eps is %g, too small for float32, which has no 1/√eps", *c.eps)
	case !(c.partial > 0 && c.partial <= 1):
		return fmt.Errorf("the part that the root mean square is over is %g, want it in (0, 1]", c.partial)
	case math.IsNaN(c.alpha) || math.IsInf(c.alpha, 0) || c.dtype == tensor.Float32 && math.Abs(c.alpha) > math.MaxFloat32:
		return fmt.Errorf("alpha is %g, want a finite number", c.alpha)
	}
	return nil
}

// checkStatistics returns an error for running statistics that cannot be kept.
func (c *config) checkStatistics() error {
	switch {
	case !(c.momentum >= 0 && c.momentum <= 1):
		return fmt.Errorf("momentum is %g, want it in [0, 1]", c.momentum)
	case c.given["WithPositions"] && c.positions < 1:
		return fmt.Errorf("has statistics at %d positions, want 1 or more", c.positions)
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

// checkAxes returns an error for axes and sizes that do not go together. Only layers that
// take WithShape may have several axes.
func (c *config) checkAxes(several bool) error {
	switch {
	case c.given["WithShape"] && len(c.shape) == 0:
		return errors.New("WithShape was given no dimensions")
	case c.given["WithAxis"] && len(c.axes) == 0:
		return errors.New("WithAxis was given no axis")
	case repeats(c.axes):
		return fmt.Errorf("WithAxis was given one axis twice (%v)", c.axes)
	case len(c.axes) > 1 && !several:
		return fmt.Errorf("WithAxis was given %d axes, want 1", len(c.axes))
	case len(c.axes) > 1 && c.shape == nil:
		return fmt.Errorf("WithAxis was given %d axes, want their sizes in WithShape", len(c.axes))
	case c.axes != nil && c.shape != nil && len(c.axes) != len(c.shape):
		return fmt.Errorf("WithAxis was given %d axes, and WithShape sizes of %d", len(c.axes), len(c.shape))
	}
	return nil
}

// repeats reports whether a number is there twice.
func repeats(s []int) bool {
	for i, v := range s {
		if slices.Contains(s[:i], v) {
			return true
		}
	}
	return false
}

// axis is the features' axis, where they have one.
func (c config) axis() int {
	if c.axes == nil {
		return -1
	}
	return c.axes[0]
}

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
