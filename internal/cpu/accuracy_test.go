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

// accuracy is the errors of y, dx, dγ and dβ in float32. That of an element of y
// or dx is relative to the root mean square of its row (BatchNorm: column), that
// of one of dγ or dβ to the vector's; the largest counts.
type accuracy [4]float64

// pyTorch is the worst of twenty seeds on data of the same kind and size, with
// PyTorch 1.13 on a CPU, beside the same formulas in its float64. It has no
// RMSNorm; that is x·rsqrt(mean(x²)+eps)·γ there, and autograd.
var accuracies = []struct {
	norm, data string
	pyTorch    accuracy
}{
	{"LayerNorm", "normal", accuracy{6.2e-7, 1.1e-6, 2.9e-6, 3.8e-6}},
	{"LayerNorm", "mean 1e4", accuracy{2.2e-3, 1.4e-3, 2.4e-3, 3.6e-6}},
	{"LayerNorm", "mean 1e6", accuracy{1.3e-1, 1.5e-1, 1.7e-1, 2.9e-6}},
	{"LayerNorm", "thirty orders of magnitude", accuracy{3.5e-6, 9.7e-7, 3.5e-6, 3.3e-6}},
	{"RMSNorm", "normal", accuracy{8.6e-7, 1.2e-6, 7.3e-7}},
	{"RMSNorm", "mean 1e4", accuracy{2.9e-7, 1.0e-6, 6.1e-7}},
	{"RMSNorm", "mean 1e6", accuracy{3.0e-7, 1.2e-6, 6.4e-7}},
	{"RMSNorm", "thirty orders of magnitude", accuracy{4.9e-6, 3.2e-3, 8.3e-7}},
	{"BatchNorm", "normal", accuracy{2.2e-6, 2.3e-6, 4.0e-6, 4.0e-6}},
	{"BatchNorm", "mean 1e4", accuracy{1.4e-2, 4.3e-3, 3.3e-2, 2.8e-6}},
	{"BatchNorm", "mean 1e6", accuracy{2.2e-1, 8.3e-2, 3.5e-1, 4.1e-6}},
	{"BatchNorm", "thirty orders of magnitude", accuracy{2.0e-4, 3.1e-5, 2.0e-5, 2.8e-6}},
}

var accuracyData = map[string]func(r *rand.Rand) float64{
	"normal":   func(r *rand.Rand) float64 { return r.NormFloat64() },
	"mean 1e4": func(r *rand.Rand) float64 { return 1e4 + r.NormFloat64() },
	"mean 1e6": func(r *rand.Rand) float64 { return 1e6 + r.NormFloat64() },
	"thirty orders of magnitude": func(r *rand.Rand) float64 {
		return r.NormFloat64() * math.Pow(10, 30*r.Float64()-15)
	},
}

// TestNormsAreAsAccurateAsPyTorch: at least, and far from zero much more so.
func TestNormsAreAsAccurateAsPyTorch(t *testing.T) {
	t.Logf("%-10s %-27s %32s   %32s", "", "", "y, dx, dγ, dβ", "PyTorch's")
	for _, a := range accuracies {
		var worst accuracy
		for seed := range uint64(5) {
			for i, e := range newNormProblem(512, 768, seed, accuracyData[a.data]).errors(a.norm, 1e-5) {
				worst[i] = max(worst[i], e)
				require.False(t, math.IsNaN(e))
			}
		}
		t.Logf("%-10s %-27s %8.1e   %8.1e", a.norm, a.data, worst, a.pyTorch)
		for i, e := range worst {
			// A quarter more is the luck of the draw: near zero all that is measured is
			// the largest of many roundings.
			assert.LessOrEqual(t, e, 1.25*a.pyTorch[i], "%s, %s, result %d", a.norm, a.data, i)
		}
	}
}

// TestNormsOfHugeAndTinyValues: squares of these overflow float32, or vanish.
func TestNormsOfHugeAndTinyValues(t *testing.T) {
	for _, norm := range []string{"LayerNorm", "RMSNorm", "BatchNorm"} {
		for _, size := range []float64{1e30, 1e-25} {
			p := newNormProblem(50, 70, 1, func(r *rand.Rand) float64 { return size * (1 + r.NormFloat64()) })
			for _, e := range p.errors(norm, 1e-70) {
				assert.Less(t, e, 2e-6, "%s, %g", norm, size)
			}
		}
	}
}

// TestBatchNormFindsABetterPilot: where the variance is first
// taken about a value far from the mean, it is taken again.
func TestBatchNormFindsABetterPilot(t *testing.T) {
	p := newNormProblem(20000, 3, 1, func(r *rand.Rand) float64 { return r.NormFloat64() })
	for j := range p.cols {
		p.x[j] = 1e6 // the first row is part of any sample
	}
	for _, e := range p.errors("BatchNorm", 1e-5) {
		assert.Less(t, e, 5e-5) // x̂ of the outlier is √20000
	}
}

