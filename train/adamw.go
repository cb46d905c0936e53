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
	moments map[*tensor.Dense]any // of each weight: *moments of its type
}

// moments are the running means of a weight's gradient and of its square.
type moments[T cpu.Float] struct{ m, v []T }

// NewAdamW makes a solver with eps 1e-8.
func NewAdamW(lr, beta1, beta2, decay float64) *AdamW {
	return &AdamW{LR: lr, Beta1: beta1, Beta2: beta2, Eps: 1e-8, Decay: decay}
}

// Step updates the weights by their gradients and sets those to zero. Weights are
// dense tensors; moments are kept for each, so give it the same ones every time.
// If a weight or gradient is missing or of the wrong type, no weight is changed.
func (a *AdamW) Step(model []G.ValueGrad) error {
	params, err := parameters(model)
	if err != nil {
		return err
	}
	if a.moments == nil {
		a.moments = make(map[*tensor.Dense]any)
	}
	a.step++
	for _, p := range params {
		p.update(a)
	}
	return nil
}

// ClipGradNorm scales all gradients so that their global norm, the root of the
// sum of all squares, is at most limit, and returns what it was before (Pascanu
// et al. 2013; torch.nn.utils.clip_grad_norm_). Gradients are dense tensors;
// where their norm is not finite they are left alone.
func ClipGradNorm(model []G.ValueGrad, limit float64) (norm float64, err error) {
	params, err := parameters(model)
	if err != nil {
		return 0, err
	}
	var squares float64
	for _, p := range params {
		squares += p.gradSquares()
	}
	norm = math.Sqrt(squares)
	if norm > limit && !math.IsInf(norm, 0) {
		for _, p := range params {
			p.scaleGrad(limit / norm)
		}
	}
	return norm, nil
}

// parameter is a weight and its gradient, to be worked on in place.
type parameter interface {
	update(a *AdamW)
	gradSquares() float64
	scaleGrad(s float64)
}

// typed is a parameter of one element type.
type typed[T cpu.Float] struct {
	weight       *tensor.Dense
	values, grad []T
}

func (p typed[T]) gradSquares() float64 { return cpu.SumSquares(p.grad) }
func (p typed[T]) scaleGrad(s float64)  { cpu.Scale(p.grad, T(s)) }

func (p typed[T]) update(a *AdamW) {
	mo, ok := a.moments[p.weight].(*moments[T])
	if !ok {
		mo = &moments[T]{make([]T, len(p.values)), make([]T, len(p.values))}
		a.moments[p.weight] = mo
	}
	u := cpu.AdamW{LR: a.LR, Beta1: a.Beta1, Beta2: a.Beta2, Eps: a.Eps, Step: a.step}
	if p.weight.Dims() >= 2 {
		u.Decay = a.Decay
	}
	cpu.Update(u, p.values, mo.m, mo.v, p.grad)
	clear(p.grad)
}

// parameters checks that all of the model can be worked on.
func parameters(model []G.ValueGrad) ([]parameter, error) {
	params := make([]parameter, len(model))
	for i, vg := range model {
		name := fmt.Sprintf("weight %d", i)
		if n, ok := vg.(G.Namer); ok {
			name = n.Name()
		}
		p, err := newParameter(vg)
		if err != nil {
			return nil, fmt.Errorf("train: %s %w", name, err)
		}
		params[i] = p
	}
	return params, nil
}

func newParameter(vg G.ValueGrad) (parameter, error) {
	grad, err := vg.Grad()
	if err != nil {
		return nil, fmt.Errorf("has no gradient: %w", err)
	}
	w, ok := vg.Value().(*tensor.Dense)
	g, ok2 := grad.(*tensor.Dense)
	if !ok || !ok2 {
		return nil, fmt.Errorf("is a %T with a gradient that is a %T, want dense tensors", vg.Value(), grad)
	}
	if w.RequiresIterator() || g.RequiresIterator() || !w.Shape().Eq(g.Shape()) {
		return nil, fmt.Errorf("has shape %v and its gradient %v, want the same, contiguous", w.Shape(), g.Shape())
	}
	switch {
	case w.Dtype() == tensor.Float32 && g.Dtype() == tensor.Float32:
		return typed[float32]{w, w.Float32s(), g.Float32s()}, nil
	case w.Dtype() == tensor.Float64 && g.Dtype() == tensor.Float64:
		return typed[float64]{w, w.Float64s(), g.Float64s()}, nil
	}
	return nil, fmt.Errorf("is of type %v with a gradient of type %v, want float32 or float64", w.Dtype(), g.Dtype())
}
