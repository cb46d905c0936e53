package train

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/cpu"
	"gorgonorm/runlog"
)

// AdamW is a gorgonia.Solver: Adam with decoupled weight decay (Loshchilov &
// Hutter 2019, arXiv 1711.05101), the update of torch.optim.AdamW. Only weights
// of two or more dimensions decay, as in nanoGPT. (Gorgonia's own AdamW does not change
// the weights, as of v0.9.18.)
type AdamW struct {
	LR           float64 // of the next step, 0 or more
	Beta1, Beta2 float64 // 0 or more and less than 1
	Eps          float64 // more than 0
	Decay        float64 // 0 or more

	moments map[memory]any // *moments of the weight's type
}

// moments are the running means of a weight's gradient and of its square. They keep the
// weight, so that its memory is not reused for another.
type moments[T cpu.Float] struct {
	weight []T
	step   int // steps taken
	m, v   []T
}

// NewAdamW returns a solver with eps 1e-8. Step returns an error for settings out of range.
func NewAdamW(lr, beta1, beta2, decay float64) *AdamW {
	return &AdamW{LR: lr, Beta1: beta1, Beta2: beta2, Eps: 1e-8, Decay: decay}
}

// Step updates the weights by their gradients and sets the gradients to zero. Weights are
// dense tensors or scalars. A weight without elements is skipped.
//
// The solver keeps moments for the memory of each weight, not for its node, so that
// training can continue with the same weights on another graph. A weight that is listed
// twice is updated once. Nodes that share a weight's memory update it by the sum of their
// gradients. Step returns an error if weights share only a part of their memory.
//
// Step returns an error and changes no weight if a setting is out of range, or if a weight
// or gradient is missing or has the wrong type. A gradient that is not finite makes its
// weight not finite; ClipGradNorm returns a norm that is not finite in this case.
func (a *AdamW) Step(model []G.ValueGrad) error {
	if err := a.check(); err != nil {
		return err
	}
	params, err := parameters(model)
	if err != nil {
		return err
	}
	if err := a.admit(params); err != nil {
		return err
	}
	for _, p := range params {
		p.update(a)
	}
	for _, p := range params { // after all updates, because two weights may share a gradient
		p.zeroGrad()
	}
	return nil
}

// check returns an error that names the first setting out of range. With settings in
// these ranges, every product of an update stays finite in float32.
func (a *AdamW) check() error {
	if err := cmp.Or(
		within("LR", a.LR, 0, 1e10),
		lessThanOne("Beta1", a.Beta1),
		lessThanOne("Beta2", a.Beta2),
		within("Eps", a.Eps, 1e-30, 1e30), // 0 would make 0/0 of a gradient of 0
		within("Decay", a.Decay, 0, 1e10),
	); err != nil {
		return fmt.Errorf("train: AdamW: %w", err)
	}
	return nil
}

// within returns an error for a setting outside a range.
func within(name string, v, least, most float64) error {
	if v >= least && v <= most {
		return nil
	}
	return fmt.Errorf("%s is %g, want a number from %g to %g", name, v, least, most)
}

// lessThanOne returns an error for a setting outside [0, 1).
func lessThanOne(name string, v float64) error {
	if v >= 0 && v < 1 {
		return nil
	}
	return fmt.Errorf("%s is %g, want 0 or more and less than 1", name, v)
}

