package layers

import G "gorgonia.org/gorgonia"

// Derf, dynamic erf, is DyT with the error function in the place of tanh, and a
// learnable shift s beside α (Chen, Lu, Zhu, Sun & Liu 2025, "Stronger
// Normalization-Free Transformers", arXiv 2512.10938). On x of shape
// (..., features):
//
//	u = α·x + s    y = γ·erf(u) + β
//
// Backward, with h = dy·γ·2/√π·exp(−u²):
//
//	dx = h·α    dγ = Σ_rows dy·erf(u)    dβ = Σ_rows dy    dα = Σh·x    ds = Σh
//
// erf(u) is kept for the backward pass.
type Derf struct{ pointwise }

// NewDerf makes a Derf over the given number of features, the last dimension.
// Learnables are weight (γ, from 1) and bias (β, from 0), of shape (features), and
// alpha (α, from 0.5) and shift (s, from 0), of shape (1). It takes WithName,
// WithDtype, WithAlpha, WithoutAffine, WithoutWeight, WithoutBias, WithWeightInit and WithBiasInit.
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
