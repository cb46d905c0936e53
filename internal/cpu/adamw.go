package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
	"gorgonorm/internal/portable"
)

// AdamW holds the settings of one update: Loshchilov & Hutter 2019, as
// torch.optim.AdamW computes it. Step counts from 1.
type AdamW struct {
	LR, Beta1, Beta2, Eps, Decay float64
	Step                         int
}

type adamwTask[T Float] struct {
	AdamW
	w, m, v, g []T
}

// Update changes the weights w and their moments m and v by the gradient g, with t = Step:
//
//	w ← w·(1 − lr·decay)
//	m ← β1·m + (1−β1)·g    v ← β2·v + (1−β2)·g²
//	w ← w − lr/(1−β1^t) · m/(√v/√(1−β2^t) + eps)
func Update[T Float](a AdamW, w, m, v, g []T) { do(&adamwTask[T]{a, w, m, v, g}, spanChunks(len(w))) }

func (t *adamwTask[T]) run(chunk int) {
	i, j := spanOf(chunk, len(t.w))
	lr := t.LR / (1 - portable.Power(t.Beta1, t.Step))
	bias2 := math.Sqrt(1 - portable.Power(t.Beta2, t.Step))
	simd.Of[T]().AdamW(t.w[i:j], t.m[i:j], t.v[i:j], t.g[i:j],
		T(t.Beta1), T(1-t.Beta1), T(t.Beta2), T(1-t.Beta2), T(1-float64(t.LR*t.Decay)), T(lr), T(bias2), T(t.Eps))
}
