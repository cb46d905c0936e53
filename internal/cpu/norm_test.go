package cpu

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNormsOfThirtyOrdersOfMagnitude covers rows in which only a few numbers matter.
// PyTorch's errors are the worst of twenty draws of this kind and size, of PyTorch 1.13 on a
// CPU relative to its float64. Its RMSNorm is composed.
func TestNormsOfThirtyOrdersOfMagnitude(t *testing.T) {
	for norm, pyTorch := range map[string]normErrors{
		"LayerNorm": {3.5e-6, 9.7e-7, 3.5e-6, 3.3e-6},
		"RMSNorm":   {4.9e-6, 3.2e-3, 8.3e-7},
		"BatchNorm": {2.0e-4, 3.1e-5, 2.0e-5, 2.8e-6},
	} {
		var worst normErrors
		for seed := range uint64(5) {
			p := newNormProblem(512, 768, seed, func(r *rand.Rand) float64 {
				return r.NormFloat64() * math.Pow(10, 30*r.Float64()-15)
			})
			for i, e := range p.errors(norm, 1e-5) {
				worst[i] = max(worst[i], e)
				require.False(t, math.IsNaN(e))
			}
		}
		t.Logf("%-10s ours %.1e  PyTorch's %.1e", norm, worst, pyTorch)
		for i, e := range worst {
			// The worst of draws varies by about a quarter.
			assert.LessOrEqual(t, e, 1.25*pyTorch[i], "%s, result %d", norm, i)
		}
	}
}

// TestNormsOfHugeAndTinyValues covers values whose squares overflow or vanish in float32.
func TestNormsOfHugeAndTinyValues(t *testing.T) {
	for _, norm := range norms {
		for _, size := range []float64{1e30, 1e-25} {
			p := newNormProblem(50, 70, 1, func(r *rand.Rand) float64 { return size * (1 + r.NormFloat64()) })
			for _, e := range p.errors(norm, 1e-70) {
				assert.Less(t, e, 2e-6, "%s, %g", norm, size)
			}
		}
	}
}

// TestBatchNormFindsABetterPilot covers columns whose variance is first taken about a value
// far from the mean. It must be taken again.
func TestBatchNormFindsABetterPilot(t *testing.T) {
	p := newNormProblem(20000, 3, 1, func(r *rand.Rand) float64 { return r.NormFloat64() })
	for j := range p.cols {
		p.x[j] = 1e6 // the first row is part of any sample
	}
	for _, e := range p.errors("BatchNorm", 1e-5) {
		assert.Less(t, e, 5e-5) // x̂ of the outlier is √20000
	}
}

// TestSumsOverManyRowsStayExact covers sums of equal terms, which in float32 alone are
// rounded the same way each time.
func TestSumsOverManyRowsStayExact(t *testing.T) {
	p := newNormProblem(200000, 3, 1, func(r *rand.Rand) float64 { return 0.1 * float64(2*r.IntN(2)-1) })
	copy(p.dy, p.x)
	e := p.errors("BatchNorm", 1e-5)
	assert.Less(t, e[0], 1e-6, "y")
	assert.Less(t, e[2], 2e-6, "dγ")

	for i := range p.x {
		p.x[i] = 0.1
	}
	sums := make([]float32, p.cols)
	SumRows(sums, p.x, p.rows, p.cols)
	assert.InEpsilon(t, 20000, sums[0], 1e-6)
}

// TestNormsAreTheSameAtAnyNumberOfThreads also checks that they allocate nothing after the
// first run. Results of the larger size are written past the caches.
func TestNormsAreTheSameAtAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	sizes := [][2]int{{700, 130}, {4301, 1024}}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, size := range sizes {
		for _, norm := range norms {
			p := newNormProblem(size[0], size[1], 1, func(r *rand.Rand) float64 { return 3 + r.NormFloat64() })
			run := p.runner(norm, 1e-5)
			runtime.GOMAXPROCS(1)
			want := clone(run())
			for _, threads := range []int{2, 3, 8} {
				runtime.GOMAXPROCS(threads)
				require.Equal(t, want, clone(run()), "%s %v, %d threads", norm, size, threads)
			}
			require.Zero(t, testing.AllocsPerRun(3, func() { run() }), "%s %v", norm, size)
		}
	}
}

// TestStreamedNorms compares rows of results that are written past the caches, because they
// are large enough and aligned, with the same rows of smaller results.
func TestStreamedNorms(t *testing.T) {
	const rows, cols, some = 4301, 1024, 7
	p := newNormProblem(rows, cols, 1, func(r *rand.Rand) float64 { return 3 + r.NormFloat64() })
	for _, norm := range []string{"LayerNorm", "RMSNorm"} {
		whole := p.runner(norm, 1e-5)()
		require.True(t, streams(whole[0], cols) && streams(whole[1], cols))
		for _, from := range []int{0, 1000, rows - some} {
			part := *p
			part.rows, part.x, part.dy = some, p.x[from*cols:(from+some)*cols], p.dy[from*cols:(from+some)*cols]
			got := part.runner(norm, 1e-5)()
			for i := range 2 { // y and dx
				for j, v := range whole[i][from*cols : (from+some)*cols] {
					require.InDelta(t, v, got[i][j], 2e-6)
				}
			}
		}
	}
}

