package train

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// TestClipGradNorm has gradients whose elements are the legs of right triangles with
// integer sides, scaled.
func TestClipGradNorm(t *testing.T) {
	t.Parallel()
	inf, huge := math.Inf(1), math.MaxFloat64
	for _, c := range []struct {
		name  string
		a     []float64
		b     []float32
		limit float64
		norm  float64
		wantA []float64
		wantB []float32
	}{
		{"above", []float64{3}, []float32{0, 4}, 1, 5, []float64{0.6}, []float32{0, 0.8}},
		{"below", []float64{3}, []float32{0, 4}, 6, 5, []float64{3}, []float32{0, 4}},
		{"zero", []float64{0}, []float32{0, 0}, 1, 0, []float64{0}, []float32{0, 0}},
		{"no clipping", []float64{3}, []float32{0, 4}, 0, 5, []float64{3}, []float32{0, 4}},
		{"a limit beyond all norms", []float64{3}, []float32{0, 4}, inf, 5, []float64{3}, []float32{0, 4}},
		{"infinite", []float64{inf}, []float32{1, 2}, 1, inf, []float64{inf}, []float32{1, 2}},
		{"squares beyond float32", []float64{0}, []float32{3e30, 4e30}, 5, 5e30, []float64{0}, []float32{3, 4}},
		{"squares beyond float64", []float64{3e200, 4e200}, []float32{1, 2}, 5, 5e200, []float64{3, 4}, []float32{0, 0}},
		{"squares beyond float64, and the limit too", []float64{3e200, 4e200}, []float32{1}, 5e180, 5e200,
			[]float64{3e180, 4e180}, []float32{1e-20}},
		{"a norm beyond float64", []float64{huge, huge, huge, huge}, []float32{1}, 2, inf,
			[]float64{1, 1, 1, 1}, []float32{0}},
		{"squares below float64", []float64{3e-200, 4e-200}, []float32{0}, 5e-201, 5e-200,
			[]float64{3e-201, 4e-201}, []float32{0}},
		{"a factor below float32", []float64{0}, []float32{3e38, 2e38}, 1e-5, 3.6055512754639892931e38,
			[]float64{0}, []float32{8.3205029433784368303e-06, 5.5470019622522912202e-06}},
		{"a factor below float64", []float64{3e300, 4e300}, []float32{0}, 5e-20, 5e300,
			[]float64{3e-20, 4e-20}, []float32{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := dense(c.a, len(c.a)), dense(c.b, len(c.b))
			norm, err := ClipGradNorm([]G.ValueGrad{weight{a, a}, weight{b, b}}, c.limit)
			require.NoError(t, err)
			close := func(want, got, tolerance float64) {
				if math.IsInf(want, 1) || want == 0 {
					require.Equal(t, want, got)
					return
				}
				require.InEpsilon(t, want, got, tolerance)
			}
			close(c.norm, norm, 1e-6)
			for i, want := range c.wantA {
				close(want, a.Float64s()[i], 1e-12)
			}
			for i, want := range c.wantB {
				close(float64(want), float64(b.Float32s()[i]), 1e-6)
			}
		})
	}
	nan := dense([]float64{math.NaN(), math.Inf(1)}, 2)
	norm, err := ClipGradNorm([]G.ValueGrad{weight{nan, nan}}, 1)
	require.NoError(t, err)
	require.True(t, math.IsNaN(norm))
	for limit, want := range map[float64]string{
		-1:           "train: ClipGradNorm: limit is -1, want a number above 0, or 0 to clip nothing",
		math.Inf(-1): "train: ClipGradNorm: limit is -Inf, want a number above 0, or 0 to clip nothing",
		math.NaN():   "train: ClipGradNorm: limit is NaN, want a number above 0, or 0 to clip nothing",
	} {
		a := dense([]float64{3, 4}, 2)
		_, err := ClipGradNorm([]G.ValueGrad{weight{a, a}}, limit)
		require.EqualError(t, err, want)
		require.Equal(t, []float64{3, 4}, a.Data(), "nothing is scaled")
	}
}
