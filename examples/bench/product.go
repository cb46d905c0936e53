package main

import (
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"gorgonorm/train"
)

// product is C = op(A)·op(B), where op(A) is m×k and op(B) is k×n.
type product struct {
	m, n, k        int
	transA, transB bool

	a, b, c  []float32
	lda, ldb int
}

func newProduct(m, n, k int, transA, transB bool) *product {
	p := &product{m: m, n: n, k: k, transA: transA, transB: transB, lda: k, ldb: n}
	p.a, p.b, p.c = random(1, m*k), random(2, k*n), make([]float32, m*n)
	if transA {
		p.lda = m
	}
	if transB {
		p.ldb = k
	}
	return p
}

// flops counts a multiplication and an addition for each term.
func (p *product) flops() float64 { return 2 * float64(p.m) * float64(p.n) * float64(p.k) }

// String names the transposed operands as BLAS does.
func (p *product) String() string {
	letter := map[bool]string{false: "N", true: "T"}
	return fmt.Sprintf("%d×%d×%d %s%s", p.m, p.k, p.n, letter[p.transA], letter[p.transB])
}

// gonum is the product as Gorgonia computes it.
func (p *product) gonum() {
	t := map[bool]blas.Transpose{false: blas.NoTrans, true: blas.Trans}
	gonum.Implementation{}.Sgemm(t[p.transA], t[p.transB], p.m, p.n, p.k, 1, p.a, p.lda, p.b, p.ldb, 0, p.c, p.n)
}

// task is the product in PyTorch.
func (p *product) task() task {
	return task{"task": "gemm", "m": p.m, "n": p.n, "k": p.k, "trans_a": p.transA, "trans_b": p.transB}
}

// ofLinear are the products of a linear layer on that many rows, forward and
// backward: Y = X·Wᵀ, dX = dY·W and dW = dYᵀ·X.
func ofLinear(rows, in, out int) []*product {
	return []*product{
		newProduct(rows, out, in, false, true),
		newProduct(rows, in, out, false, false),
		newProduct(out, in, rows, true, false),
	}
}

// ofBlock are the products of the linear layers of a transformer block.
func ofBlock(rows, channels int) (ps []*product) {
	for _, l := range [][2]int{{channels, 3 * channels}, {channels, channels}, {channels, 4 * channels}, {4 * channels, channels}} {
		ps = append(ps, ofLinear(rows, l[0], l[1])...)
	}
	return ps
}

// ofStep are the products of a training step's linear layers, its head among
// them, each as often as it occurs.
func ofStep(c train.Config, vocabulary int) (ps []*product) {
	rows := c.Batch * c.Context
	block := ofBlock(rows, c.Channels)
	for range c.Layers {
		ps = append(ps, block...)
	}
	return append(ps, ofLinear(rows, c.Channels, vocabulary)...)
}

func flopsOf(ps []*product) (sum float64) {
	for _, p := range ps {
		sum += p.flops()
	}
	return sum
}

// attentionFLOPs counts those of attention's matrix products in a training step,
// two forward and four backward, over pairs of a token and one that it sees.
func attentionFLOPs(c train.Config) float64 {
	pairs := c.Batch * c.Context * (c.Context + 1) / 2
	return 6 * 2 * float64(pairs) * float64(c.Channels) * float64(c.Layers)
}

// stepFLOPs counts those of all matrix products of a training step: of linear
// layers two a weight and token forward, four backward.
func stepFLOPs(c train.Config, vocabulary int) float64 {
	weights := 12*c.Channels*c.Channels*c.Layers + vocabulary*c.Channels
	return 6*float64(weights)*float64(c.Batch*c.Context) + attentionFLOPs(c)
}