var norms = []string{"LayerNorm", "RMSNorm", "BatchNorm"}

// normProblem holds the inputs of a norm.
type normProblem struct {
	rows, cols         int
	x, gamma, beta, dy []float32
}

func newNormProblem(rows, cols int, seed uint64, data func(*rand.Rand) float64) *normProblem {
	r := rand.New(rand.NewPCG(seed, 7))
	fill := func(n int, value func() float64) []float32 {
		s := make([]float32, n)
		for i := range s {
			s[i] = float32(value())
		}
		return s
	}
	return &normProblem{
		rows: rows, cols: cols,
		x:     fill(rows*cols, func() float64 { return data(r) }),
		gamma: fill(cols, func() float64 { return 1 + 0.1*r.NormFloat64() }),
		beta:  fill(cols, r.NormFloat64),
		dy:    fill(rows*cols, r.NormFloat64),
	}
}

// normResults are y, dx, dγ and dβ.
type normResults [4][]float32

func clone(r normResults) normResults {
	for i, s := range r {
		r[i] = slices.Clone(s)
	}
	return r
}

// runner returns a function that runs the norm forward and backward.
func (p *normProblem) runner(norm string, eps float64) func() normResults {
	forward, backward := p.passes(norm, eps)
	return func() normResults {
		forward()
		return backward()
	}
}

// passes returns both passes. The second uses what the first has kept.
func (p *normProblem) passes(norm string, eps float64) (forward func(), backward func() normResults) {
	r := normResults{
		make([]float32, len(p.x)), make([]float32, len(p.x)), make([]float32, p.cols), make([]float32, p.cols),
	}
	y, dx, dgamma, dbeta := r[0], r[1], r[2], r[3]
	switch norm {
	case "LayerNorm":
		n := NewLayerNorm[float32](p.cols, eps)
		forward = func() { n.Forward(y, p.x, p.gamma, p.beta) }
		backward = func() normResults {
			n.Backward(dx, dgamma, dbeta, p.x, p.gamma, p.dy)
			return r
		}
	case "RMSNorm":
		n := NewRMSNorm[float32](p.cols, p.cols, eps)
		forward = func() { n.Forward(y, p.x, p.gamma, nil) }
		backward = func() normResults {
			n.Backward(dx, dgamma, nil, p.x, p.gamma, p.dy)
			return r
		}
	case "BatchNorm":
		n := BatchNorm[float32]{Features: p.cols, Inner: 1, Eps: eps}
		forward = func() { n.Forward(y, p.x, p.gamma, p.beta) }
		backward = func() normResults {
			n.Backward(dx, dgamma, dbeta, p.x, p.gamma, p.dy)
			return r
		}
	case "DyT", "Derf":
		n := newPointwise[float32](norm == "Derf", p.cols)
		forward = func() { n.Forward(y, p.x, p.gamma, p.beta, 0.5, 0.1) }
		backward = func() normResults {
			n.Backward(dx, dgamma, dbeta, p.x, p.gamma, p.dy, 0.5, 0.1)
			return r
		}
	}
	return forward, backward
}

// normErrors are the largest errors of y, dx, dγ and dβ, relative to the root mean square of
// their row (BatchNorm: column) or vector.
type normErrors [4]float64

func (p *normProblem) errors(norm string, eps float64) (e normErrors) {
	got := p.runner(norm, eps)()
	o := normOracle{x: p.x, dy: p.dy, gamma: p.gamma, beta: p.beta, rows: p.rows, cols: p.cols, eps: eps}
	o.centred, o.byColumn = norm != "RMSNorm", norm == "BatchNorm"
	if !o.centred {
		o.beta = make([]float32, p.cols)
	}
	y, dx, dgamma, dbeta := o.compute()
	matrix := func(want []float64, got []float32) (worst float64) {
		lines, length, along, across := p.rows, p.cols, 1, p.cols
		if o.byColumn {
			lines, length, along, across = p.cols, p.rows, p.cols, 1
		}
		for l := range lines {
			worst = max(worst, lineError(want[l*across:], got[l*across:], length, along))
		}
		return worst
	}
	e = normErrors{matrix(y, got[0]), matrix(dx, got[1]), lineError(dgamma, got[2], p.cols, 1)}
	if o.centred {
		e[3] = lineError(dbeta, got[3], p.cols, 1)
	}
	return e
}

// lineError returns the largest error of n elements, relative to their root mean square.
func lineError(want []float64, got []float32, n, step int) float64 {
	var squares, worst float64
	for i := range n {
		w := want[i*step]
		squares += w * w
		worst = max(worst, math.Abs(w-float64(got[i*step])))
	}
	return worst / math.Sqrt(squares/float64(n))
}
