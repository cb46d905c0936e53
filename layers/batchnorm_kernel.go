package layers

import (
	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// batchNorm is the kernel; in is x and, where they are, γ and β.
type batchNorm[T op.Float] struct {
	batchSize
	features      int // γ's; less than channels where positions have their own statistics
	eps           float64
	ownStatistics bool
	running       *running
	last          *Moments

	runningMean, runningVar []T

	mean, rest, variance       []float64 // of the last forward pass; rest is what the mean's rounding lost
	gamma, beta, dgamma, dbeta []T       // of each channel, where these are more than the features
}

// newBatchNorm makes the kernel of the layer's element type; one of the other
// type is never run and has no statistics.
func newBatchNorm[T op.Float](l *BatchNorm, s batchSize) *batchNorm[T] {
	return &batchNorm[T]{batchSize: s, features: l.features, eps: l.eps, ownStatistics: l.ownStatistics(), running: l.running, last: l.last}
}

// SetTraining is called before each Forward, if the placement is for training.
func (k *batchNorm[T]) SetTraining(training bool) { k.ownStatistics = training }

func (k *batchNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	return k.forward(out.Data, in[0].Data, gamma(in), beta(in))
}

func (k *batchNorm[T]) forward(y, x, gamma, beta []T) (err error) {
	if k.running != nil {
		if k.runningMean, k.runningVar, err = runningMemory[T](k.running); err != nil {
			return err
		}
	}
	gamma, beta = k.tile(&k.gamma, gamma), k.tile(&k.beta, beta)
	k.mean, k.variance = cpu.Grow(k.mean, k.channels), cpu.Grow(k.variance, k.channels)
	if k.ownStatistics {
		k.rest = cpu.Grow(k.rest, k.channels)
		cpu.BatchNorm(y, x, gamma, beta, k.mean, k.rest, k.variance, k.outer, k.channels, k.inner, k.eps)
		k.track()
		return nil
	}
	for j := range k.mean {
		k.mean[j], k.variance[j] = float64(k.runningMean[j]), float64(k.runningVar[j])
	}
	cpu.ColumnNorm(y, x, gamma, beta, k.mean, k.variance, k.outer, k.channels, k.inner, k.eps)
	return nil
}

// track takes the batch's statistics into the running ones.
func (k *batchNorm[T]) track() {
	rows := k.outer * k.inner
	k.last.set(rows, k.mean, k.variance)
	if k.running != nil {
		mix(k.running, k.runningMean, k.runningVar, k.mean, k.variance, rows)
	}
}

func (k *batchNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	k.backward(din[0].Data, gamma(din), beta(din), in[0].Data, gamma(in), dout.Data)
	return nil
}

func (k *batchNorm[T]) backward(dx, dgamma, dbeta, x, gamma, dy []T) {
	gamma = k.tile(&k.gamma, gamma)
	dg, db := k.tile(&k.dgamma, dgamma), k.tile(&k.dbeta, dbeta)
	cpu.ColumnNormBackward(dx, dg, db, x, gamma, k.mean, k.rest, k.variance, dy, k.outer, k.channels, k.inner, k.eps, k.ownStatistics)
	if k.channels > k.features {
		k.sum(dgamma, dg)
		k.sum(dbeta, db)
	}
}

// tile is s once for each position; s itself where positions share their statistics.
func (k *batchNorm[T]) tile(scratch *[]T, s []T) []T {
	if s == nil || k.channels == k.features {
		return s
	}
	*scratch = cpu.Grow(*scratch, k.channels)
	for at := 0; at < k.channels; at += k.features {
		copy((*scratch)[at:], s)
	}
	return *scratch
}

// sum adds up what positions have of s.
func (k *batchNorm[T]) sum(s, tiles []T) {
	if s != nil {
		cpu.SumRows(s, tiles, k.channels/k.features, k.features)
	}
}
