package layers

import G "gorgonia.org/gorgonia"

// DyT, dynamic tanh, replaces a norm and has no statistics: it bounds each element of x,
// of shape (..., features), by itself (Zhu, Chen, He, LeCun & Liu 2025, "Transformers
// without Normalization", arXiv 2503.10622). α is one learnable scalar:
//
//	t = tanh(α·x)    y = γ·t + β
//
// Backward, with h = dy·γ·(1 − t²):
//
//	dx = h·α    dγ = Σ_rows dy·t    dβ = Σ_rows dy    dα = Σh·x
//
// The forward pass keeps nothing for the backward pass.
type DyT struct{ pointwise }

// NewDyT returns a DyT over the given number of features, the last dimension. Learnables are
// weight (γ, initially 1) and bias (β, initially 0), of shape (features), and alpha (α,
// initially 0.5), of shape (1). It takes WithName, WithDtype, WithAlpha, WithoutAffine,
// WithoutWeight, WithoutBias, WithWeightInit and WithBiasInit.
func NewDyT(g *G.ExprGraph, features int, opts ...Option) (*DyT, error) {
	l, err := newPointwise("DyT", g, features, opts)
	if err != nil {
		return nil, err
	}
	return &DyT{l}, nil
}

// On returns the layer on another graph, or once more on its own, with the same learnables.
// The mode makes no difference.
func (l *DyT) On(g *G.ExprGraph, mode Mode) (Layer, error) { return onGraph(*l, g, mode) }