// admit makes moments for new weights. It returns an error if one of them shares a part
// of another weight's memory.
func (a *AdamW) admit(params []parameter) error {
	fresh := make(map[memory]parameter)
	for _, p := range params {
		if at := p.memory(); a.moments[at] == nil {
			fresh[at] = p
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	var all []memory
	for at := range fresh {
		all = append(all, at)
	}
	for at := range a.moments {
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b memory) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	for i := 1; i < len(all); i++ {
		if all[i].from < all[i-1].to {
			p := cmp.Or(fresh[all[i]], fresh[all[i-1]])
			return fmt.Errorf("train: %s shares a part of its memory with another weight, "+
				"of this step or an earlier one: give AdamW weights that do not overlap", p.label())
		}
	}
	if a.moments == nil {
		a.moments = make(map[memory]any)
	}
	for at, p := range fresh {
		a.moments[at] = p.newMoments()
	}
	return nil
}

func (p *typed[T]) newMoments() any { return newMoments(p.values) }

func newMoments[T cpu.Float](weight []T) *moments[T] {
	return &moments[T]{weight: weight, m: make([]T, len(weight)), v: make([]T, len(weight))}
}

// adopt replaces the moments of weights.
func (a *AdamW) adopt(all []*moments[float32]) {
	if a.moments == nil {
		a.moments = make(map[memory]any)
	}
	for _, mo := range all {
		a.moments[memoryOf(mo.weight)] = mo
	}
}

// momentsOf returns the moments of a weight, which are new before its first step.
func (a *AdamW) momentsOf(weight []float32) *moments[float32] {
	at := memoryOf(weight)
	if a.moments[at] == nil {
		if a.moments == nil {
			a.moments = make(map[memory]any)
		}
		a.moments[at] = newMoments(weight)
	}
	return a.moments[at].(*moments[float32])
}

func (p *typed[T]) update(a *AdamW) {
	mo := a.moments[p.memory()].(*moments[T])
	mo.step++
	u := cpu.AdamW{LR: a.LR, Beta1: a.Beta1, Beta2: a.Beta2, Eps: a.Eps, Step: mo.step}
	if p.dims >= 2 {
		u.Decay = a.Decay
	}
	cpu.Update(u, p.values, mo.m, mo.v, p.grad())
}

// ZeroGrad sets the gradients of a model to zero. Call it for a step that is skipped if
// the machine was made with gorgonia.BindDualValues, which accumulates gradients.
func ZeroGrad(model []G.ValueGrad) error {
	params, err := parameters(model)
	for _, p := range params {
		p.zeroGrad()
	}
	return err
}

// ClipGradNorm scales all gradients so that their global norm, the root of the sum of
// all squares, is at most limit. It returns the norm before scaling (Pascanu et al. 2013;
// torch.nn.utils.clip_grad_norm_). A limit of 0 clips nothing, as in nanoGPT. A negative
// limit or NaN is an error.
//
// Weights are as in AdamW.Step. If a gradient is not finite, ClipGradNorm changes none of
// them and returns a norm that is not finite.
func ClipGradNorm(model []G.ValueGrad, limit float64) (norm float64, err error) {
	if !(limit >= 0) {
		return 0, fmt.Errorf("train: ClipGradNorm: limit is %g, want a number above 0, or 0 to clip nothing", limit)
	}
	params, err := parameters(model)
	if err != nil {
		return 0, err
	}
	n := globalNorm(params)
	if limit == 0 || !(n.value() > limit) || !runlog.Float(n.unit).Finite() {
		return n.value(), nil
	}
	scaled := make(map[memory]bool) // two weights may share the memory of a gradient
	for _, p := range params {
		p.clip(n, limit, scaled)
	}
	return n.value(), nil
}

// scaledNorm is a norm as two factors, whose product may exceed the largest float64.
type scaledNorm struct{ unit, relative float64 }

func (n scaledNorm) value() float64 { return n.unit * n.relative }

// globalNorm returns the norm of all gradients. Its unit is 1, or the largest element if
// squares are too large or too small for a float64.
func globalNorm(params []parameter) scaledNorm {
	var squares float64
	for _, p := range params {
		squares += p.gradSquares()
	}
	if squares > 1e-290 && squares <= math.MaxFloat64 {
		return scaledNorm{1, math.Sqrt(squares)}
	}
	var largest float64
	for _, p := range params {
		largest = max(largest, p.gradMaxAbs())
	}
	if largest == 0 || !runlog.Float(largest).Finite() {
		return scaledNorm{largest, 1}
	}
	squares = 0
	for _, p := range params {
		squares += p.gradSquaresOver(largest)
	}
	return scaledNorm{largest, math.Sqrt(squares)}
}

func (p *typed[T]) gradSquares() float64 { return cpu.SumSquares(p.grad()) }
func (p *typed[T]) gradMaxAbs() float64  { return float64(cpu.MaxAbs(p.grad())) }

func (p *typed[T]) gradSquaresOver(unit float64) (s float64) {
	for _, v := range p.grad() {
		r := float64(v) / unit
		s += float64(r * r)
	}
	return s
}

func (p *typed[T]) clip(n scaledNorm, limit float64, scaled map[memory]bool) {
	for _, g := range p.grads {
		if scaled[memoryOf(g)] {
			continue
		}
		scaled[memoryOf(g)] = true
		if s := limit / n.value(); s > 1e-30 {
			cpu.Scale(g, T(s))
			continue
		}
		for i, v := range g { // a factor this small loses digits, or becomes 0 in float32
			g[i] = T(float64(v) / n.unit * (limit / n.relative))
		}
	}
}
