package layers

import G "gorgonia.org/gorgonia"

// DyT, dynamic tanh, stands where a norm would and takes no statistics: it keeps
// each element of x, of shape (..., features), in bounds by itself (Zhu, Chen, He,
// LeCun & Liu 2025, "Transformers without Normalization", arXiv 2503.10622). α is
// one learnable scalar:
//
//	t = tanh(α·x)    y = γ·t + β
//
// Backward, with h = dy·γ·(1 − t²):
//
//	dx = h·α    dγ = Σ_rows dy·t    dβ = Σ_rows dy    dα = Σh·x
//
// Nothing is kept for the backward pass.
type DyT struct{ pointwise }

// NewDyT makes a DyT over the given number of features, the last dimension.
// Learnables are weight (γ, from 1) and bias (β, from 0), of shape (features), and
// alpha (α, from 0.5), of shape (1). It takes WithName, WithDtype, WithAlpha,
// WithoutAffine, WithoutWeight, WithoutBias, WithWeightInit and WithBiasInit.
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
