package simd

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/internal/edge"
)

// edges is a call of a kernel on slices that have exactly the lengths of its definition, at the edges of
// pages. Matrices have rows of cols elements, gap elements apart where the kernel takes a distance.
type edges[T Float] struct {
	*Kernels[T]
	memory          *edge.Memory[T]
	rows, cols, gap int
	stream          bool
}

func (e edges[T]) col() []T { return e.memory.Slice(e.cols) }
func (e edges[T]) row() []T { return e.memory.Slice(e.rows) }

// all returns a matrix whose rows follow each other, and strip one whose rows have a distance.
func (e edges[T]) all() []T   { return e.memory.Slice(e.rows * e.cols) }
func (e edges[T]) strip() []T { return e.memory.Slice((e.rows-1)*(e.cols+e.gap) + e.cols) }

// tile calls a kernel of products with depth cols, and A either way round.
func (e edges[T]) tile(
	tile func(k int, a []T, rsa, csa int, b []T, ldb int, c []T, ldc int, alpha, beta T), rows int,
) {
	depth, width := max(1, e.cols), e.TileCols
	matrix := func(rows, cols int) []T { return e.memory.Slice((rows-1)*(cols+e.gap) + cols) }
	if e.stream {
		tile(depth, matrix(depth, rows), 1, rows+e.gap, matrix(depth, width), width+e.gap,
			matrix(rows, width), width+e.gap, 1.5, 0)
		return
	}
	tile(depth, matrix(rows, depth), depth+e.gap, 1, matrix(depth, width), width+e.gap,
		matrix(rows, width), width+e.gap, 1.5, 0.5)
}

// calls has a call of each kernel by its name.
func calls[T Float]() map[string]func(e edges[T]) {
	return map[string]func(e edges[T]){
		"Add":        func(e edges[T]) { e.Add(e.col(), e.col(), e.col()) },
		"Scale":      func(e edges[T]) { e.Scale(e.col(), e.col(), 2) },
		"SumSquares": func(e edges[T]) { e.SumSquares(e.col()) },
		"Tile":       func(e edges[T]) { e.tile(e.Tile, e.TileRows) },
		"LowTile":    func(e edges[T]) { e.tile(e.LowTile, e.LowRows) },
		"Transpose": func(e edges[T]) {
			n := (e.cols/e.Lanes + 1) * e.Lanes
			e.Transpose(e.memory.Slice((n-1)*(e.Lanes+e.gap)+e.Lanes), e.Lanes+e.gap,
				e.memory.Slice((e.Lanes-1)*(n+e.gap)+n), n+e.gap, n)
		},
		"LayerNorm": func(e edges[T]) {
			e.LayerNorm(e.all(), e.all(), e.col(), e.col(), e.row(), e.row(), e.row(), 1e-5, e.stream)
		},
		"LayerNormBackward": func(e edges[T]) {
			e.LayerNormBackward(e.all(), e.all(), e.all(), e.col(), e.row(), e.row(), e.row(), e.col(), e.col(), e.stream)
		},
		"RMSNorm": func(e edges[T]) { e.RMSNorm(e.all(), e.all(), e.col(), e.row(), 1e-5, e.stream) },
		"RMSNormBackward": func(e edges[T]) {
			e.RMSNormBackward(e.all(), e.all(), e.all(), e.col(), e.row(), e.col(), e.stream)
		},
		"LayerNormOfSum": func(e edges[T]) {
			e.LayerNormOfSum(e.all(), e.all(), e.all(), e.all(), e.col(), e.col(), e.row(), e.row(), e.row(), 1e-5, e.stream)
		},
		"RMSNormOfSum": func(e edges[T]) {
			e.RMSNormOfSum(e.all(), e.all(), e.all(), e.all(), e.col(), e.row(), 1e-5, e.stream)
		},
		"LayerNormBackwardPlus": func(e edges[T]) {
			e.LayerNormBackwardPlus(
				e.all(), e.all(), e.all(), e.all(), e.col(), e.row(), e.row(), e.row(), e.col(), e.col(), e.stream)
		},
		"RMSNormBackwardPlus": func(e edges[T]) {
			e.RMSNormBackwardPlus(e.all(), e.all(), e.all(), e.all(), e.col(), e.row(), e.col(), e.stream)
		},
		"DyT": func(e edges[T]) { e.DyT(e.all(), e.all(), e.col(), e.col(), 0.5, e.rows) },
		"DyTBackward": func(e edges[T]) {
			e.DyTBackward(e.all(), e.all(), e.all(), e.col(), e.col(), e.col(), 0.5, e.rows)
		},
		"Derf": func(e edges[T]) { e.Derf(e.all(), e.all(), e.all(), e.col(), e.col(), 0.5, 0.1, e.rows) },
		"DerfBackward": func(e edges[T]) {
			e.DerfBackward(e.all(), e.all(), e.all(), e.all(), e.col(), e.col(), e.col(), 0.5, 0.1, e.rows)
		},
		"ColumnSums": func(e edges[T]) { e.ColumnSums(e.col(), e.col(), e.col(), e.strip(), e.rows, e.cols+e.gap) },
		"ColumnNorm": func(e edges[T]) {
			e.ColumnNorm(e.strip(), e.strip(), e.col(), e.col(), e.col(), e.rows, e.cols+e.gap, e.stream)
		},
		"ColumnGradientSums": func(e edges[T]) {
			e.ColumnGradientSums(e.col(), e.col(), e.col(), e.col(), e.strip(), e.strip(), e.rows, e.cols+e.gap)
		},
		"ColumnNormBackward": func(e edges[T]) {
			e.ColumnNormBackward(e.strip(), e.strip(), e.strip(), e.col(), e.col(), e.col(), e.col(), e.col(),
				e.rows, e.cols+e.gap, e.stream)
		},
		"Accumulate": func(e edges[T]) {
			wide := e.memory.Slice(e.cols * int(8/unsafe.Sizeof(T(0)))) // of float64
			e.Accumulate(unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(wide))), e.cols), e.col())
		},
		"AdamW": func(e edges[T]) {
			e.AdamW(e.col(), e.col(), e.col(), e.col(), 0.9, 0.1, 0.99, 0.01, 0.999, 0.01, 0.3, 1e-8)
		},
		"Max":             func(e edges[T]) { e.Max(e.col()) },
		"ExpSum":          func(e edges[T]) { e.ExpSum(e.col(), e.col(), 2) },
		"Softmax":         func(e edges[T]) { e.Softmax(e.col(), e.col()) },
		"SoftmaxBackward": func(e edges[T]) { e.SoftmaxBackward(e.col(), e.col()) },
		"GELU":            func(e edges[T]) { e.GELU(e.col(), e.col(), e.col()) },
		"GELUBackward":    func(e edges[T]) { e.GELUBackward(e.col(), e.col(), e.col(), e.col()) },
	}
}

