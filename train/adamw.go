package train

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
)

// AdamW is a gorgonia.Solver: Adam with decoupled weight decay (Loshchilov &
// Hutter 2019, arXiv 1711.05101), the update of torch.optim.AdamW. Only weights
// of two or more dimensions decay, as in nanoGPT. (Gorgonia's own AdamW does not
// change the weights, as of v0.9.18.)
type AdamW struct {
	LR           float64 // of the next step
	Beta1, Beta2 float64
	Eps          float64
	Decay        float64

	step    int
	moments map[*tensor.Dense]moments
}

// moments are the running means of a weight's gradient and of its square.
type moments struct{ m, v any }

// NewAdamW makes a solver with eps 1e-8.
func NewAdamW(lr, beta1, beta2, decay float64) *AdamW {
	return &AdamW{LR: lr, Beta1: beta1, Beta2: beta2, Eps: 1e-8, Decay: decay, moments: make(map[*tensor.Dense]moments)}
}

// Step updates the weights by their gradients and sets those to zero. It keeps
// moments for each weight's tensor, so give it the same ones every time. If a
// weight or gradient is missing or of the wrong type, no weight is changed.
func (a *AdamW) Step(model []G.ValueGrad) error {
	params, err := parameters(model)
	if err != nil {
		return err
	}
	a.step++
	for _, p := range params {
		u := cpu.AdamW{LR: a.LR, Beta1: a.Beta1, Beta2: a.Beta2, Eps: a.Eps, Step: a.step}
		if p.weight.Dims() >= 2 {
			u.Decay = a.Decay
		}
		if p.weight.Dtype() == tensor.Float32 {
			update(a, u, p, p.weight.Float32s(), p.grad.Float32s())
		} else {
			update(a, u, p, p.weight.Float64s(), p.grad.Float64s())
		}
	}
	return nil
}

func update[T cpu.Float](a *AdamW, u cpu.AdamW, p parameter, w, g []T) {
	mo, ok := a.moments[p.weight]
	if !ok {
		mo = moments{make([]T, len(w)), make([]T, len(w))}
		a.moments[p.weight] = mo
	}
	cpu.Update(u, w, mo.m.([]T), mo.v.([]T), g)
	clear(g)
}

// ClipGradNorm scales all gradients so that their global norm, the root of the
// sum of all squares, is at most limit, and returns what it was before (Pascanu
// et al. 2013; torch.nn.utils.clip_grad_norm_). Gradients whose norm is not
// finite are left alone.
func ClipGradNorm(model []G.ValueGrad, limit float64) (norm float64, err error) {
	params, err := parameters(model)
	if err != nil {
		return 0, err
	}
	var squares float64
	for _, p := range params {
		if p.grad.Dtype() == tensor.Float32 {
			squares += cpu.SumSquares(p.grad.Float32s())
		} else {
			squares += cpu.SumSquares(p.grad.Float64s())
		}
	}
	norm = math.Sqrt(squares)
	if !(norm > limit) || math.IsInf(norm, 0) {
		return norm, nil
	}
	scale := limit / norm
	for _, p := range params {
		if p.grad.Dtype() == tensor.Float32 {
			cpu.Scale(p.grad.Float32s(), float32(scale))
		} else {
			cpu.Scale(p.grad.Float64s(), scale)
		}
	}
	return norm, nil
}

type parameter struct{ weight, grad *tensor.Dense }

// parameters checks that all of the model can be worked on in place.
func parameters(model []G.ValueGrad) ([]parameter, error) {
	params := make([]parameter, len(model))
	for i, vg := range model {
		name := fmt.Sprintf("weight %d", i)
		if n, ok := vg.(G.Namer); ok {
			name = n.Name()
		}
		g, err := vg.Grad()
		if err != nil {
			return nil, fmt.Errorf("train: %s: %w", name, err)
		}
		w, ok := vg.Value().(*tensor.Dense)
		d, ok2 := g.(*tensor.Dense)
		if !ok || !ok2 {
			return nil, fmt.Errorf("train: %s is a %T with a gradient that is a %T, want dense tensors", name, vg.Value(), g)
		}
		if w.Dtype() != d.Dtype() || (w.Dtype() != tensor.Float32 && w.Dtype() != tensor.Float64) {
			return nil, fmt.Errorf("train: %s is of type %v with a gradient of type %v, want float32 or float64", name, w.Dtype(), d.Dtype())
		}
		if w.RequiresIterator() || d.RequiresIterator() || !w.Shape().Eq(d.Shape()) {
			return nil, fmt.Errorf("train: %s has shape %v and its gradient %v, want the same, contiguous", name, w.Shape(), d.Shape())
		}
		params[i] = parameter{w, d}
	}
	return params, nil
}
