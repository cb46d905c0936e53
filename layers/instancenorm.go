package layers

import G "gorgonia.org/gorgonia"

// InstanceNorm normalizes each feature of each sample of x by itself, over all axes but
// the samples', axis 0, and the features', to mean 0 and variance 1 (Ulyanov, Vedaldi &
// Lempitsky 2016, arXiv 1607.08022). It is GroupNorm with a group a feature, over M
// numbers each:
//
//	μ = Σx/M    rstd = 1/√(Σ(x−μ)²/M + eps)    x̂ = (x−μ)·rstd    y = γ·x̂ + β
//
// Backward, with means over a sample's feature and sums over all axes but the features':
//
//	dx = γ·rstd·(dy − mean(dy) − x̂·mean(dy·x̂))    dγ = Σdy·x̂    dβ = Σdy
//
// The variance is the biased one and values are those of
// torch.nn.functional.instance_norm, whose features are axis 1. PyTorch's modules have
// no γ and β unless asked; here they are there, as in every norm, unless WithoutAffine
// leaves them out. Statistics are the sample's own in training and in evaluation, as
// PyTorch's are by default. Where M is 1, which PyTorch refuses in training, x̂ is 0.
type InstanceNorm struct{ GroupNorm }

// NewInstanceNorm makes an InstanceNorm of the given number of features. Learnables are
// weight (γ, from 1) and bias (β, from 0), of shape (features). It takes WithName,
// WithDtype, WithEps (1e-5), WithAxis (-1), WithoutAffine, WithoutBias, WithWeightInit
// and WithBiasInit.
func NewInstanceNorm(g *G.ExprGraph, features int, opts ...Option) (*InstanceNorm, error) {
	l, err := newGroupNorm("InstanceNorm", g, features, features, opts)
	if err != nil {
		return nil, err
	}
	return &InstanceNorm{*l}, nil
}

// On places the layer on a graph. The mode makes no difference.
func (l *InstanceNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) {
	m, err := l.on(g, mode)
	if err != nil {
		return nil, err
	}
	c := *l
	c.module = m
	return &c, nil
}
