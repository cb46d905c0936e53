package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestCombinedMomentsEqualTheWholeBatchs for 7 parts of different sizes, one of them without rows.
func TestCombinedMomentsEqualTheWholeBatchs(t *testing.T) {
	const rows, features = 100, 3
	x := normals(rand.New(rand.NewPCG(7, 7)), rows*features, 1000, 3)
	moments := func(l *BatchNorm, x []float64) Moments {
		g := G.NewGraph()
		placed, err := l.On(g, Training)
		require.NoError(t, err)
		require.Zero(t, placed.(*BatchNorm).Moments().Count)
		_, err = placed.Forward(input(g, "x", tensor.Float64, x, len(x)/features, features))
		require.NoError(t, err)
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		require.NoError(t, vm.RunAll())
		return placed.(*BatchNorm).Moments()
	}
	l, err := NewBatchNorm(G.NewGraph(), features, f64)
	require.NoError(t, err)
	whole := moments(l, x)
	var parts []Moments
	at := 0
	for _, n := range []int{2, 31, 3, 40, 5, 19, 0} {
		part := Moments{}
		if n > 0 {
			part = moments(l, x[at*features:(at+n)*features])
		}
		require.Equal(t, n, part.Count)
		parts, at = append(parts, part), at+n
	}
	require.Len(t, parts, 7)
	require.Equal(t, rows, at)
	got, err := CombineMoments(parts...)
	require.NoError(t, err)
	require.Equal(t, whole.Count, got.Count)
	for j := range features {
		var mean, m2 float64
		for r := range rows {
			mean += x[r*features+j] / rows
		}
		for r := range rows {
			m2 += (x[r*features+j] - mean) * (x[r*features+j] - mean)
		}
		require.InEpsilon(t, mean, got.Mean[j], 1e-12)
		require.InEpsilon(t, m2, got.M2[j], 1e-12)
		require.InEpsilon(t, m2/rows, got.Var()[j], 1e-12)
		require.InEpsilon(t, whole.Mean[j], got.Mean[j], 1e-12)
		require.InEpsilon(t, whole.M2[j], got.M2[j], 1e-12)
	}

	none, err := CombineMoments()
	require.NoError(t, err)
	require.Zero(t, none)
	_, err = CombineMoments(parts[0], Moments{Count: 1, Mean: []float64{1}, M2: []float64{0}})
	require.EqualError(t, err, "layers: CombineMoments: part 1 has a count of 1, 1 means and 1 M2, "+
		"want a count of 1 or more and 3 of each")
}

func TestMomentsAreACopy(t *testing.T) {
	g := G.NewGraph()
	l, err := NewBatchNorm(g, 1, f64)
	require.NoError(t, err)
	x := input(g, "x", tensor.Float64, []float64{1, 3}, 2, 1)
	_, err = l.Forward(x)
	require.NoError(t, err)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	first := l.Moments()
	vm.Reset()
	overwrite(x, []float64{5, 9})
	require.NoError(t, vm.RunAll())
	require.Equal(t, Moments{Count: 2, Mean: []float64{2}, M2: []float64{2}}, first)
	require.Equal(t, Moments{Count: 2, Mean: []float64{7}, M2: []float64{8}}, l.Moments())
}

