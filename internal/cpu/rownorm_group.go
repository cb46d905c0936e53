package cpu

// LayerNorm normalizes rows and writes their statistics, for GroupNorm.
func LayerNorm[T Float](y, x, gamma, beta, mean, shift, rstd []T, rows, cols int, eps float64) {
	n := borrow[RowNorm[T]]()
	n.cols, n.part, n.eps, n.centred = cols, cols, eps, true
	n.mean, n.shift, n.rstd = mean, shift, rstd
	n.Forward(y, x[:rows*cols], gamma, beta)
	n.mean, n.shift, n.rstd = nil, nil, nil
	giveBack(n)
}

// LayerNormBackward writes LayerNorm's gradients, for GroupNorm.
func LayerNormBackward[T Float](dx, dgamma, dbeta, x, gamma, mean, shift, rstd, dy []T, rows, cols int) {
	n := borrow[RowNorm[T]]()
	n.cols, n.part, n.centred = cols, cols, true
	n.mean, n.shift, n.rstd = mean, shift, rstd
	n.Backward(dx, dgamma, dbeta, x[:rows*cols], gamma, dy)
	n.mean, n.shift, n.rstd = nil, nil, nil
	giveBack(n)
}
