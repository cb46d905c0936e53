package simd

import "math"

// formulas are the kernels' definitions, computed in float64 and rounded to T, for the other implementations to be held
// to. The statistics of rows are those of Careful.
type formulas[T Float] struct{}

func formulasOf[T Float]() *Kernels[T] {
	f, careful := formulas[T]{}, Careful[T]()
	return &Kernels[T]{
		Name:       "formulas",
		Add:        add[T],
		Scale:      scale[T],
		SumSquares: squaresOf[T],
		Accumulate: accumulate[T],
		Max:        maximum[T],

		LayerNorm:             careful.LayerNorm,
		LayerNormBackward:     f.layerNormBackward,
		RMSNorm:               careful.RMSNorm,
		RMSNormBackward:       f.rmsNormBackward,
		LayerNormOfSum:        f.layerNormOfSum,
		RMSNormOfSum:          f.rmsNormOfSum,
		LayerNormBackwardPlus: f.layerNormBackwardPlus,
		RMSNormBackwardPlus:   f.rmsNormBackwardPlus,
		DyT:                   f.dyT,
		DyTBackward:           f.dyTBackward,
		Derf:                  f.derf,
		DerfBackward:          f.derfBackward,
		ColumnSums:            f.columnSums,
		ColumnNorm:            f.columnNorm,
		ColumnGradientSums:    f.columnGradientSums,
		ColumnNormBackward:    f.columnNormBackward,
		AdamW:                 f.adamW,
		ExpSum:                f.expSum,
		Softmax:               f.softmax,
		SoftmaxBackward:       f.softmaxBackward,
		GELU:                  f.gelu,
		GELUBackward:          f.geluBackward,
	}
}

func (formulas[T]) layerNormBackward(dx, x, dy, gamma, mean, shift, rstd, dgamma, dbeta []T, _ bool) {
	cols := len(gamma)
	for r := range rstd {
		m, rest, s := float64(mean[r]), float64(shift[r]), float64(rstd[r])
		rowGradient(dx[r*cols:(r+1)*cols], x[r*cols:(r+1)*cols], dy[r*cols:(r+1)*cols], gamma, dgamma, dbeta, s,
			func(v T) float64 {
				return (float64(v)-m)*s - rest
			})
	}
}

func (formulas[T]) rmsNormBackward(dx, x, dy, gamma, rstd, dgamma []T, _ bool) {
	cols := len(gamma)
	for r := range rstd {
		s := float64(rstd[r])
		rowGradient(dx[r*cols:(r+1)*cols], x[r*cols:(r+1)*cols], dy[r*cols:(r+1)*cols], gamma, dgamma, nil, s,
			func(v T) float64 {
				return float64(v) * s
			})
	}
}

func (formulas[T]) layerNormOfSum(y, x, a, b, gamma, beta, mean, shift, rstd []T, eps float64, _ bool) {
	add(x, a, b)
	Careful[T]().LayerNorm(y, x, gamma, beta, mean, shift, rstd, eps, false)
}

func (formulas[T]) rmsNormOfSum(y, x, a, b, gamma, rstd []T, eps float64, _ bool) {
	add(x, a, b)
	Careful[T]().RMSNorm(y, x, gamma, rstd, eps, false)
}

func (f formulas[T]) layerNormBackwardPlus(dx, x, dy, d, gamma, mean, shift, rstd, dgamma, dbeta []T, _ bool) {
	f.layerNormBackward(dx, x, dy, gamma, mean, shift, rstd, dgamma, dbeta, false)
	add(dx, dx, d)
}

func (f formulas[T]) rmsNormBackwardPlus(dx, x, dy, d, gamma, rstd, dgamma []T, _ bool) {
	f.rmsNormBackward(dx, x, dy, gamma, rstd, dgamma, false)
	add(dx, dx, d)
}

// rowGradient is the backward pass of one row, whose mean is taken off unless dbeta is nil.
func rowGradient[T Float](dx, x, dy, gamma, dgamma, dbeta []T, rstd float64, xhat func(v T) float64) {
	var meanG, meanGX float64
	for j, v := range x {
		g := float64(dy[j])
		dgamma[j] = T(float64(dgamma[j]) + g*xhat(v))
		g *= float64(gamma[j])
		meanGX += g * xhat(v) / float64(len(x))
		if dbeta != nil {
			dbeta[j] += dy[j]
			meanG += g / float64(len(x))
		}
	}
	for j, v := range x {
		dx[j] = T(rstd * (float64(dy[j])*float64(gamma[j]) - meanG - xhat(v)*meanGX))
	}
}

func (formulas[T]) columnSums(sum, squares, pilot, x []T, rows, stride int) {
	for j := range sum {
		s, q := float64(sum[j]), float64(squares[j])
		for r := range rows {
			d := float64(x[r*stride+j]) - float64(pilot[j])
			s, q = s+d, q+d*d
		}
		sum[j], squares[j] = T(s), T(q)
	}
}

func (formulas[T]) columnNorm(y, x, mean, scale, offset []T, rows, stride int, _ bool) {
	for r := range rows {
		for j := range mean {
			d := float64(x[r*stride+j]) - float64(mean[j])
			y[r*stride+j] = T(d*float64(scale[j]) + float64(offset[j]))
		}
	}
}

