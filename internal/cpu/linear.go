package cpu

// Linear computes Y = X·Wᵀ + b, where W has the shape (out, in) and X has rows of in elements. A nil bias
// stands for zeros.
func Linear[T Float](y, x, weight, bias []T, in, out int) {
	p := product[T]{
		transB: true, m: len(x) / in, n: out, k: in,
		alpha: 1, a: x, lda: in, b: weight, ldb: in, c: y, ldc: out, bias: bias,
	}
	p.compute()
}

// LinearBackward computes the gradients of Linear. A nil dbias takes none:
//
//	dX = dY·W    dW = dYᵀ·X    db = Σ_rows dY
func LinearBackward[T Float](dx, dweight, dbias, x, weight, dy []T, in, out int) {
	rows := len(x) / in
	Gemm(false, false, rows, in, out, 1, dy, out, weight, in, 0, dx, in)
	Gemm(true, false, out, in, rows, 1, dy, out, x, in, 0, dweight, in)
	if dbias != nil {
		SumRows(dbias, dy, rows, out)
	}
}
