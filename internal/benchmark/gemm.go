package benchmark

import (
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// matrixProducts compares square products and those of the transformer's layers.
func (b *bench) matrixProducts() error {
	t := newTable("m×k×n", "threads", "GFLOP/s", "of peak", "gonum", "PyTorch", "ours/gonum", "ours/PyTorch")
	var ps []*product
	for _, n := range b.sizes.squares {
		ps = append(ps, newProduct(n, n, n, false, false))
	}
	model := b.sizes.model
	for _, p := range append(ps, ofBlock(model.Batch*model.Context, model.Channels)...) {
		for _, n := range b.threads {
			m, err := b.compare(n, p.String(),
				plain(p.multiply), plain(p.gonum), b.peers.contestant(b.ctx, n, p.task()),
				plain(func() { multiplyAdds(n) }))
			if err != nil {
				return err
			}
			gigaflops := func(i int) string { return number(p.flops() / m.median(i) / 1e9) }
			peak := p.flops() / multiplyAddFLOPs(n) * m.ratio(3, 0)
			t.add(p.String(), fmt.Sprint(n), gigaflops(0), number(peak), gigaflops(1), gigaflops(2),
				number(m.ratio(1, 0)), number(m.ratio(2, 0)))
		}
	}
	return b.print("Matrix products",
		`Square products, then those of the transformer's linear layers: forward X·Wᵀ (NT), backward dY·W (NN) and
dYᵀ·X (TN). "Of peak" is our part of what multiplications and additions in registers alone reach in the same run.`, t)
}

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

// flops returns the number of operations: a multiplication and an addition for each term.
func (p *product) flops() float64 { return 2 * float64(p.m) * float64(p.n) * float64(p.k) }

// String returns the sizes, and N or T for each operand as in BLAS.
func (p *product) String() string {
	letter := map[bool]string{false: "N", true: "T"}
	return fmt.Sprintf("%d×%d×%d %s%s", p.m, p.k, p.n, letter[p.transA], letter[p.transB])
}

// gonum computes the product with gonum, as Gorgonia does by default.
func (p *product) gonum() {
	t := map[bool]blas.Transpose{false: blas.NoTrans, true: blas.Trans}
	gonum.Implementation{}.Sgemm(t[p.transA], t[p.transB], p.m, p.n, p.k, 1, p.a, p.lda, p.b, p.ldb, 0, p.c, p.n)
}

// task returns the same product as a task for PyTorch.
func (p *product) task() task {
	return task{"task": "gemm", "m": p.m, "n": p.n, "k": p.k, "trans_a": p.transA, "trans_b": p.transB}
}

// ofLinear returns the products of a linear layer, forward and backward: Y = X·Wᵀ, dX = dY·W
// and dW = dYᵀ·X.
func ofLinear(rows, in, out int) []*product {
	return []*product{
		newProduct(rows, out, in, false, true),
		newProduct(rows, in, out, false, false),
		newProduct(out, in, rows, true, false),
	}
}

// ofBlock returns the products of the linear layers of a transformer block.
func ofBlock(rows, channels int) (ps []*product) {
	c := channels
	for _, l := range [][2]int{{c, 3 * c}, {c, c}, {c, 4 * c}, {4 * c, c}} {
		ps = append(ps, ofLinear(rows, l[0], l[1])...)
	}
	return ps
}
