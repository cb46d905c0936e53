package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/golden"
)

// made returns numbers that testdata/accuracy.py computes too.
func made(seed uint64, n int, mean, deviation float64) []float32 {
	x := make([]float32, n)
	for i, v := range golden.Made(seed, n, mean, deviation) {
		x[i] = float32(v)
	}
	return x
}

// TestAccuracyBesidePyTorch bounds the largest errors of the float32 kernels by PyTorch's on
// the same data. Errors are differences from the formulas in float64, as a fraction of the
// largest value. testdata/accuracy.py prints PyTorch's, with PyTorch 1.13.0 on a CPU. A unit
// in the last place is 1.2e-7.
func TestAccuracyBesidePyTorch(t *testing.T) {
	t.Parallel()
	const rows, cols, eps = 64, 500, 1e-5
	dy, gamma, beta := made(2, rows*cols, 0, 1), made(3, cols, 0, 1), made(4, cols, 0, 1)
	norm := func(name string, mean float64, pytorch []float64) {
		x := made(1, rows*cols, mean, 1)
		y, dx := make([]float32, len(x)), make([]float32, len(x))
		dgamma, dbeta := make([]float32, cols), make([]float32, cols)
		o := normOracle{x: x, dy: dy, gamma: gamma, beta: beta, rows: rows, cols: cols, eps: eps, centred: true}
		switch name {
		case "LayerNorm":
			n := NewLayerNorm[float32](cols, eps)
			n.Forward(y, x, gamma, beta)
			n.Backward(dx, dgamma, dbeta, x, gamma, dy)
		case "RMSNorm":
			o.centred, o.beta = false, make([]float32, cols)
			n := NewRMSNorm[float32](cols, cols, eps)
			n.Forward(y, x, gamma, nil)
			n.Backward(dx, dgamma, nil, x, gamma, dy)
		case "BatchNorm":
			o.byColumn = true
			n := BatchNorm[float32]{Features: cols, Inner: 1, Eps: eps}
			n.Forward(y, x, gamma, beta)
			n.Backward(dx, dgamma, dbeta, x, gamma, dy)
		}
		wantY, wantDx, wantDgamma, wantDbeta := o.compute()
		ours := []float64{largestError(wantY, y), largestError(wantDx, dx), largestError(wantDgamma, dgamma)}
		if o.centred {
			ours = append(ours, largestError(wantDbeta, dbeta))
		}
		holdToPyTorch(t, name, mean, ours, pytorch)
	}
	// y, dx, dγ and dβ
	norm("LayerNorm", 0, []float64{1.13e-07, 1.23e-07, 1.95e-07, 2.35e-07})
	norm("RMSNorm", 0, []float64{1.14e-07, 1.26e-07, 1.39e-07})
	norm("BatchNorm", 0, []float64{1.47e-07, 1.74e-07, 2.83e-07, 2.35e-07})
	norm("LayerNorm", 1e4, []float64{3.79e-04, 1.01e-04, 4.74e-04, 2.35e-07})
	norm("RMSNorm", 1e4, []float64{1.65e-07, 1.05e-07, 1.11e-07})
	norm("BatchNorm", 1e4, []float64{6.68e-04, 2.71e-04, 2.06e-03, 2.35e-07})
	norm("LayerNorm", 1e6, []float64{3.37e-02, 1.31e-02, 3.58e-02, 2.35e-07})
	norm("RMSNorm", 1e6, []float64{1.71e-07, 1.08e-07, 1.15e-07})
	norm("BatchNorm", 1e6, []float64{5.50e-02, 2.42e-02, 1.45e-01, 2.35e-07})

	x := made(1, rows*cols, 0, 3)
	y, dx := make([]float32, len(x)), make([]float32, len(x))
	wantY, wantDx := make([]float64, len(x)), make([]float64, len(x))
	var tanhForm GELU[float32]
	tanhForm.Forward(y, x)
	tanhForm.Backward(dx, x, dy)
	for i, v := range x {
		v := float64(v)
		c := math.Sqrt(2 / math.Pi)
		tanh := math.Tanh(c * (v + 0.044715*v*v*v))
		wantY[i] = v * (1 + tanh) / 2
		wantDx[i] = float64(dy[i]) * ((1+tanh)/2 + v/2*(1-tanh*tanh)*c*(1+3*0.044715*v*v))
	}
	ours := []float64{largestError(wantY, y), largestError(wantDx, dx)}
	holdToPyTorch(t, "GELU", 0, ours, []float64{4.40e-08, 4.96e-07})

	exact := GELU[float32]{Exact: true}
	exact.Forward(y, x)
	exact.Backward(dx, x, dy)
	for i, v := range x {
		var slope float64
		wantY[i], slope = exactFormula(float64(v))
		wantDx[i] = float64(dy[i]) * slope
	}
	ours = []float64{largestError(wantY, y), largestError(wantDx, dx)}
	holdToPyTorch(t, "GELU exact", 0, ours, []float64{3.73e-08, 1.70e-07})

	targets := make([]int, rows)
	var want float64
	for r := range targets {
		targets[r] = r * 7 % cols
		var z float64
		for _, v := range x[r*cols : (r+1)*cols] {
			z += math.Exp(float64(v))
		}
		for j, v := range x[r*cols : (r+1)*cols] {
			wantDx[r*cols+j] = math.Exp(float64(v)) / z / rows
		}
		wantDx[r*cols+targets[r]] -= 1.0 / rows
		want += (math.Log(z) - float64(x[r*cols+targets[r]])) / rows
	}
	var e CrossEntropy[float32]
	loss := e.Forward(x, targets, cols)
	e.Backward(dx, targets, 1)
	ours = []float64{largestError([]float64{want}, []float32{loss}), largestError(wantDx, dx)}
	holdToPyTorch(t, "CrossEntropy", 0, ours, []float64{4.10e-08, 4.44e-08})
}

