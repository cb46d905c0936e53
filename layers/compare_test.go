package layers

import (
	"math"
	"slices"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
	"pgregory.net/rapid"
)

// rounding is the error allowed, in units in the last place, for sums of up to a thousand terms.
const rounding = 4

// compare compares y and gradients with the oracle's. The rounding of the mean adds an error of
// kappa = |x|·rstd units in the last place to x̂.
func (o *oracle) compare(t *rapid.T, dt tensor.Dtype, y []float64, grads [][]float64, u []float64) {
	want := o.forward()
	kappa, rstd := o.conditions()
	bit := rounding * machineEps(dt)
	gain, total, largest := 1.0, 1.0, 1.0
	for i, e := range o.elements {
		gain = max(gain, math.Abs(o.gain(e)))
		total += math.Abs(u[i])
		largest = max(largest, math.Abs(o.x[i]))
	}
	for _, p := range o.params {
		for _, v := range p {
			largest = max(largest, math.Abs(v))
		}
	}
	near(t, want, y, bit*(gain*(1+kappa)+largest), "y")
	dx, dparams := o.backward(u)
	require.Len(t, grads, 1+len(dparams))
	steep := 0.0
	for _, v := range u {
		steep = max(steep, gain*math.Abs(v))
	}
	near(t, dx, grads[0], bit*(1+kappa)*steep*(1+rstd), "dx")
	for k, d := range dparams {
		near(t, d, grads[1+k], bit*(1+kappa)*total, "gradient of learnable %d", k)
	}
}

func near(t *rapid.T, want, got []float64, within float64, format string, args ...any) {
	require.Len(t, got, len(want))
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= within) { // a NaN fails
			t.Fatalf(format+"[%d] is %.12g, want %.12g within %g", append(args, i, got[i], want[i], within)...)
		}
	}
}

// compareState compares the state after a run with the expected one. The running statistics have the
// batch's mixed in if a row counts, for InstanceNorm the means of the samples' statistics. All else
// is unchanged.
func (r request) compareState(t *rapid.T, o *oracle, before, after State) {
	tracks := r.kind == "BatchNorm" && !r.has("WithoutTracking") || r.has("WithTracking")
	if !tracks || len(o.keys) == 0 || !r.ownStatistics() {
		require.Equal(t, contents(before), contents(after))
		return
	}
	require.Equal(t, before["num_batches_tracked"].Int64s()[0]+1, after["num_batches_tracked"].Int64s()[0])
	momentum := r.documentedMomentum(after["num_batches_tracked"].Int64s()[0])
	mean, variance := float64s(before["running_mean"]), float64s(before["running_var"])
	bit := rounding * machineEps(r.dtype)
	samples := len(o.keys) / len(mean)
	for where := range mean {
		mean[where] *= 1 - momentum
		variance[where] *= 1 - momentum
	}
	for key, at := range o.keys {
		s := o.sets[at]
		n, v := float64(len(s.members)), s.variance
		if !r.has("WithBiasedVariance") {
			v *= n / (n - 1)
		}
		where, ok := key.(int)
		if !ok {
			where = key.([2]int)[1]
		}
		mean[where] += momentum * s.mean / float64(samples)
		variance[where] += momentum * v / float64(samples)
	}
	largest := 1.0
	for _, x := range o.x {
		largest = max(largest, math.Abs(x))
	}
	near(t, mean, float64s(after["running_mean"]), bit*largest, "running mean")
	near(t, variance, float64s(after["running_var"]), bit*largest, "running variance")
	for _, name := range []string{"weight", "bias"} {
		if before[name] != nil {
			require.Equal(t, before[name].Data(), after[name].Data())
		}
	}
}

// documentedMomentum returns the weight of the newest batch. Of two options that set it, the later
// counts.
func (r request) documentedMomentum(batches int64) float64 {
	cumulative, given := slices.Index(r.options, "WithCumulativeAverage"), slices.Index(r.options, "WithMomentum")
	switch {
	case cumulative > given:
		return 1 / float64(batches)
	case given >= 0:
		return r.momentum
	}
	return 0.1
}
