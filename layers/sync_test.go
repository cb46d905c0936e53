package layers

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestSyncGivesTheWholeBatchsMoments of 7 uneven parts, one of them without a row.
func TestSyncGivesTheWholeBatchsMoments(t *testing.T) {
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
	got, err := Sync(parts...)
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

	none, err := Sync()
	require.NoError(t, err)
	require.Zero(t, none)
	_, err = Sync(parts[0], Moments{Count: 1, Mean: []float64{1}, M2: []float64{0}})
	require.EqualError(t, err, "layers: Sync: part 1 has a count of 1, 1 means and 1 M2, want a count of 1 or more and 3 of each")
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
