package cpu

// The second derivatives of a row norm, whose gradients are functions of x, γ and dy: x̂ is
// a function of x. Each method writes the gradients of one scalar.

type rowNormSecond[T Float] RowNorm[T]

// Second writes the gradients of Σu·dx with respect to x, γ and dy. With g = dy·γ, the
// backward pass of a row is
//
//	dx = rstd·(g − mean(g) − m·x̂·s)    s = Σ(g·x̂)
//
// where m is 1/part for the first part of the features and 0 for the others, and RMSNorm
// has no mean(g). With u and g less their means in LayerNorm, b = Σ(m·u·x̂) and
// e = Σ(u·g) − s·b:
//
//	t   = rstd·(u − x̂·b)
//	ddy = γ·t    dγ = Σ_rows dy·t
//	dx  = −rstd²·(m·x̂·e + b·(g − m·x̂·s) + s·m·(u − x̂·b))
//
// A nil dgamma is left out.
func (n *RowNorm[T]) Second(dx, dgamma, ddy, x, gamma, dy, u []T) {
	rows := len(x) / n.cols
	gamma = orConstant(gamma, &n.ones, n.cols, 1)
	chunks := rowChunks(rows, n.cols)
	sums := borrowSums[T](chunks, n.cols)
	n.rowNormCall = rowNormCall[T]{rows: rows, x: x, gamma: gamma, dx: dx, dy: dy, u: u, ddy: ddy, sums: sums}
	parallel((*rowNormSecond[T])(n), chunks)
	n.rowNormCall = rowNormCall[T]{}
	store(dgamma, sums.add())
	giveBack(sums)
}

// SecondOfGamma writes the gradients of Σv·dγ with respect to x and dy. Because
// Σv·dγ = Σdy·(v·x̂), these are v·x̂ for dy and, for x, the dx of a norm whose γ is v.
func (n *RowNorm[T]) SecondOfGamma(dx, ddy, x, dy, v []T) {
	n.Forward(ddy, x, v, nil)
	n.Backward(dx, nil, nil, x, v, dy)
}

// SecondOfBeta writes the gradient of Σw·dβ with respect to dy, which is w in every row. The
// others are 0.
func (n *RowNorm[T]) SecondOfBeta(ddy, w []T) {
	for ; len(ddy) > 0; ddy = ddy[n.cols:] {
		copy(ddy, w)
	}
}

func (t *rowNormSecond[T]) run(chunk int) {
	n := (*RowNorm[T])(t)
	from, to := rowsOf(chunk, n.rows, n.cols)
	n.sums.run(chunk, from, to, func(dgamma []T, from, to int) {
		for r := from; r < to; r++ {
			n.second(r, dgamma)
		}
	})
}

// second writes a row of dx and ddy and adds to dgamma.
func (n *RowNorm[T]) second(r int, dgamma []T) {
	i, j := r*n.cols, (r+1)*n.cols
	x, dy, u, dx, ddy := n.x[i:j], n.dy[i:j], n.u[i:j], n.dx[i:j], n.ddy[i:j]
	var mean, shift, meanU, meanG float64
	rstd := float64(n.rstd[r])
	if n.centred {
		mean, shift = float64(n.mean[r]), float64(n.shift[r])
		sums := inBlocks(n.cols, func(from, to int) (sums [3]float64) {
			for j := from; j < to; j++ {
				sums[0] += float64(u[j])
				sums[1] += float64(float64(dy[j]) * float64(n.gamma[j]))
			}
			return sums
		})
		meanU, meanG = sums[0]/float64(n.cols), sums[1]/float64(n.cols)
	}
	// at returns x̂ of feature j, and u and g less their means.
	at := func(j int) (xhat, uj, g float64) {
		return float64((float64(x[j])-mean)*rstd) - shift, float64(u[j]) - meanU,
			float64(float64(dy[j])*float64(n.gamma[j])) - meanG
	}
	sums := inBlocks(n.cols, func(from, to int) (sums [3]float64) {
		for j := from; j < to; j++ {
			xhat, uj, g := at(j)
			sums[0] += float64(g * xhat)
			sums[1] += float64(uj * g)
			if j < n.part {
				sums[2] += float64(uj * xhat)
			}
		}
		return sums
	})
	s, b := sums[0], sums[2]/float64(n.part)
	e := sums[1] - float64(s*b)
	for j := range x {
		xhat, uj, g := at(j)
		t, m := rstd*(uj-float64(xhat*b)), 0.0
		if j < n.part {
			m = 1 / float64(n.part)
		}
		dgamma[j] += T(float64(dy[j]) * t)
		ddy[j] = T(t * float64(n.gamma[j]))
		inner := float64(m*xhat*e) + float64(b*(g-float64(m*xhat*s)))
		dx[j] = T(-rstd * (float64(rstd*inner) + float64(s*m*t)))
	}
}

// inBlocks adds up what sum returns for blocks of columns. A long sum of equal terms is
// rounded the same way each time, and its error grows; the sums of blocks are short.
func inBlocks(cols int, sum func(from, to int) [3]float64) (sums [3]float64) {
	const block = 64
	for from := 0; from < cols; from += block {
		for i, s := range sum(from, min(from+block, cols)) {
			sums[i] += s
		}
	}
	return sums
}
