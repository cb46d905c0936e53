package layers

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// running is the running statistics of a BatchNorm or InstanceNorm. All placements of the layer
// share them.
type running struct {
	momentum           float64
	cumulative, biased bool
	mean, variance     *tensor.Dense
	batches            *tensor.Dense // the number of batches so far, an int64 of shape (1)
	dtype              tensor.Dtype  // of mean and variance
	shape              tensor.Shape  // likewise
}

func newRunning(features int, c config) *running {
	shape := tensor.Shape{features}
	if c.positions > 0 {
		shape = tensor.Shape{c.positions, features}
	}
	statistic := func(v float64) *tensor.Dense {
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(constant(v)(c.dtype, shape...)))
	}
	return &running{
		momentum:   c.momentum,
		cumulative: c.cumulative,
		biased:     c.biasedVariance,
		mean:       statistic(0),
		variance:   statistic(1),
		batches:    tensor.New(tensor.WithShape(1), tensor.WithBacking([]int64{0})),
		dtype:      c.dtype,
		shape:      shape,
	}
}

// track makes running statistics part of the layer's state.
func (m *module) track(r *running) {
	m.buffer("running_mean", r.mean)
	m.buffer("running_var", r.variance)
	m.buffer("num_batches_tracked", r.batches)
}

// check returns an error if a mean or variance has another type or layout than the layer gave it.
// Decoding into RunningMean, for example, replaces its memory, type and shape.
func (r *running) check() error {
	for i, d := range [...]*tensor.Dense{r.mean, r.variance} {
		if d.Dtype() != r.dtype || !slices.Equal(d.Shape(), r.shape) || !op.InOrder(d) {
			name := [...]string{"running_mean", "running_var"}[i]
			return fmt.Errorf("%s is of type %v and shape %v, want %v and %v in row-major order",
				name, d.Dtype(), d.Shape(), r.dtype, r.shape)
		}
	}
	return nil
}

// runningMemory returns the current memory of the statistics.
func runningMemory[T op.Float](r *running) (mean, variance []T, err error) {
	if err := r.check(); err != nil {
		return nil, nil, err
	}
	return op.Floats[T](r.mean), op.Floats[T](r.variance), nil
}

// mix updates running statistics with those of a batch. The variances are biased, each over the
// given count of numbers. A batch whose statistics are not finite in T changes nothing, because its
// NaN or infinity would stay for good. The variances show it, because the variance of a mean that is
// not finite is not finite either.
func mix[T op.Float](r *running, runningMean, runningVar []T, mean, variance []float64, numbers int) {
	correction := 1.0
	if !r.biased {
		correction = float64(numbers) / float64(numbers-1)
	}
	for _, v := range variance {
		if !finite(T(v * correction)) {
			return
		}
	}
	batches := r.batches.Int64s()
	if batches[0] < math.MaxInt64 {
		batches[0]++
	}
	momentum := r.momentum
	if r.cumulative {
		momentum = 1 / float64(batches[0])
	}
	for j := range runningMean {
		runningMean[j] = T(float64((1-momentum)*float64(runningMean[j])) + float64(momentum*mean[j]))
		runningVar[j] = T(float64((1-momentum)*float64(runningVar[j])) + float64(momentum*variance[j]*correction))
	}
}

func finite[T op.Float](v T) bool { return v-v == 0 }
