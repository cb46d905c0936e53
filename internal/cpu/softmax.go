package cpu

import (
	"gorgonorm/internal/cpu/simd"
	"gorgonorm/internal/portable"
)

// CrossEntropy is the mean over rows of −log softmax(logits)[target]:
//
//	loss = Σ_rows (log Σ_j exp(logits_j) − logits_target)/rows
//	dlogits = (softmax(logits) − onehot(target))·dloss/rows
type CrossEntropy[T Float] struct {
	probs  []T       // softmax(logits)
	losses []float64 // one for each row
	cols   int

	logits, dlogits []T // of the pass under way
	targets         []int
	scale           T // dloss/rows
}

type (
	crossEntropyForward[T Float]  CrossEntropy[T]
	crossEntropyBackward[T Float] CrossEntropy[T]
)

// Forward returns the loss of rows of cols logits, one row for each target.
func (e *CrossEntropy[T]) Forward(logits []T, targets []int, cols int) T {
	e.probs, e.losses, e.cols = Grow(e.probs, len(logits)), Grow(e.losses, len(targets)), cols
	e.logits, e.targets = logits, targets
	parallel((*crossEntropyForward[T])(e), e.chunks())
	e.logits, e.targets = nil, nil
	var loss float64
	for _, l := range e.losses {
		loss += l
	}
	return T(loss / float64(len(targets)))
}

// Backward computes dlogits.
func (e *CrossEntropy[T]) Backward(dlogits []T, targets []int, dloss T) {
	e.dlogits, e.targets, e.scale = dlogits, targets, dloss/T(len(targets))
	parallel((*crossEntropyBackward[T])(e), e.chunks())
	e.dlogits, e.targets = nil, nil
}

func (e *CrossEntropy[T]) chunks() int { return ceilDiv(len(e.targets), e.rowsPerChunk()) }

// rowsPerChunk returns the rows of a quarter of a span, because exponentials cost more than what other
// kernels do with an element.
func (e *CrossEntropy[T]) rowsPerChunk() int { return max(1, span/4/e.cols) }

// rowsOf returns the range of a chunk's rows.
func (e *CrossEntropy[T]) rowsOf(chunk int) (from, to int) {
	n := e.rowsPerChunk()
	return chunk * n, min((chunk+1)*n, len(e.targets))
}

func (e *crossEntropyForward[T]) run(chunk int) {
	from, to := (*CrossEntropy[T])(e).rowsOf(chunk)
	kernels := simd.Of[T]()
	for r := from; r < to; r++ {
		row := e.logits[r*e.cols : (r+1)*e.cols]
		top, sum := softmax(kernels, e.probs[r*e.cols:(r+1)*e.cols], row)
		e.losses[r] = portable.Log(sum) + (float64(top) - float64(row[e.targets[r]]))
	}
}

func (e *crossEntropyBackward[T]) run(chunk int) {
	from, to := (*CrossEntropy[T])(e).rowsOf(chunk)
	simd.Of[T]().Scale(e.dlogits[from*e.cols:to*e.cols], e.probs[from*e.cols:to*e.cols], e.scale)
	for r := from; r < to; r++ {
		e.dlogits[r*e.cols+e.targets[r]] -= e.scale
	}
}

// softmaxBlock is the longest row whose exponentials are summed in T. The sum of each of the few dozen
// lanes is then exact to a unit or two in the last place.
const softmaxBlock = 1024

// softmax computes p = exp(x − top)/sum for one row of any length, with top the largest element and
// sum = Σ exp(x − top). p may be x.
func softmax[T Float](k *simd.Kernels[T], p, x []T) (top T, sum float64) {
	if len(x) <= softmaxBlock {
		top, s := k.Softmax(p, x)
		return top, float64(s)
	}
	top = k.Max(x)
	for i := 0; i < len(x); i += softmaxBlock {
		end := min(i+softmaxBlock, len(x))
		sum += float64(k.ExpSum(p[i:end], x[i:end], top))
	}
	k.Scale(p, p, T(1/sum))
	return top, sum
}
