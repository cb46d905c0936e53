package cpu

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// indexOf returns where the element with that index along each axis is.
func indexOf(shape, index []int) (at int) {
	for axis, i := range index {
		at = at*shape[axis] + i
	}
	return at
}

// eachIndex calls f with every index of the shape, in row-major order.
func eachIndex(shape []int, f func(index []int)) {
	index := make([]int, len(shape))
	for {
		f(index)
		axis := len(shape) - 1
		for ; axis >= 0; axis-- {
			if index[axis]++; index[axis] < shape[axis] {
				break
			}
			index[axis] = 0
		}
		if axis < 0 {
			return
		}
	}
}

var packingCases = []struct{ shape, rows, cols []int }{
	{[]int{7}, nil, []int{0}},
	{[]int{7}, []int{0}, nil},
	{[]int{5, 6}, []int{0}, []int{1}},
	{[]int{5, 6}, []int{1}, []int{0}},
	{[]int{33, 70}, []int{1}, []int{0}},
	{[]int{16, 32}, []int{1}, []int{0}},
	{[]int{2, 19, 100}, []int{0, 2}, []int{1}},
	{[]int{3, 64, 9, 7}, []int{0, 2, 3}, []int{1}},
	{[]int{3, 4, 5, 6}, []int{0, 2}, []int{1, 3}},
	{[]int{3, 4, 5, 6}, []int{0, 2}, []int{3, 1}},
	{[]int{3, 4, 50, 6}, []int{3, 0}, []int{2, 1}},
	{[]int{2, 3, 40, 100}, []int{0, 3}, []int{1, 2}},
	{[]int{2, 40, 1, 1}, []int{0, 2, 3}, []int{1}},
	{[]int{300, 2, 90}, []int{0, 1}, []int{2}},
	{[]int{6, 3, 7, 20}, []int{1, 3}, []int{0, 2}}, // neighbouring rows, columns at uneven distances
}

// TestPackAndUnpackMoveEachElementToItsPlace in both types.
func TestPackAndUnpackMoveEachElementToItsPlace(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for _, c := range packingCases {
		t.Run(fmt.Sprint(c.shape, c.rows, c.cols), func(t *testing.T) {
			testPacking[float32](t, c.shape, c.rows, c.cols)
			testPacking[float64](t, c.shape, c.rows, c.cols)
		})
	}
}

func testPacking[T Float](t *testing.T, shape, rows, cols []int) {
	size := 1
	for _, n := range shape {
		size *= n
	}
	sizes := func(axes []int) (s []int) {
		for _, axis := range axes {
			s = append(s, shape[axis])
		}
		return s
	}
	width := 1
	for _, n := range sizes(cols) {
		width *= n
	}
	x, want := make([]T, size), make([]T, size)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range x {
		x[i] = T(rng.NormFloat64())
	}
	pick := func(index, axes []int) (s []int) {
		for _, axis := range axes {
			s = append(s, index[axis])
		}
		return s
	}
	eachIndex(shape, func(index []int) {
		r, j := indexOf(sizes(rows), pick(index, rows)), indexOf(sizes(cols), pick(index, cols))
		want[r*width+j] = x[indexOf(shape, index)]
	})
	places := NewPlaces(shape, rows, cols)
	require.Equal(t, slices.Equal(want, x), places.InOrder())
	packed, back := make([]T, size), make([]T, size)
	p := Packing[T]{Places: places}
	p.Pack(packed, x)
	require.Equal(t, want, packed)
	p.Unpack(back, packed)
	require.Equal(t, x, back)
}

// BenchmarkPack packs and unpacks a tensor with the features first. Bytes are those of the tensor.
func BenchmarkPack(b *testing.B) {
	for _, shape := range [][]int{{8, 256, 256}, {32, 64, 56 * 56}, {32, 512, 7 * 7}, {64, 3, 1024}} {
		size := shape[0] * shape[1] * shape[2]
		x, packed := make([]float32, size), make([]float32, size)
		p := Packing[float32]{Places: NewPlaces(shape, []int{0, 2}, []int{1})}
		for name, run := range map[string]func(){
			"pack":   func() { p.Pack(packed, x) },
			"unpack": func() { p.Unpack(x, packed) },
			"copy":   func() { copy(packed, x) },
		} {
			b.Run(fmt.Sprintf("%v/%s", shape, name), func(b *testing.B) {
				b.SetBytes(int64(4 * size))
				for b.Loop() {
					run()
				}
			})
		}
	}
}