// flat names kernels that also take no elements at all.
var flat = map[string]bool{
	"Add": true, "Scale": true, "SumSquares": true, "Accumulate": true, "AdamW": true, "Max": true,
	"ExpSum": true, "SoftmaxBackward": true, "GELU": true, "GELUBackward": true,
}

// streams reports whether a call may write past the caches: its output rows are whole lines of 64 bytes.
func (e edges[T]) streams() bool {
	size := int(unsafe.Sizeof(T(0)))
	return e.cols*size%64 == 0 && (e.cols+e.gap)*size%64 == 0
}

// TestNoKernelLeavesItsSlices calls every kernel with slices at both edges of a page, of lengths to 130.
func TestNoKernelLeavesItsSlices(t *testing.T) {
	t.Parallel()
	for i := range all32 {
		t.Run("float32/"+all32[i].Name, func(t *testing.T) { t.Parallel(); noneLeaves(t, all32[i]) })
		t.Run("float64/"+all64[i].Name, func(t *testing.T) { t.Parallel(); noneLeaves(t, all64[i]) })
	}
}

func noneLeaves[T Float](t *testing.T, k *Kernels[T]) {
	memory, err := edge.New[T](12, 40*(130+33))
	require.NoError(t, err)
	n := 0
	for name, call := range calls[T]() {
		for cols := range 131 {
			if cols == 0 && !flat[name] || testing.Short() && cols%11 > 1 {
				continue
			}
			for _, rows := range []int{1, 3, 17} {
				if rows > 1 && flat[name] {
					continue
				}
				for _, gap := range []int{0, 1, 16} {
					for _, stream := range []bool{false, true} {
						e := edges[T]{k, memory, rows, cols, gap, stream}
						if stream && !e.streams() && name != "Tile" && name != "LowTile" {
							continue
						}
						for _, end := range []bool{true, false} {
							memory.Start(end, -1)
							require.False(t, edge.Faults(func() { call(e) }),
								"%s: %d × %d, gap %d, stream %v, at the end: %v", name, rows, cols, gap, stream, end)
							n++
						}
					}
				}
			}
		}
	}
	t.Logf("%d calls", n)
}

// TestAnElementBeyondIsFound gives each kernel, once for each of its slices, one that lies a single
// element too far. Every call must fault, or the test above would find nothing.
func TestAnElementBeyondIsFound(t *testing.T) {
	t.Parallel()
	for i := range all32 {
		allFound(t, all32[i])
		allFound(t, all64[i])
	}
}

func allFound[T Float](t *testing.T, k *Kernels[T]) {
	memory, err := edge.New[T](12, 40*(130+33))
	require.NoError(t, err)
	var missing []string
	for at := range reflect.TypeFor[Kernels[T]]().NumField() {
		f := reflect.TypeFor[Kernels[T]]().Field(at)
		if f.Type.Kind() == reflect.Func && f.Name != "Peak" && calls[T]()[f.Name] == nil {
			missing = append(missing, f.Name)
		}
	}
	require.Empty(t, missing, "kernels without a call")
	for name, call := range calls[T]() {
		for _, cols := range []int{1, 7, 33, 130} {
			e := edges[T]{k, memory, 3, cols, 1, false}
			for _, end := range []bool{true, false} {
				memory.Start(end, -1)
				call(e)
				for beyond := range memory.Used() {
					memory.Start(end, beyond)
					assert.True(t, edge.Faults(func() { call(e) }),
						"%s %s: slice %d of %d columns, at the end: %v", k.Name, name, beyond, cols, end)
				}
			}
		}
	}
}
