package cpu

import "math"

// Softmax writes exp(x)/Σexp(x) of one row, shifted by the row's maximum so that
// nothing overflows, and returns log Σexp(x). p and x may be the same slice.
func Softmax[T Float](p, x []T) (logZ float64) {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	var z float64
	for j, v := range x {
		e := T(math.Exp(float64(v - top)))
		p[j] = e
		z += float64(e)
	}
	inv := T(1 / z)
	for j := range p {
		p[j] *= inv
	}
	return math.Log(z) + float64(top)
}

// CrossEntropy is the mean over rows of −log softmax(logits)[target]. The rows'
// softmax is kept in probs for CrossEntropyBackward.
func CrossEntropy[T Float](probs, logits []T, targets []int, cols int) T {
	var loss float64
	for r, t := range targets {
		row := logits[r*cols : (r+1)*cols]
		loss += Softmax(probs[r*cols:(r+1)*cols], row) - float64(row[t])
	}
	return T(loss / float64(len(targets)))
}

// CrossEntropyBackward: dlogits = (probs − onehot(target))·dloss/rows.
func CrossEntropyBackward[T Float](dlogits, probs []T, targets []int, dloss T, cols int) {
	scale := dloss / T(len(targets))
	for r, t := range targets {
		d := dlogits[r*cols : (r+1)*cols]
		for j, p := range probs[r*cols : (r+1)*cols] {
			d[j] = p * scale
		}
		d[t] -= scale
	}
}
