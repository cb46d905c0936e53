package cpu

// rowNormSecond is a pass of RowNormSecond under way, some rows a chunk.
type rowNormSecond[T Float] struct {
	rows, cols, part  int
	x, gamma, dy, u   []T
	mean, shift, rstd []T
	dx, ddy           []T
	ones              []T
	sums              blockSums[T] // dγ
}

// RowNormSecond differentiates the backward pass of a row norm: it gives the
// gradients of Σu·dx with respect to x, γ and dy. With g = dy·γ, the backward pass
// of a row is
//
//	dx = rstd·(g − mean(g) − m·x̂·s)    s = Σ(g·x̂)
//
// where m is 1/part for the first part of the features and 0 for the others, and
// mean(g) is missing where mean is nil, in RMSNorm. With u and g less their means in
// LayerNorm, b = Σ(m·u·x̂) and e = Σ(u·g) − s·b:
//
//	t   = rstd·(u − x̂·b)
//	ddy = γ·t    dγ = Σ_rows dy·t
//	dx  = −rstd²·(m·x̂·e + b·(g − m·x̂·s) + s·m·(u − x̂·b))
//
// A nil dgamma is left out.
func RowNormSecond[T Float](dx, dgamma, ddy, x, gamma, mean, shift, rstd, dy, u []T, rows, cols, part int) {
	n := borrow[rowNormSecond[T]]()
	n.rows, n.cols, n.part = rows, cols, part
	n.x, n.gamma, n.dy, n.u, n.mean, n.shift, n.rstd, n.dx, n.ddy = x, gamma, dy, u, mean, shift, rstd, dx, ddy
	if gamma == nil {
		n.ones = constant(n.ones, cols, 1)
		n.gamma = n.ones
	}
	chunks := rowChunks(rows, cols)
	n.sums.resize(chunks, cols)
	parallel(n, chunks)
	n.sums.add()
	store(dgamma, n.sums.total)
	*n = rowNormSecond[T]{ones: n.ones, sums: n.sums}
	giveBack(n)
}

func (n *rowNormSecond[T]) run(chunk int) {
	from, to := rowsOf(chunk, n.rows, n.cols)
	n.sums.run(chunk, from, to, func(dgamma []T, from, to int) {
		for r := from; r < to; r++ {
			n.row(r, dgamma)
		}
	})
}

func (n *rowNormSecond[T]) row(r int, dgamma []T) {
	i, j := r*n.cols, (r+1)*n.cols
	x, dy, u, dx, ddy := n.x[i:j], n.dy[i:j], n.u[i:j], n.dx[i:j], n.ddy[i:j]
	var mean, shift, meanU, meanG float64
	rstd := float64(n.rstd[r])
	centred := n.mean != nil
	if centred {
		mean, shift = float64(n.mean[r]), float64(n.shift[r])
		sums := inBlocks(n.cols, func(from, to int) (sums [3]float64) {
			for j := from; j < to; j++ {
				sums[0] += float64(u[j])
				sums[1] += float64(dy[j]) * float64(n.gamma[j])
			}
			return sums
		})
		meanU, meanG = sums[0]/float64(n.cols), sums[1]/float64(n.cols)
	}
	// of feature j: x̂, and u and g less their means
	at := func(j int) (xhat, uj, g float64) {
		return (float64(x[j])-mean)*rstd - shift, float64(u[j]) - meanU, float64(dy[j])*float64(n.gamma[j]) - meanG
	}
	sums := inBlocks(n.cols, func(from, to int) (sums [3]float64) {
		for j := from; j < to; j++ {
			xhat, uj, g := at(j)
			sums[0] += g * xhat
			sums[1] += uj * g
			if j < n.part {
				sums[2] += uj * xhat
			}
		}
		return sums
	})
	s, b := sums[0], sums[2]/float64(n.part)
	e := sums[1] - s*b
	for j := range x {
		xhat, uj, g := at(j)
		t, m := rstd*(uj-xhat*b), 0.0
		if j < n.part {
			m = 1 / float64(n.part)
		}
		dgamma[j] += T(float64(dy[j]) * t)
		ddy[j] = T(t * float64(n.gamma[j]))
		dx[j] = T(-rstd * (rstd*(m*xhat*e+b*(g-m*xhat*s)) + s*m*t))
	}
}

// inBlocks adds up the sums that add gives of blocks of columns. A sum of many equal
// terms is rounded the same way each time; this way there are few of them.
func inBlocks(cols int, add func(from, to int) [3]float64) (sums [3]float64) {
	const block = 64
	for from := 0; from < cols; from += block {
		for i, s := range add(from, min(from+block, cols)) {
			sums[i] += s
		}
	}
	return sums
}