// TestNormsAreTheSameAtAnyNumberOfThreads, and allocate nothing from the second
// time on. The larger size is one that goes past the caches.
func TestNormsAreTheSameAtAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, size := range [][2]int{{700, 130}, {4300, 1024}} {
		for _, norm := range []string{"LayerNorm", "RMSNorm", "BatchNorm"} {
			run := newNormProblem(size[0], size[1], 1, accuracyData["mean 1e4"]).runner(norm, 1e-5)
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

func clone(r normResults) normResults {
	for i, s := range r {
		r[i] = slices.Clone(s)
	}
	return r
}

// normProblem is the inputs of a norm.
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

// runner gives a function that takes the norm forward and backward.
func (p *normProblem) runner(norm string, eps float64) func() normResults {
	n := len(p.x)
	y, dx, dgamma, dbeta := make([]float32, n), make([]float32, n), make([]float32, p.cols), make([]float32, p.cols)
	mean, shift, rstd := make([]float32, p.rows), make([]float32, p.rows), make([]float32, p.rows)
	columnMean, variance := make([]float64, p.cols), make([]float64, p.cols)
	return func() normResults {
		switch norm {
		case "LayerNorm":
			LayerNorm(y, p.x, p.gamma, p.beta, mean, shift, rstd, p.rows, p.cols, eps)
			LayerNormBackward(dx, dgamma, dbeta, p.x, p.gamma, mean, shift, rstd, p.dy, p.rows, p.cols)
		case "RMSNorm":
			RMSNorm(y, p.x, p.gamma, rstd, p.rows, p.cols, eps)
			RMSNormBackward(dx, dgamma, p.x, p.gamma, rstd, p.dy, p.rows, p.cols)
		case "BatchNorm":
			BatchNorm(y, p.x, p.gamma, p.beta, columnMean, variance, p.rows, p.cols, eps)
			ColumnNormBackward(dx, dgamma, dbeta, p.x, p.gamma, columnMean, variance, p.dy, p.rows, p.cols, eps, true)
		}
		return normResults{y, dx, dgamma, dbeta}
	}
}

func (p *normProblem) errors(norm string, eps float64) accuracy {
	got := p.runner(norm, eps)()
	wantY, wantDx, wantDgamma, wantDbeta := p.oracle(norm, eps)
	matrix := func(want []float64, got []float32) (worst float64) {
		lines, length, along, across := p.rows, p.cols, 1, p.cols
		if norm == "BatchNorm" {
			lines, length, along, across = p.cols, p.rows, p.cols, 1
		}
		for l := range lines {
			worst = max(worst, lineError(want[l*across:], got[l*across:], length, along))
		}
		return worst
	}
	a := accuracy{matrix(wantY, got[0]), matrix(wantDx, got[1]), lineError(wantDgamma, got[2], p.cols, 1)}
	if norm != "RMSNorm" {
		a[3] = lineError(wantDbeta, got[3], p.cols, 1)
	}
	return a
}

// lineError is the largest error of n elements beside their root mean square.
func lineError(want []float64, got []float32, n, step int) float64 {
	var squares, worst float64
	for i := range n {
		w := want[i*step]
		squares += w * w
		worst = max(worst, math.Abs(w-float64(got[i*step])))
	}
	return worst / math.Sqrt(squares/float64(n))
}

// oracle is the norms' formulas in float64, a row (or column) at a time.
func (p *normProblem) oracle(norm string, eps float64) (y, dx, dgamma, dbeta []float64) {
	y, dx, dgamma, dbeta = make([]float64, len(p.x)), make([]float64, len(p.x)), make([]float64, p.cols), make([]float64, p.cols)
	lines, length := p.rows, p.cols
	at := func(line, i int) (element, column int) { return line*p.cols + i, i }
	if norm == "BatchNorm" {
		lines, length = p.cols, p.rows
		at = func(line, i int) (element, column int) { return i*p.cols + line, line }
	}
	n := float64(length)
	for l := range lines {
		var mean, variance, meanG, meanGX float64
		each := func(f func(x, g float64, e, c int)) {
			for i := range length {
				e, c := at(l, i)
				f(float64(p.x[e]), float64(p.dy[e])*float64(p.gamma[c]), e, c)
			}
		}
		if norm != "RMSNorm" {
			each(func(x, _ float64, _, _ int) { mean += x / n })
		}
		each(func(x, _ float64, _, _ int) { variance += (x - mean) * (x - mean) / n })
		rstd := 1 / math.Sqrt(variance+eps)
		each(func(x, g float64, e, c int) {
			xhat := (x - mean) * rstd
			y[e] = xhat * float64(p.gamma[c])
			if norm != "RMSNorm" {
				y[e] += float64(p.beta[c])
				meanG += g / n
			}
			meanGX += g * xhat / n
			dgamma[c] += float64(p.dy[e]) * xhat
			dbeta[c] += float64(p.dy[e])
		})
		each(func(x, g float64, e, _ int) { dx[e] = rstd * (g - meanG - (x-mean)*rstd*meanGX) })
	}
	return y, dx, dgamma, dbeta
}
