package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestANormOfASumEqualsItsParts compares with Add and the norm, to the bit, also for rows whose squares overflow or
// vanish, and for sizes that are written past the caches.
func TestANormOfASumEqualsItsParts(t *testing.T) {
	t.Parallel()
	t.Run("float32", func(t *testing.T) { t.Parallel(); sumEqualsItsParts[float32](t, 1e30, 1e-30) })
	t.Run("float64", func(t *testing.T) { t.Parallel(); sumEqualsItsParts[float64](t, 1e200, 1e-200) })
}

func sumEqualsItsParts[T Float](t *testing.T, large, small float64) {
	sizes := [][2]int{{0, 3}, {1, 1}, {7, 33}, {300, 64}}
	if !testing.Short() {
		sizes = append(sizes, [2]int{20_000, 256})
	}
	for _, size := range sizes {
		rows, cols := size[0], size[1]
		for name, norm := range map[string]func() *RowNorm[T]{
			"LayerNorm": func() *RowNorm[T] { return NewLayerNorm[T](cols, 1e-5) },
			"RMSNorm":   func() *RowNorm[T] { return NewRMSNorm[T](cols, cols, 1e-5) },
			"pRMSNorm":  func() *RowNorm[T] { return NewRMSNorm[T](cols, (cols+1)/2, 1e-5) },
		} {
			rng := rand.New(rand.NewPCG(uint64(rows), uint64(cols)))
			random := func() []T {
				x := make([]T, rows*cols)
				for i := range x {
					scale := 1.0
					switch i / cols % 50 {
					case 3:
						scale = large
					case 4:
						scale = small
					}
					x[i] = T(rng.NormFloat64() * scale)
				}
				return x
			}
			a, b, d, dy := random(), random(), random(), random()
			gamma, beta := make([]T, cols), make([]T, cols)
			for j := range gamma {
				gamma[j], beta[j] = T(rng.NormFloat64()), T(rng.NormFloat64())
			}
			if name != "LayerNorm" {
				beta = nil
			}
			run := func(one bool) (all [][]T) {
				n, x, y, dx := norm(), make([]T, rows*cols), make([]T, rows*cols), make([]T, rows*cols)
				dgamma, dbeta := make([]T, cols), make([]T, len(beta))
				if one {
					n.OfSum(a, b)
				} else {
					Add(x, a, b)
				}
				n.Forward(y, x, gamma, beta)
				if one {
					n.PlusGradient(d)
				}
				n.Backward(dx, dgamma, dbeta, x, gamma, dy)
				if !one {
					Add(dx, dx, d)
				}
				return [][]T{x, y, dx, dgamma, dbeta}
			}
			got, want := run(true), run(false)
			for i, w := range want {
				for j, v := range w {
					if got[i][j] != v && !(math.IsNaN(float64(v)) && math.IsNaN(float64(got[i][j]))) {
						require.Equal(t, v, got[i][j], fmt.Sprintf("%s, %d×%d, result %d at %d", name, rows, cols, i, j))
					}
				}
			}
		}
	}
}
