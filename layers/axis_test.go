package layers

import (
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func TestSizesAround(t *testing.T) {
	g := G.NewGraph()
	m, err := newModule("BatchNorm", g, config{dtype: tensor.Float32})
	require.NoError(t, err)
	node := func(dt tensor.Dtype, shape ...int) *G.Node {
		if len(shape) == 0 {
			return G.NewScalar(g, dt, G.WithName("x"))
		}
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName("x"))
	}
	for _, c := range []struct {
		shape        []int
		axis         int
		outer, inner int
		err          string
	}{
		{[]int{4}, -1, 1, 1, ""},
		{[]int{7, 4}, -1, 7, 1, ""},
		{[]int{7, 4}, 1, 7, 1, ""},
		{[]int{4, 7}, 0, 1, 7, ""},
		{[]int{2, 4, 3, 5}, 1, 2, 15, ""},
		{[]int{2, 4, 3, 5}, -3, 2, 15, ""},
		{[]int{2, 3, 4, 5}, 2, 6, 5, ""},
		{nil, -1, 0, 0, "last dimension is missing, want 4 (input shape ())"},
		{[]int{32, 3}, -1, 0, 0, "last dimension is 3, want 4 (input shape (32, 3))"},
		{[]int{32, 3}, 1, 0, 0, "last dimension is 3, want 4 (input shape (32, 3))"},
		{[]int{2, 3, 5}, 1, 0, 0, "axis 1 has size 3, want 4 (input shape (2, 3, 5))"},
		{[]int{2, 3, 5}, -2, 0, 0, "axis -2 has size 3, want 4 (input shape (2, 3, 5))"},
		{[]int{32, 4}, 2, 0, 0, "axis is 2, want one of the input's, -2 to 1 (input shape (32, 4))"},
		{[]int{32, 4}, -3, 0, 0, "axis is -3, want one of the input's, -2 to 1 (input shape (32, 4))"},
	} {
		outer, inner, err := m.sizesAround(node(tensor.Float32, c.shape...), c.axis, 4)
		if c.err != "" {
			require.EqualError(t, err, "layers: BatchNorm: "+c.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, [2]int{c.outer, c.inner}, [2]int{outer, inner}, "%v axis %d", c.shape, c.axis)
	}
	_, _, err = m.sizesAround(node(tensor.Float64, 2, 4), -1, 4)
	require.EqualError(t, err, "layers: BatchNorm: the input is of type float64, want float32: "+
		"WithDtype(tensor.Float64) makes a layer for such inputs")
	_, _, err = m.sizesAround(nil, -1, 4)
	require.EqualError(t, err, "layers: BatchNorm: the input is nil")
}
