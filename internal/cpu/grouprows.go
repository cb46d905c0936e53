package cpu

// Where a sample is one row, its groups are short rows, and LayerNorm's kernels are
// fastest; γ and β, which are an element a channel, have a pass of their own.

// normalizeGroups is GroupNorm of x of shape (samples, channels).
func normalizeGroups[T Float](y, x, gamma, beta, mean, shift, rstd []T, samples, channels, groups int, eps float64) {
	LayerNorm(y, x, nil, nil, mean, shift, rstd, samples*groups, channels/groups, eps)
	if gamma != nil || beta != nil {
		scaleColumns(y, y, gamma, beta, samples, channels)
	}
}

// normalizeGroupsBackward makes x̂ in dx, for dγ, and then g = dy·γ.
func normalizeGroupsBackward[T Float](dx, dgamma, dbeta, x, gamma, mean, shift, rstd, dy []T, samples, channels, groups int, eps float64) {
	rows, cols := samples*groups, channels/groups
	if dgamma != nil || dbeta != nil {
		LayerNorm(dx, x, nil, nil, mean, shift, rstd, rows, cols, eps)
		sumColumnGradients(dgamma, dbeta, dx, dy, samples, channels)
	}
	g := dy
	if gamma != nil {
		scaleColumns(dx, dy, gamma, nil, samples, channels)
		g = dx
	}
	LayerNormBackward(dx, nil, nil, x, nil, mean, shift, rstd, g, rows, cols)
}

// scaleColumns: y = γ·x + β.
func scaleColumns[T Float](y, x, gamma, beta []T, rows, cols int) {
	c := newChannelNorm(x, 1, rows, cols, 1)
	c.y, c.stream = y, c.streams(y)
	for j := range c.mean {
		c.mean[j], c.scale[j], c.offset[j] = 0, 1, 0
	}
	copy(c.scale, gamma)
	copy(c.offset, beta)
	parallel((*channelApply[T])(c), c.chunks())
	c.release()
}

// sumColumnGradients: dγ = Σ_rows dy·x̂ and dβ = Σ_rows dy.
func sumColumnGradients[T Float](dgamma, dbeta, xhat, dy []T, rows, cols int) {
	c := newChannelNorm(xhat, 1, rows, cols, 1)
	c.dy = dy
	for j := range c.mean {
		c.mean[j], c.rstd[j] = 0, 1
	}
	c.sums((*channelGradientSums[T])(c))
	sumX, sum1 := c.totals(0)
	store(dgamma, sumX)
	store(dbeta, sum1)
	c.release()
}