func (formulas[T]) columnGradientSums(dgamma, dbeta, mean, rstd, x, dy []T, rows, stride int) {
	for j := range mean {
		dg, db := float64(dgamma[j]), float64(dbeta[j])
		for r := range rows {
			g := float64(dy[r*stride+j])
			dg, db = dg+g*(float64(x[r*stride+j])-float64(mean[j]))*float64(rstd[j]), db+g
		}
		dgamma[j], dbeta[j] = T(dg), T(db)
	}
}

func (formulas[T]) columnNormBackward(dx, x, dy, mean, rstd, scale, offset, slope []T, rows, stride int, _ bool) {
	for r := range rows {
		for j := range mean {
			i := r*stride + j
			xhat := (float64(x[i]) - float64(mean[j])) * float64(rstd[j])
			dx[i] = T(float64(dy[i])*float64(scale[j]) - float64(offset[j]) - xhat*float64(slope[j]))
		}
	}
}

func (formulas[T]) dyT(y, x, gamma, beta []T, alpha T, rows int) {
	cols := len(gamma)
	for r := range rows {
		out := y[r*cols : (r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			out[j] = T(gamma[j]*T(math.Tanh(float64(alpha)*float64(v)))) + beta[j]
		}
	}
}

func (formulas[T]) dyTBackward(dx, x, dy, gamma, dgamma, dbeta []T, alpha T, rows int) (dalpha float64) {
	cols := len(gamma)
	for r := range rows {
		g, d := dy[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			u := float64(alpha) * float64(v)
			e := math.Exp(-2 * math.Abs(u)) // gives 1 − tanh² to all its digits, for large u too
			slope := 4 * e / ((1 + e) * (1 + e))
			dgamma[j] = T(math.FMA(float64(g[j]), math.Tanh(u), float64(dgamma[j])))
			dbeta[j] += g[j]
			h := float64(g[j]) * float64(gamma[j]) * slope
			dalpha += float64(h * float64(v))
			d[j] = T(h * float64(alpha))
		}
	}
	return dalpha
}

func (formulas[T]) derf(y, erf, x, gamma, beta []T, alpha, shift T, rows int) {
	cols := len(gamma)
	for r := range rows {
		out, kept := y[r*cols:(r+1)*cols], erf[r*cols:(r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			kept[j] = T(math.Erf(math.FMA(float64(alpha), float64(v), float64(shift))))
			out[j] = T(gamma[j]*kept[j]) + beta[j]
		}
	}
}

func (formulas[T]) derfBackward(
	dx, x, erf, dy, gamma, dgamma, dbeta []T, alpha, shift T, rows int,
) (dalpha, dshift float64) {
	cols := len(gamma)
	for r := range rows {
		g, d, kept := dy[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols], erf[r*cols:(r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			u := math.FMA(float64(alpha), float64(v), float64(shift))
			dgamma[j] = T(math.FMA(float64(g[j]), float64(kept[j]), float64(dgamma[j])))
			dbeta[j] += g[j]
			h := float64(float64(g[j]) * float64(gamma[j]) * (2 / math.SqrtPi) * math.Exp(-u*u))
			dalpha += float64(h * float64(v))
			dshift += h
			d[j] = T(h * float64(alpha))
		}
	}
	return dalpha, dshift
}

func (formulas[T]) expSum(p, x []T, top T) T {
	var sum float64
	for i, v := range x {
		e := math.Exp(float64(v) - float64(top))
		p[i] = T(e)
		sum += e
	}
	return T(sum)
}

func (f formulas[T]) softmax(p, x []T) (top, sum T) {
	top = maximum(x)
	sum = f.expSum(p, x, top)
	scale(p, p, 1/sum)
	return top, sum
}

func (formulas[T]) softmaxBackward(dp, p []T) {
	var dot float64
	for i, v := range p {
		dot += float64(float64(v) * float64(dp[i]))
	}
	for i, v := range p {
		dp[i] = v * (dp[i] - T(dot))
	}
}

func (formulas[T]) gelu(y, h, x []T) {
	for i, v := range x {
		x := float64(v)
		e := math.Exp(-math.Abs(x * (geluScale + geluScale*geluCubic*x*x)))
		h[i] = T(e / (1 + e))
		y[i] = T(max(x, 0) - math.Abs(x)*e/(1+e))
	}
}

func (formulas[T]) geluBackward(dx, x, h, dy []T) {
	for i, v := range x {
		x, h := float64(v), float64(h[i])
		// If x² is larger, h is zero.
		slope := geluScale + 3*geluScale*geluCubic*min(x*x, 1e4)
		s := h
		if v > 0 {
			s = 1 - h
		}
		dx[i] = T(float64(dy[i]) * (s + x*h*(1-h)*slope))
	}
}

func (formulas[T]) adamW(w, m, v, g []T, beta1, rest1, beta2, rest2, keep, lr, bias2, eps T) {
	for i, d := range g {
		m[i] = T(beta1*m[i]) + T(rest1*d)
		v[i] = T(beta2*v[i]) + T(rest2*d*d)
		w[i] = T(w[i]*keep) - lr*m[i]/(T(math.Sqrt(float64(v[i])))/bias2+eps)
	}
}
