package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// crossEntropy is a pass under way, some rows a chunk.
type crossEntropy[T Float] struct {
	probs, logits, dlogits []T
	targets                []int
	cols                   int
	losses                 []float64 // one a row
	scale                  T
}

type (
	crossEntropyForward[T Float]  crossEntropy[T]
	crossEntropyBackward[T Float] crossEntropy[T]
)

// CrossEntropy is the mean over rows of −log softmax(logits)[target]. The rows'
// softmax is kept in probs for CrossEntropyBackward.
func CrossEntropy[T Float](probs, logits []T, targets []int, cols int) T {
	e := borrow[crossEntropy[T]]()
	e.probs, e.logits, e.targets, e.cols = probs, logits, targets, cols
	e.losses = Grow(e.losses, len(targets))
	parallel((*crossEntropyForward[T])(e), ceilDiv(len(targets), e.rowsAt()))
	var loss float64
	for _, l := range e.losses {
		loss += l
	}
	e.probs, e.logits, e.targets = nil, nil, nil
	giveBack(e)
	return T(loss / float64(len(targets)))
}

// CrossEntropyBackward: dlogits = (probs − onehot(target))·dloss/rows.
func CrossEntropyBackward[T Float](dlogits, probs []T, targets []int, dloss T, cols int) {
	e := borrow[crossEntropy[T]]()
	e.dlogits, e.probs, e.targets, e.cols = dlogits, probs, targets, cols
	e.scale = dloss / T(len(targets))
	parallel((*crossEntropyBackward[T])(e), ceilDiv(len(targets), e.rowsAt()))
	e.dlogits, e.probs, e.targets = nil, nil, nil
	giveBack(e)
}

// rowsAt is how many rows one task takes. Their exponentials cost more than a
// span's usual work.
func (e *crossEntropy[T]) rowsAt() int { return max(1, span/4/e.cols) }

// rows of a chunk.
func (e *crossEntropy[T]) rows(chunk int) (from, to int) {
	return chunk * e.rowsAt(), min((chunk+1)*e.rowsAt(), len(e.targets))
}

func (e *crossEntropyForward[T]) run(chunk int) {
	from, to := (*crossEntropy[T])(e).rows(chunk)
	kernels := simd.Of[T]()
	for r := from; r < to; r++ {
		row := e.logits[r*e.cols : (r+1)*e.cols]
		top, sum := softmax(kernels, e.probs[r*e.cols:(r+1)*e.cols], row)
		e.losses[r] = math.Log(sum) + (float64(top) - float64(row[e.targets[r]]))
	}
}

func (e *crossEntropyBackward[T]) run(chunk int) {
	from, to := (*crossEntropy[T])(e).rows(chunk)
	simd.Of[T]().Scale(e.dlogits[from*e.cols:to*e.cols], e.probs[from*e.cols:to*e.cols], e.scale)
	for r := from; r < to; r++ {
		e.dlogits[r*e.cols+e.targets[r]] -= e.scale
	}
}

// softmaxBlock is so long that a sum in T over its few dozen lanes is still good
// to a unit or two in the last place.
const softmaxBlock = 1024

// softmax is that of one row of any length: p = exp(x − top)/sum.
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
