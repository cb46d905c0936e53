package benchmark

import (
	"math/rand/v2"
	"sync"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/cpu/simd"
)

// Only this file calls internal/cpu.

// implementation returns the name of the kernels that run.
func implementation() string { return simd.Of[float32]().Name }

// KernelNames returns the names of the kernels that this machine can run, slowest first.
func KernelNames() []string { return simd.Names() }

// useKernels makes those of a name run, and returns a function that makes the former ones run again.
func useKernels(name string) (restore func(), err error) {
	before := implementation()
	if name == "" {
		name = before
	}
	return func() { simd.Choose(before) }, simd.Choose(name)
}

// peakRounds is the number of rounds of a contestant's work, some milliseconds, beside which the start of threads
// counts little.
const peakRounds = 1_000_000

// multiplyAdds does nothing but multiplications and additions in registers, on n threads.
func multiplyAdds(n int) {
	var threads sync.WaitGroup
	for range n {
		threads.Go(func() { simd.Of[float32]().Peak(peakRounds) })
	}
	threads.Wait()
}

// multiplyAddFLOPs returns the number of its operations: a multiplication and an addition for each
// term.
func multiplyAddFLOPs(n int) float64 { return 2 * float64(n*peakRounds*simd.Of[float32]().PeakTerms) }

// operands are the tensors that every norm works on, and the norms that keep statistics of
// their own.
type operands struct {
	rows, cols         int
	layerNorm, rmsNorm *cpu.RowNorm[float32]
	batchNorm          cpu.BatchNorm[float32]
	x, y, dx, dy       []float32 // rows × cols
	gamma, beta        []float32 // cols
	dgamma, dbeta      []float32 // cols
}

func newOperands(rows, cols int) *operands {
	o := &operands{rows: rows, cols: cols}
	o.layerNorm, o.rmsNorm = cpu.NewLayerNorm[float32](cols, eps), cpu.NewRMSNorm[float32](cols, cols, eps)
	o.x, o.dy, o.gamma, o.beta = random(1, rows*cols), random(2, rows*cols), random(3, cols), random(4, cols)
	o.y, o.dx = make([]float32, rows*cols), make([]float32, rows*cols)
	o.dgamma, o.dbeta = make([]float32, cols), make([]float32, cols)
	o.batchNorm = cpu.BatchNorm[float32]{Features: cols, Inner: 1, Eps: eps}
	return o
}

// random returns n normal numbers.
func random(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// kernel is a norm's forward pass in training and its backward pass, which writes dx, dγ
// and, if there is a β, dβ.
type kernel struct {
	name              string
	forward, backward func(o *operands)
}

var kernels = []kernel{
	{"LayerNorm", func(o *operands) {
		o.layerNorm.Forward(o.y, o.x, o.gamma, o.beta)
	}, func(o *operands) {
		o.layerNorm.Backward(o.dx, o.dgamma, o.dbeta, o.x, o.gamma, o.dy)
	}},
	{"RMSNorm", func(o *operands) {
		o.rmsNorm.Forward(o.y, o.x, o.gamma, nil)
	}, func(o *operands) {
		o.rmsNorm.Backward(o.dx, o.dgamma, nil, o.x, o.gamma, o.dy)
	}},
	{"BatchNorm", func(o *operands) {
		o.batchNorm.Forward(o.y, o.x, o.gamma, o.beta)
	}, func(o *operands) {
		o.batchNorm.Backward(o.dx, o.dgamma, o.dbeta, o.x, o.gamma, o.dy)
	}},
}

// sumOperands are those of a norm of a sum: x is a + b, and d the gradient that x has from other uses.
type sumOperands struct {
	*operands
	a, b, d []float32 // rows × cols
}

func newSumOperands(rows, cols int) *sumOperands {
	return &sumOperands{newOperands(rows, cols), random(5, rows*cols), random(6, rows*cols), random(7, rows*cols)}
}

// sumKernel is a norm of a sum, in one pass and in two.
type sumKernel struct {
	name              string
	forward, backward func(o *sumOperands)
	apart             struct{ forward, backward func(o *sumOperands) }
}

// sumKernels has the norms of rows.
var sumKernels = []sumKernel{newSumKernel(kernels[0], layerNormOf), newSumKernel(kernels[1], rmsNormOf)}

func layerNormOf(o *operands) *cpu.RowNorm[float32] { return o.layerNorm }
func rmsNormOf(o *operands) *cpu.RowNorm[float32]   { return o.rmsNorm }

func newSumKernel(k kernel, norm func(o *operands) *cpu.RowNorm[float32]) (s sumKernel) {
	s.name = k.name
	s.forward = func(o *sumOperands) {
		norm(o.operands).OfSum(o.a, o.b)
		k.forward(o.operands)
	}
	s.backward = func(o *sumOperands) {
		norm(o.operands).PlusGradient(o.d)
		k.backward(o.operands)
	}
	s.apart.forward = func(o *sumOperands) {
		cpu.Add(o.x, o.a, o.b)
		k.forward(o.operands)
	}
	s.apart.backward = func(o *sumOperands) {
		k.backward(o.operands)
		cpu.Add(o.dx, o.dx, o.d)
	}
	return s
}

// multiply runs one of our matrix products.
func (p *product) multiply() {
	cpu.Gemm(p.transA, p.transB, p.m, p.n, p.k, 1, p.a, p.lda, p.b, p.ldb, 0, p.c, p.n)
}
