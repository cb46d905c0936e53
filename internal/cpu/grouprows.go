package cpu

// If a sample is one row, its groups are short rows and LayerNorm's kernels are fastest for
// them. γ and β, which have an element for each feature, then get a pass of their own.

// inRows reports whether a sample is one row.
func (n *GroupNorm[T]) inRows() bool { return n.Outer == 1 && n.Inner == 1 }

func (n *GroupNorm[T]) forwardRows(y, x, gamma, beta []T) {
	if n.rows == nil {
		n.rows = NewLayerNorm[T](n.groupSize(), n.Eps)
	}
	n.rows.Forward(y, x, nil, nil)
	if gamma != nil || beta != nil {
		n.scaleRows(y, y, gamma, beta)
	}
}

// backwardRows uses dx for x̂, to compute dγ, and then for g = dy·γ.
func (n *GroupNorm[T]) backwardRows(dx, dgamma, dbeta, x, gamma, dy []T) {
	if dgamma != nil || dbeta != nil {
		n.rows.Forward(dx, x, nil, nil)
		n.sumRows(dgamma, dbeta, dx, dy)
	}
	g := dy
	if gamma != nil {
		n.scaleRows(dx, dy, gamma, nil)
		g = dx
	}
	n.rows.Backward(dx, nil, nil, x, nil, g)
}

// scaleRows writes y = γ·x + β.
func (n *GroupNorm[T]) scaleRows(y, x, gamma, beta []T) {
	f := n.startRows(x)
	for j := range f.mean {
		f.mean[j], f.scale[j], f.offset[j] = 0, 1, 0
	}
	copy(f.scale, gamma)
	copy(f.offset, beta)
	f.apply(y)
	f.forget()
}

// sumRows writes dγ = Σ_samples dy·x̂ and dβ = Σ_samples dy.
func (n *GroupNorm[T]) sumRows(dgamma, dbeta, xhat, dy []T) {
	f := n.startRows(xhat)
	for j := range f.mean {
		f.mean[j], f.rstd[j] = 0, 1
	}
	f.gradientSums(dy)
	sumX, sum1 := f.totals(0)
	store(dgamma, sumX)
	store(dbeta, sum1)
	f.forget()
}

// startRows prepares a pass over a matrix with a row for each sample.
func (n *GroupNorm[T]) startRows(x []T) *featureNorm[T] {
	n.norm.start(x, 1, n.Samples, n.Features, 1)
	return &n.norm
}
