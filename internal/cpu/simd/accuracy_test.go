package simd

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// spread returns n numbers in [low, high) in an irregular order, the same ones in any language that has IEEE
// 754 numbers.
func spread[T Float](n int, low, high float64) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(low + (high-low)*(float64(uint32(i)*2654435761)/(1<<32)))
	}
	return x
}

// measure describes a measurement of a kernel's error on given data.
type measure[T Float] struct {
	what  string
	limit float64
	// torch is the error of PyTorch 1.13 on the same data, on one thread, compared with mpmath at 200 bits:
	// torch.exp, gelu(approximate="tanh"), softmax and _softmax_backward_data.
	torch float64
	unit  func(want float64) float64
	want  []*big.Float
	got   func(k *Kernels[T]) []T
}

// TestAccuracy compares the kernels that take exponentials with the true values and logs the largest errors. In
// GELU's negative tail the error of exp's argument dominates, which grows with the argument.
func TestAccuracy(t *testing.T) {
	t.Parallel()
	t.Run("float32", func(t *testing.T) {
		accuracy(t, all32, measures[float32](-86, [6]float64{0.96, 2.2, 1.7e7, 8.7, 17.3, 9.9}))
	})
	t.Run("float64", func(t *testing.T) {
		accuracy(t, all64, measures[float64](-707, [6]float64{0.80, 2.4, 9.1e15, 22.1, 3.0, 12.5}))
	})
}

func accuracy[T Float](t *testing.T, all []*Kernels[T], table []measure[T]) {
	for _, m := range table {
		line := fmt.Sprintf("%-34s", m.what)
		for _, k := range all {
			e := errorIn(m.unit, m.got(k), m.want)
			line += fmt.Sprintf("%s %.2f  ", k.Name, e)
			require.LessOrEqual(t, e, m.limit, "%s, %s", m.what, k.Name)
			require.LessOrEqual(t, e, 1.3*m.torch, "%s, %s, beside PyTorch", m.what, k.Name)
		}
		t.Logf("%sPyTorch %.3g", line, m.torch)
	}
}

func measures[T Float](low float64, torch [6]float64) []measure[T] {
	absolute := func(float64) float64 { return ε[T]() }
	return []measure[T]{
		expMeasure[T](measure[T]{what: "exp, ulp", limit: 2, torch: torch[0], unit: ulp[T]}, low),
		geluMeasure[T](measure[T]{what: "GELU from -1 to 10, ulp", limit: 2.4, torch: torch[1], unit: ulp[T]}, -1, 10),
		geluMeasure[T](measure[T]{what: "GELU from -9 to -1, ulp", limit: 120, torch: torch[2], unit: ulp[T]}, -9, -1),
		geluSlopeMeasure[T](measure[T]{what: "GELU's slope, ε", limit: 2, torch: torch[3], unit: absolute}),
		softmaxMeasure[T](measure[T]{what: "softmax, 64 columns, ulp", limit: 7, torch: torch[4], unit: ulp[T]}),
		softmaxBackwardMeasure[T](measure[T]{
			what: "its gradient, ε of the row's max", limit: 40, torch: torch[5], unit: absolute,
		}),
	}
}

// points is the number of arguments of each function.
func points() int {
	if testing.Short() {
		return 4000
	}
	return 20_000
}

func expMeasure[T Float](m measure[T], low float64) measure[T] {
	x := spread[T](points(), low, 0)
	for _, v := range exactNumbers(x) {
		m.want = append(m.want, exactExp(v))
	}
	m.got = func(k *Kernels[T]) []T {
		p := make([]T, points())
		k.ExpSum(p, x, 0)
		return p
	}
	return m
}

func geluMeasure[T Float](m measure[T], low, high float64) measure[T] {
	x := spread[T](points(), low, high)
	for _, v := range exactNumbers(x) {
		y, _ := exactGELU(v)
		m.want = append(m.want, y)
	}
	m.got = func(k *Kernels[T]) []T {
		y := make([]T, points())
		k.GELU(y, make([]T, points()), x)
		return y
	}
	return m
}

func geluSlopeMeasure[T Float](m measure[T]) measure[T] {
	x, ones := spread[T](points(), -9, 10), spread[T](points(), 1, 1)
	for _, v := range exactNumbers(x) {
		_, slope := exactGELU(v)
		m.want = append(m.want, slope)
	}
	m.got = func(k *Kernels[T]) []T {
		dx := make([]T, points())
		h := make([]T, points())
		k.GELU(dx, h, x)
		k.GELUBackward(dx, x, h, ones)
		return dx
	}
	return m
}

const rows, cols = 64, 64

func softmaxMeasure[T Float](m measure[T]) measure[T] {
	x := spread[T](rows*cols, -10, 10)
	for row := range slices.Chunk(x, cols) {
		m.want = append(m.want, exactSoftmax(exactNumbers(row))...)
	}
	m.got = func(k *Kernels[T]) []T {
		p := slices.Clone(x)
		for row := range slices.Chunk(p, cols) {
			k.Softmax(row, row)
		}
		return p
	}
	return m
}

// softmaxBackwardMeasure measures each row's errors relative to its largest gradient.
func softmaxBackwardMeasure[T Float](m measure[T]) measure[T] {
	p, dp := softmaxMeasure(m).got(pure[T]()), spread[T](rows*cols, -1, 3)
	var scales []float64
	for i := 0; i < len(p); i += cols {
		want := exactSoftmaxBackward(exactNumbers(dp[i:i+cols]), exactNumbers(p[i:i+cols]))
		largest := 0.0
		for _, w := range want {
			v, _ := w.Float64()
			largest = max(largest, math.Abs(v))
		}
		// A power of 2, so that scaling by it is exact.
		_, exponent := math.Frexp(largest)
		scales = append(scales, math.Ldexp(1, -exponent))
		for _, w := range want {
			m.want = append(m.want, w.Mul(w, number(math.Ldexp(1, -exponent))))
		}
	}
	m.got = func(k *Kernels[T]) []T {
		ds := slices.Clone(dp)
		for i := 0; i < len(p); i += cols {
			k.SoftmaxBackward(ds[i:i+cols], p[i:i+cols])
			k.Scale(ds[i:i+cols], ds[i:i+cols], T(scales[i/cols]))
		}
		return ds
	}
	return m
}

// TestExpOnAllOfFloat32 tests the numbers up to 0 in small steps. Results below 2^-126 may be zero.
func TestExpOnAllOfFloat32(t *testing.T) {
	t.Parallel()
	for _, k := range all32 {
		worst, at := 0.0, float32(0)
		x, p := make([]float32, 1<<12), make([]float32, 1<<12)
		for bits := uint64(1 << 31); bits < 1<<32; {
			for i := range x {
				x[i] = math.Float32frombits(uint32(min(bits, 1<<32-1)))
				bits += 1031
			}
			k.ExpSum(p, x, 0)
			for i, v := range x {
				want, got := math.Exp(float64(v)), float64(p[i])
				switch {
				case math.IsNaN(want):
					require.True(t, math.IsNaN(got), "%s: exp(%g) is %g", k.Name, v, got)
				case want >= 0x1p-126 || got != 0:
					if e := math.Abs(got-want) / ulp[float32](want); !(e <= worst) {
						worst, at = e, v
					}
				}
			}
		}
		require.LessOrEqual(t, worst, 1.0, "%s: exp(%g)", k.Name, at)
		t.Logf("%s: exp is off by at most %.3f ulp, at %g", k.Name, worst, at)
	}
}
