package layers

import (
	"fmt"
	"math"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
	"pgregory.net/rapid"
)

// request is a use of a norm, right or wrong.
type request struct {
	kind             string
	features, groups int
	options          []string // in order
	dtype            tensor.Dtype
	eps, momentum    float64
	partial, alpha   float64
	axes             []int // for WithAxis
	positions        int
	dims             []int  // for WithShape
	init             string // behaviour of the functions for initial values
	noGraph          bool

	on   bool // placed on another graph
	mode Mode

	shape   []int // of x
	of      tensor.Dtype
	where   string // x is "there", "nil" or "elsewhere"
	layout  string // of x's memory
	mask    []int  // nil: no mask
	each    bool   // the mask has an element for each element of x
	maskBad string
	machine string
	seed    uint64
	offset  float64 // mean of x's values
}

// GoString returns the request as a failing test shows it.
func (r request) GoString() string {
	var opts []string
	for _, name := range r.options {
		arg := map[string]any{
			"WithDtype": r.dtype, "WithEps": r.eps, "WithMomentum": r.momentum, "WithPartial": r.partial,
			"WithAlpha": r.alpha, "WithAxis": r.axes, "WithPositions": r.positions, "WithShape": r.dims,
			"WithWeightInit": r.init, "WithBiasInit": r.init,
		}[name]
		if arg == nil {
			arg = ""
		}
		opts = append(opts, fmt.Sprintf("%s(%v)", name, arg))
	}
	return fmt.Sprintf("%s of %d features, %d groups, %s; no graph %t; on %t, mode %d; "+
		"x is %v %v, %s, %s; mask %v %s, each %t; %s; seed %d, offset %g",
		r.kind, r.features, r.groups, strings.Join(opts, ", "), r.noGraph, r.on, r.mode,
		r.of, tensor.Shape(r.shape), r.where, r.layout, r.mask, r.maskBad, r.each, r.machine, r.seed, r.offset)
}

func (r request) has(option string) bool { return slices.Contains(r.options, option) }

// everyOption holds a function for each option.
var everyOption = map[string]func(r request) Option{
	"WithName":              func(r request) Option { return WithName(r.kind + ".0") },
	"WithDtype":             func(r request) Option { return WithDtype(r.dtype) },
	"WithEps":               func(r request) Option { return WithEps(r.eps) },
	"WithoutBias":           func(request) Option { return WithoutBias() },
	"WithoutWeight":         func(request) Option { return WithoutWeight() },
	"WithoutAffine":         func(request) Option { return WithoutAffine() },
	"WithWeightInit":        func(r request) Option { return WithWeightInit(r.initial()) },
	"WithBiasInit":          func(r request) Option { return WithBiasInit(r.initial()) },
	"WithAxis":              func(r request) Option { return WithAxis(r.axes...) },
	"WithShape":             func(r request) Option { return WithShape(r.dims...) },
	"WithTracking":          func(request) Option { return WithTracking() },
	"WithUnbatched":         func(request) Option { return WithUnbatched() },
	"WithMomentum":          func(r request) Option { return WithMomentum(r.momentum) },
	"WithCumulativeAverage": func(request) Option { return WithCumulativeAverage() },
	"WithBiasedVariance":    func(request) Option { return WithBiasedVariance() },
	"WithoutTracking":       func(request) Option { return WithoutTracking() },
	"WithFrozenStatistics":  func(request) Option { return WithFrozenStatistics() },
	"WithPositions":         func(r request) Option { return WithPositions(r.positions) },
	"WithZeroCentredGain":   func(request) Option { return WithZeroCentredGain() },
	"WithPartial":           func(r request) Option { return WithPartial(r.partial) },
	"WithAlpha":             func(r request) Option { return WithAlpha(r.alpha) },
	"WithExact":             func(request) Option { return WithExact() },
}

func (r request) initial() G.InitWFn {
	switch r.init {
	case "nil":
		return nil
	case "short":
		return func(tensor.Dtype, ...int) any { return []float32{} }
	}
	return constant(0.5)
}

func (r request) opts() (opts []Option) {
	for _, name := range r.options {
		opts = append(opts, everyOption[name](r))
	}
	return opts
}

func (r request) make(g *G.ExprGraph) (Layer, error) {
	if r.kind == "GroupNorm" {
		return NewGroupNorm(g, r.groups, r.features, r.opts()...)
	}
	return normOf(r.kind).make(g, r.features, r.opts()...)
}

