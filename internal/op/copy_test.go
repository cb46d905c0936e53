package op

import (
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestCopyBetweenLayouts reads the copies with tensor.Dense's own At.
func TestCopyBetweenLayouts(t *testing.T) {
	all := func() map[string]tensor.Tensor {
		l := layouts(t)
		wide := mustTranspose(t, tensor.New(tensor.WithShape(3, 3),
			tensor.WithBacking([]float64{1, 4, 0, 2, 5, 0, 3, 6, 0})))
		rows, err := wide.Slice(G.S(0, 2)) // its flags wrongly claim that it is contiguous
		require.NoError(t, err)
		l["view of transposed"] = rows
		return l
	}
	requireElements := func(d *tensor.Dense, want float64, what string) {
		for i := range 2 {
			for j := range 3 {
				v, err := d.At(i, j)
				require.NoError(t, err)
				require.Equal(t, want+float64(3*i+j), v, what)
			}
		}
	}
	for from, src := range all() {
		requireElements(src.(*tensor.Dense), 1, from)
		c := Clone(src.(*tensor.Dense))
		require.Equal(t, []float64{1, 2, 3, 4, 5, 6}, c.Float64s(), from)
		require.Equal(t, []float64{1, 2, 3, 4, 5, 6}, Numbers(src.(*tensor.Dense)), from)
	}
	other := tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float64{7, 8, 9, 10, 11, 12}))
	for to, dst := range all() {
		Copy(dst.(*tensor.Dense), other)
		requireElements(dst.(*tensor.Dense), 7, to)
	}
	for to, dst := range all() {
		SetNumbers(dst.(*tensor.Dense), []float64{13, 14, 15, 16, 17, 18})
		requireElements(dst.(*tensor.Dense), 13, to)
	}
	big := tensor.New(tensor.WithShape(3, 3), tensor.WithBacking([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9}))
	column, err := big.Slice(nil, G.S(1))
	require.NoError(t, err)
	Copy(column.(*tensor.Dense), tensor.New(tensor.WithBacking([]float64{-1, -2, -3})))
	require.Equal(t, []float64{1, -1, 3, 4, -2, 6, 7, -3, 9}, big.Float64s(), "elements outside the view do not change")
}

// TestContiguousReturnsOnlyTheTensorsElements: the memory of a slice with a step is that of all rows.
func TestContiguousReturnsOnlyTheTensorsElements(t *testing.T) {
	rows := tensor.New(tensor.WithShape(4, 2), tensor.WithBacking([]float64{1, 2, 3, 4, 5, 6, 7, 8}))
	first, err := rows.Slice(G.S(0, 4, 4))
	require.NoError(t, err)
	d := first.(*tensor.Dense)
	require.Equal(t, []float64{1, 2}, contiguous(d, d.Float64s(), new([]float64)))
}

func TestCloneOfEveryType(t *testing.T) {
	for _, d := range []*tensor.Dense{
		tensor.New(tensor.WithShape(2, 1), tensor.WithBacking([]float32{1, 2})),
		tensor.New(tensor.WithShape(1), tensor.WithBacking([]float64{1})),
		tensor.New(tensor.FromScalar(int64(1) << 60)),
	} {
		c := Clone(d)
		require.Equal(t, d.Dtype(), c.Dtype())
		require.Equal(t, []int(d.Shape()), append([]int{}, c.Shape()...))
		require.Equal(t, d.Data(), c.Data())
		want := c.Data()
		d.Zero()
		require.NotEqual(t, d.Data(), want, "they share no memory")
	}
}

func TestNumbersOfEveryType(t *testing.T) {
	single := tensor.New(tensor.WithShape(2), tensor.WithBacking([]float32{1, 2}))
	SetNumbers(single, []float64{3, 0.1})
	require.Equal(t, []float64{3, float64(float32(0.1))}, Numbers(single))
	require.Equal(t, []float64{-4}, Numbers(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int64{-4}))))
	require.Nil(t, Numbers(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{1}))))
	require.Nil(t, Numbers(nil))
}