// holdToPyTorch bounds our errors by PyTorch's plus one rounding of the result, half a unit in
// the last place either way, because PyTorch may be luckier on these numbers.
func holdToPyTorch(t *testing.T, name string, mean float64, ours, pytorch []float64) {
	t.Helper()
	t.Logf("%-12s mean %-6g ours %.2e  PyTorch's %.2e", name, mean, ours, pytorch)
	require.Len(t, ours, len(pytorch))
	for i := range ours {
		require.LessOrEqual(t, ours[i], pytorch[i]+0x1p-23, "%s, mean %g, result %d", name, mean, i)
	}
}

func largestError(want []float64, got []float32) float64 {
	var worst, size float64
	for i, w := range want {
		worst, size = max(worst, math.Abs(float64(got[i])-w)), max(size, math.Abs(w))
	}
	return worst / size
}

// normOracle computes the formulas of the norms in float64.
type normOracle struct {
	x, dy, gamma, beta []float32
	rows, cols         int
	eps                float64
	centred, byColumn  bool
}

func (o normOracle) compute() (y, dx, dgamma, dbeta []float64) {
	y, dx = make([]float64, len(o.x)), make([]float64, len(o.x))
	dgamma, dbeta = make([]float64, o.cols), make([]float64, o.cols)
	groups, n, stride, step := o.rows, o.cols, o.cols, 1
	if o.byColumn {
		groups, n, stride, step = o.cols, o.rows, 1, o.cols
	}
	for g := range groups {
		at := func(i int) int { return g*stride + i*step }
		var mean, variance float64
		for i := range n {
			mean += float64(o.x[at(i)]) / float64(n)
		}
		if !o.centred {
			mean = 0
		}
		for i := range n {
			d := float64(o.x[at(i)]) - mean
			variance += d * d / float64(n)
		}
		rstd := 1 / math.Sqrt(variance+o.eps)
		var sum, sumX float64
		for i := range n {
			k := at(i)
			xhat, d, c := (float64(o.x[k])-mean)*rstd, float64(o.dy[k]), k%o.cols
			y[k] = xhat*float64(o.gamma[c]) + float64(o.beta[c])
			dgamma[c] += d * xhat
			dbeta[c] += d
			sum += d * float64(o.gamma[c]) / float64(n)
			sumX += d * float64(o.gamma[c]) * xhat / float64(n)
		}
		if !o.centred {
			sum = 0
		}
		for i := range n {
			k := at(i)
			xhat := (float64(o.x[k]) - mean) * rstd
			dx[k] = rstd * (float64(o.dy[k])*float64(o.gamma[k%o.cols]) - sum - xhat*sumX)
		}
	}
	return y, dx, dgamma, dbeta
}