// faults are the deliberate faults of a request. Others arise by chance.
var faults = []string{
	"option", "features", "groups", "dtype", "eps", "momentum", "partial", "alpha", "axis", "positions", "dims", "init",
	"graph", "shape", "rank", "size 0", "type", "where", "mask",
}

// requests draws requests of a kind of norm, most of them with at most one fault. The kind takes the
// options in takes.
func requests(kind string, takes []string) *rapid.Generator[request] {
	return rapid.Custom(func(t *rapid.T) request {
		fault := "none"
		if rapid.Bool().Draw(t, "is wrong") {
			fault = rapid.SampledFrom(faults).Draw(t, "fault")
		}
		r := request{kind: kind, dtype: tensor.Float32, momentum: 0.1, partial: 1, where: "there", init: "right"}
		r.options = rapid.SliceOfNDistinct(rapid.SampledFrom(takes), 0, 5, rapid.ID).Draw(t, "options")
		for of, option := range map[string]string{
			"dtype": "WithDtype", "eps": "WithEps", "momentum": "WithMomentum", "partial": "WithPartial",
			"alpha": "WithAlpha", "axis": "WithAxis", "positions": "WithPositions", "dims": "WithShape",
			"init": "WithBiasInit",
		} {
			if fault == of && slices.Contains(takes, option) && !r.has(option) {
				r.options = append(r.options, option)
			}
		}
		if fault == "option" {
			r.options = append(r.options, oneOf(t, "one more option", sortedOptions()...))
		}
		r.noGraph = fault == "graph"

		rank := oneOf(t, "rank", 2, 3, 4, 1)
		switch {
		case fault == "rank":
			rank = oneOf(t, "wrong rank", 0, 1, 2, 4)
		case r.has("WithPositions"):
			rank = 3
		}
		r.shape = rapid.SliceOfN(rapid.IntRange(1, 6), rank, rank).Draw(t, "shape")
		r.drawNumbers(t, fault)
		r.drawFeatures(t, fault)
		r.drawInput(t, fault)
		return r
	})
}

func oneOf[V any](t *rapid.T, label string, from ...V) V {
	return rapid.SampledFrom(from).Draw(t, label)
}

// drawNumbers draws the arguments of options that do not depend on shapes.
func (r *request) drawNumbers(t *rapid.T, fault string) {
	if r.has("WithDtype") {
		r.dtype = oneOf(t, "dtype", tensor.Float32, tensor.Float64)
	}
	r.eps = oneOf(t, "eps", 0.5, 1e-5, 1e-12)
	r.momentum = oneOf(t, "momentum", 0.1, 0, 0.7, 1)
	r.partial = oneOf(t, "partial", 1, 0.5, 0.3, 0.01)
	r.alpha = 0.5
	switch fault {
	case "alpha":
		r.alpha = oneOf(t, "wrong alpha", math.NaN(), math.Inf(1), math.Inf(-1))
	case "dtype":
		r.dtype = tensor.Int
	case "eps":
		r.eps = oneOf(t, "wrong eps", 0, -1e-5, math.NaN(), math.Inf(1), math.Inf(-1))
	case "momentum":
		r.momentum = oneOf(t, "wrong momentum", -0.1, 1.1, math.NaN(), math.Inf(1))
	case "partial":
		r.partial = oneOf(t, "wrong part", 0, -0.5, 1.1, math.NaN())
	case "init":
		r.init = oneOf(t, "wrong init", "nil", "short")
	}
}