// TestStatisticsOfPartsBecomeRunning compares with a layer of momentum 1 that normalizes the whole
// batch.
func TestStatisticsOfPartsBecomeRunning(t *testing.T) {
	t.Parallel()
	for name, dt := range dtypes {
		for option, opts := range map[string][]Option{
			"unbiased":  nil,
			"biased":    {WithBiasedVariance()},
			"positions": {WithPositions(2)},
		} {
			t.Run(name+"/"+option, func(t *testing.T) {
				shape := []int{5, 2, 3}
				rng := rand.New(rand.NewPCG(8, 8))
				first, second := normals(rng, 30, 2, 1), normals(rng, 30, 3, 2)
				run := func(l *BatchNorm, batch int, x []float64) Moments {
					g := G.NewGraph()
					placed, err := l.On(g, Training)
					require.NoError(t, err)
					_, err = placed.Forward(input(g, "x", dt, x, append([]int{batch}, shape[1:]...)...))
					require.NoError(t, err)
					vm := G.NewTapeMachine(g)
					defer vm.Close()
					require.NoError(t, vm.RunAll())
					return placed.(*BatchNorm).Moments()
				}
				opts := append([]Option{WithDtype(dt), WithMomentum(1)}, opts...)
				whole, err := NewBatchNorm(G.NewGraph(), 3, opts...)
				require.NoError(t, err)
				run(whole, 10, append(first, second...))

				parts, err := NewBatchNorm(G.NewGraph(), 3, opts...)
				require.NoError(t, err)
				m, err := CombineMoments(run(parts, 5, first), run(parts, 5, second))
				require.NoError(t, err)
				require.NoError(t, parts.SetStatistics(m))
				require.InDeltaSlice(t, float64s(whole.RunningMean()), float64s(parts.RunningMean()), 1e-6)
				require.InDeltaSlice(t, float64s(whole.RunningVar()), float64s(parts.RunningVar()), 1e-6)
				require.Equal(t, []int64{2}, parts.State()["num_batches_tracked"].Data())
			})
		}
	}
}

func TestSetStatisticsRefusesImpossibleMoments(t *testing.T) {
	t.Parallel()
	good := Moments{Count: 2, Mean: []float64{1}, M2: []float64{1}}
	for _, c := range []struct {
		opts []Option
		m    Moments
		want string
	}{
		{[]Option{WithoutTracking()}, good, "layers: BatchNorm: WithoutTracking leaves no statistics to set"},
		{nil, Moments{}, "layers: BatchNorm: moments have 0 means and 0 M2, want 1 of each"},
		{nil, Moments{1, []float64{1}, []float64{0}}, "layers: BatchNorm: moments are of 1 rows, want 2 or more"},
		{nil, Moments{math.MinInt, []float64{1}, []float64{0}},
			fmt.Sprintf("layers: BatchNorm: moments are of %d rows, want 2 or more", math.MinInt)},
		{nil, Moments{2, []float64{1}, []float64{math.NaN()}},
			"layers: BatchNorm: feature 0 has mean 1 and variance NaN, want finite numbers of type float32"},
		{nil, Moments{2, []float64{1e39}, []float64{1}},
			"layers: BatchNorm: feature 0 has mean 1e+39 and variance 1, want finite numbers of type float32"},
		{nil, Moments{2, []float64{1}, []float64{-1}}, "layers: BatchNorm: moments have an M2 of -1, want 0 or more"},
		{[]Option{WithBiasedVariance()}, Moments{0, []float64{1}, []float64{0}},
			"layers: BatchNorm: moments are of 0 rows, want 1 or more"},
	} {
		l, err := NewBatchNorm(G.NewGraph(), 1, c.opts...)
		require.NoError(t, err)
		require.EqualError(t, l.SetStatistics(c.m), c.want)
	}
}

// TestReplacedStatisticsAreAnError checks that there is no panic after decoding into RunningMean.
func TestReplacedStatisticsAreAnError(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	l, err := NewBatchNorm(g, 3)
	require.NoError(t, err)
	linear, err := NewLinear(g, 2, 3, constant(1))
	require.NoError(t, err)
	other, err := tensor.New(tensor.WithShape(2), tensor.WithBacking([]float64{1, 2})).GobEncode()
	require.NoError(t, err)
	require.NoError(t, l.RunningMean().GobDecode(other))
	const want = "layers: BatchNorm: running_mean is of type float64 and shape (2), " +
		"want float32 and (3) in row-major order"
	require.EqualError(t, l.SetStatistics(Moments{Count: 2, Mean: make([]float64, 3), M2: make([]float64, 3)}), want)
	_, err = l.Fold(g, linear)
	require.EqualError(t, err, want)
}
