package layers

import (
	"math"
	"slices"

	"gorgonia.org/tensor"
)

// wrongOptions returns, from the documentation alone, what a constructor should refuse.
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
	case r.has("WithAxis") && len(r.axes) == 0:
		return "no axis"
	case r.has("WithAxis") && len(r.axes) > 1 && !r.ofRows():
		return "several axes"
	case r.has("WithAxis") && len(slices.Compact(slices.Sorted(slices.Values(r.axes)))) < len(r.axes):
		return "an axis twice"
	case r.has("WithAxis") && r.ofRows() && len(r.axes) != max(1, len(r.dims)):
		return "axes and sizes"
	case r.has("WithPositions") && r.has("WithAxis") && r.axes[0] != -1 && r.axes[0] != 2:
		// x has shape (batch, positions, features)
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
	case (r.kind == "GroupNorm" || r.kind == "InstanceNorm" && !r.has("WithUnbatched")) &&
		r.has("WithAxis") && r.axes[0] == 0:
		return "axis 0 is the samples'"
	}
	return ""
}

// wrongInput returns what Forward should refuse.
func (r request) wrongInput() string {
	switch {
	case r.where != "there":
		return "no such x"
	case r.of != r.dtype:
		return "type"
	}
	at, ok := r.at()
	sizes := []int{r.features}
	if r.has("WithShape") {
		sizes = r.dims
	}
	switch {
	case !ok || !slices.Equal(sizesOf(r.shape, at), sizes):
		return "axis"
	case r.mask != nil && r.maskBad != "":
		return "mask"
	case r.ofRows() || normOf(r.kind).pointwise():
		return ""
	case r.kind != "BatchNorm" && !r.has("WithUnbatched") && at[0] == 0:
		return "no samples"
	case r.has("WithTracking") && r.mask != nil:
		return "tracking and a mask"
	case r.has("WithTracking") && r.ownStatistics() && r.numbers() == 1:
		return "one number"
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
	}
	return ""
}

// numbers returns how many numbers of x an InstanceNorm's statistic is computed over.
func (r request) numbers() int {
	n := tensor.Shape(r.shape).TotalSize() / r.features
	if !r.has("WithUnbatched") && n > 0 {
		n /= r.shape[0]
	}
	return n
}

// ofRows reports whether the norm is of rows, which may run through several axes.
func (r request) ofRows() bool { return normOf(r.kind).byRow() }

// wrongRun returns what a run should refuse.
func (r request) wrongRun() string {
	if r.kind == "BatchNorm" && r.mask != nil && r.ownStatistics() && r.counted() == 1 {
		return "one row counts"
	}
	return ""
}

// counted returns how many elements of the mask count.
func (r request) counted() (n int) {
	for _, m := range r.mask {
		if m != 0 {
			n++
		}
	}
	return n
}

// ownStatistics reports whether a norm that tracks normalizes by the batch's own statistics.
func (r request) ownStatistics() bool {
	return r.has("WithoutTracking") || r.mode == Training && !r.has("WithFrozenStatistics")
}