// drawFeatures draws features that match the shape, or do not.
func (r *request) drawFeatures(t *rapid.T, fault string) {
	rank := len(r.shape)
	r.features, r.positions = 4, 3
	count := 1 // number of the features' axes
	if r.has("WithShape") {
		count = rapid.IntRange(min(rank, 1), rank).Draw(t, "dims")
	}
	if r.has("WithAxis") {
		r.axes = rapid.SliceOfNDistinct(rapid.IntRange(0, max(rank, count, 1)-1), count, count, rapid.ID).Draw(t, "axes")
		for i := range r.axes {
			if rapid.Bool().Draw(t, "from the end") {
				r.axes[i] -= rank
			}
		}
	}
	if fault == "axis" && r.has("WithAxis") {
		r.axes = oneOf(t, "wrong axes", []int{0}, []int{rank}, []int{-rank}, []int{-rank - 1}, nil,
			slices.Concat(r.axes, []int{0}), slices.Concat(r.axes, r.axes), []int{-1, rank - 1})
	}
	if at, ok := r.at(); ok && len(at) > 0 {
		r.features = r.shape[at[0]]
	}
	if r.has("WithShape") {
		r.dims = slices.Clone(r.shape[rank-count:])
		if at, ok := r.at(); ok && r.has("WithAxis") {
			r.dims = sizesOf(r.shape, at)
		}
		r.features = tensor.Shape(r.dims).TotalSize()
		if fault == "dims" {
			r.dims = oneOf(t, "wrong dims", nil, []int{r.features + 1}, []int{-1, -r.features}, []int{0})
		}
	}
	if rank > 1 {
		r.positions = r.shape[1] + oneOf(t, "positions more", 0, 1, -1)
	}
	if fault == "positions" {
		r.positions = oneOf(t, "wrong positions", 0, -1, 7)
	}
	if fault == "features" {
		r.features = oneOf(t, "wrong features", r.features+1, 0, -1)
	}
	r.groups = 1
	if r.kind == "GroupNorm" && r.features > 0 {
		r.groups = rapid.IntRange(1, r.features).Filter(func(n int) bool { return r.features%n == 0 }).Draw(t, "groups")
		if fault == "groups" {
			r.groups = oneOf(t, "wrong groups", r.features-1, r.features+1, 0, -1)
		}
	}
}

// drawInput draws x's type, graph, layout and mask.
func (r *request) drawInput(t *rapid.T, fault string) {
	r.on = rapid.Bool().Draw(t, "on")
	if r.on {
		r.mode = oneOf(t, "mode", Training, Evaluation)
	}
	r.of = r.dtype
	r.layout = oneOf(t, "layout", "plain", "transposed", "sliced")
	r.machine = rapid.SampledFrom(machines).Draw(t, "machine")
	r.seed = rapid.Uint64Range(0, 1000).Draw(t, "seed")
	r.offset = oneOf(t, "offset", 0, 3, 100.0)
	masked := normOf(r.kind).masks() && (fault == "mask" || !r.has("WithPositions") && rapid.Bool().Draw(t, "masked"))
	switch {
	case fault == "shape" && len(r.shape) > 0:
		r.shape = slices.Clone(r.shape)
		r.shape[rapid.IntRange(0, len(r.shape)-1).Draw(t, "wrong at")] += oneOf(t, "more", 1, -1)
	case fault == "size 0" && len(r.shape) > 0:
		r.shape = slices.Clone(r.shape)
		r.shape[rapid.IntRange(0, len(r.shape)-1).Draw(t, "nothing at")] = 0
	case fault == "type":
		r.of = oneOf(t, "wrong type", tensor.Int, tensor.Float32, tensor.Float64)
	case fault == "where":
		r.where = oneOf(t, "x is", "nil", "elsewhere")
	}
	if at, ok := r.at(); ok && masked {
		r.each = r.kind != "BatchNorm" && rapid.Bool().Draw(t, "each element")
		n := tensor.Shape(r.maskShape(at)).TotalSize()
		r.mask = rapid.SliceOfN(rapid.SampledFrom([]int{1, 0, -2, 7}), n, n).Draw(t, "mask")
		if fault == "mask" {
			r.maskBad = oneOf(t, "the mask is", "of type float", "of another shape", "")
		}
	}
}

// at returns the features' axes, counted from the front. It reports false if x lacks one.
func (r request) at() (at []int, ok bool) {
	axes := r.axes
	if !r.has("WithAxis") {
		axes = []int{-1}
		if r.has("WithShape") {
			axes = nil
			for i := range r.dims {
				axes = append(axes, i-len(r.dims))
			}
		}
	}
	for _, axis := range axes {
		if axis < 0 {
			axis += len(r.shape)
		}
		if axis < 0 || axis >= len(r.shape) || slices.Contains(at, axis) {
			return nil, false
		}
		at = append(at, axis)
	}
	return at, true
}

// maskShape returns a mask's shape for features on those axes.
func (r request) maskShape(at []int) []int {
	if r.each {
		return slices.Clone(r.shape)
	}
	return r.outside(r.shape, at)
}

// outside returns the entries of s, which has one for each axis, for all axes except the given ones.
func (r request) outside(s, at []int) (others []int) {
	for axis, v := range s {
		if !slices.Contains(at, axis) {
			others = append(others, v)
		}
	}
	return others
}

// counts reports whether the mask includes the element at that index.
func (r request) counts(index, at []int) bool {
	if r.mask == nil {
		return true
	}
	if !r.each {
		index = r.outside(index, at)
	}
	return r.mask[flat(index, r.maskShape(at))] != 0
}
