package layers

import G "gorgonia.org/gorgonia"

// Derf, dynamic erf, is DyT with the error function instead of tanh, and with a
// learnable shift s besides α (Chen, Lu, Zhu, Sun & Liu 2025, "Stronger
// Normalization-Free Transformers", arXiv 2512.10938). On x of shape
// (..., features):
//
//	u = α·x + s    y = γ·erf(u) + β
//
// Backward, with h = dy·γ·2/√π·exp(−u²):
//
//	dx = h·α    dγ = Σ_rows dy·erf(u)    dβ = Σ_rows dy    dα = Σh·x    ds = Σh
//
// The forward pass keeps erf(u) for the backward pass.
type Derf struct{ pointwise }

// NewDerf returns a Derf over the given number of features, the last dimension. Learnables
// are weight (γ, initially 1) and bias (β, initially 0), of shape (features), and alpha (α,
// initially 0.5) and shift (s, initially 0), of shape (1). It takes WithName, WithDtype,
// WithAlpha, WithoutAffine, WithoutWeight, WithoutBias, WithWeightInit and WithBiasInit.
func NewDerf(g *G.ExprGraph, features int, opts ...Option) (*Derf, error) {
	l, err := newPointwise("Derf", g, features, opts)
	if err == nil {
		err = l.learn("shift", constant(0), 1)
	}
	if err != nil {
		return nil, err
	}
	l.derf = true
	return &Derf{l}, nil
}

// On returns the layer on another graph, or once more on its own, with the same learnables.
// The mode makes no difference.
func (l *Derf) On(g *G.ExprGraph, mode Mode) (Layer, error) { return onGraph(*l, g, mode) }
