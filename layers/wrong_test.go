package layers

import (
	"math"
	"slices"

	"gorgonia.org/tensor"
)

// wrongOptions says, from the documentation alone, what a constructor is to refuse.
func (r request) wrongOptions(takes []string) string {
	for _, o := range r.options {
		if !slices.Contains(takes, o) {
			return "no such option"
		}
	}
	noBias := r.has("WithoutBias") || r.has("WithoutAffine")
	weightInit, biasInit := r.has("WithWeightInit"), r.has("WithBiasInit")
	product := 1
	for _, n := range r.dims {
		product *= n
	}
	switch {
	case r.noGraph:
		return "no graph"
	case r.has("WithDtype") && r.dtype != tensor.Float32 && r.dtype != tensor.Float64:
		return "dtype"
	case r.has("WithEps") && (math.IsNaN(r.eps) || math.IsInf(r.eps, 0) || r.eps <= 0):
		return "eps"
	case r.has("WithMomentum") && (math.IsNaN(r.momentum) || r.momentum < 0 || r.momentum > 1):
		return "momentum"
	case r.has("WithPartial") && (math.IsNaN(r.partial) || r.partial <= 0 || r.partial > 1):
		return "partial"
	case r.has("WithAlpha") && (math.IsNaN(r.alpha) || math.IsInf(r.alpha, 0)):
		return "alpha"
	case r.has("WithPositions") && r.positions < 1:
		return "positions"
	case r.has("WithPositions") && r.axis != -1 && r.axis != 2: // of (batch, positions, features)
		return "positions and another axis"
	case r.has("WithoutTracking") && r.has("WithFrozenStatistics"):
		return "nothing to freeze"
	case (r.has("WithoutAffine") || r.has("WithoutWeight")) && (weightInit || r.has("WithZeroCentredGain")):
		return "no weight"
	case noBias && biasInit:
		return "no bias"
	case r.init != "right" && (weightInit || biasInit):
		return "initial values"
	case r.features < 1:
		return "features"
	case r.has("WithShape") && (len(r.dims) == 0 || slices.Min(r.dims) < 1 || product != r.features):
		return "dims"
	case r.kind == "GroupNorm" && (r.groups < 1 || r.features%r.groups != 0):
		return "groups"
	case (r.kind == "GroupNorm" || r.kind == "InstanceNorm") && r.axis == 0:
		return "axis 0 is the samples'"
	}
	return ""
}

// wrongInput says what Forward is to refuse.
func (r request) wrongInput() string {
	switch {
	case r.where != "there":
		return "no such x"
	case r.of != r.dtype:
		return "type"
	}
	if slices.Contains([]string{"LayerNorm", "RMSNorm", "DyT", "Derf"}, r.kind) {
		dims := r.dims
		if !r.has("WithShape") {
			dims = []int{r.features}
		}
		if len(r.shape) < len(dims) || !slices.Equal(r.shape[len(r.shape)-len(dims):], dims) {
			return "last dimensions"
		}
		return ""
	}
	at, ok := r.at()
	switch {
	case !ok || r.shape[at] != r.features:
		return "axis"
	case r.kind != "BatchNorm" && at == 0:
		return "no samples"
	case r.kind != "BatchNorm":
		return ""
	}
	rows := tensor.Shape(r.shape).TotalSize() / r.features
	if r.has("WithPositions") {
		if len(r.shape) != 3 || r.shape[1] > r.positions || r.shape[1] != r.positions && r.ownStatistics() {
			return "positions"
		}
		rows = r.shape[0]
	}
	switch {
	case r.mask == nil && r.ownStatistics() && rows == 1:
		return "one row"
	case r.mask != nil && r.has("WithPositions"):
		return "mask and positions"
	case r.mask != nil && r.maskBad != "":
		return "mask"
	}
	return ""
}

// wrongRun says what a run is to refuse.
func (r request) wrongRun() string {
	if r.mask != nil && r.ownStatistics() && r.counted() == 1 {
		return "one row counts"
	}
	return ""
}

func (r request) counted() (n int) {
	for _, m := range r.mask {
		if m != 0 {
			n++
		}
	}
	return n
}

// ownStatistics: a BatchNorm's are the batch's.
func (r request) ownStatistics() bool {
	return r.has("WithoutTracking") || r.mode == Training && !r.has("WithFrozenStatistics")
}
