package benchmark

import (
	"math/rand/v2"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/cpu/simd"
)

// This file is all that calls internal/cpu.

// implementation is the name of the kernels that this machine runs.
func implementation() string { return simd.Of[float32]().Name }

// operands are the tensors that every norm works on.
type operands struct {
	rows, cols        int
	x, y, dx, dy      []float32 // rows × cols
	gamma, beta       []float32 // cols
	dgamma, dbeta     []float32 // cols
	mean, shift, rstd []float32 // rows
	batch             cpu.BatchNorm[float32]
}

func newOperands(rows, cols int) *operands {
	o := &operands{rows: rows, cols: cols, x: random(1, rows*cols), dy: random(2, rows*cols), gamma: random(3, cols), beta: random(4, cols)}
	o.y, o.dx = make([]float32, rows*cols), make([]float32, rows*cols)
	o.dgamma, o.dbeta = make([]float32, cols), make([]float32, cols)
	o.mean, o.shift, o.rstd = make([]float32, rows), make([]float32, rows), make([]float32, rows)
	o.batch = cpu.BatchNorm[float32]{Features: cols, Inner: 1, Eps: eps}
	return o
}

// random are normal numbers.
func random(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// kernel is a norm's forward pass in training and its backward pass, which gives
// dx, dγ and, where there is a β, dβ.
type kernel struct {
	name              string
	forward, backward func(o *operands)
}

var kernels = []kernel{
	{"LayerNorm", func(o *operands) {
		cpu.LayerNorm(o.y, o.x, o.gamma, o.beta, o.mean, o.shift, o.rstd, o.rows, o.cols, eps)
	}, func(o *operands) {
		cpu.LayerNormBackward(o.dx, o.dgamma, o.dbeta, o.x, o.gamma, o.mean, o.shift, o.rstd, o.dy, o.rows, o.cols)
	}},
	{"RMSNorm", func(o *operands) {
		cpu.RMSNorm(o.y, o.x, o.gamma, o.rstd, o.rows, o.cols, eps)
	}, func(o *operands) {
		cpu.RMSNormBackward(o.dx, o.dgamma, o.x, o.gamma, o.rstd, o.dy, o.rows, o.cols)
	}},
	{"BatchNorm", func(o *operands) {
		o.batch.Forward(o.y, o.x, o.gamma, o.beta)
	}, func(o *operands) {
		o.batch.Backward(o.dx, o.dgamma, o.dbeta, o.x, o.gamma, o.dy)
	}},
}

// multiply runs one of our matrix products.
func (p *product) multiply() {
	cpu.Gemm(p.transA, p.transB, p.m, p.n, p.k, 1, p.a, p.lda, p.b, p.ldb, 0, p.c, p.n)
}
