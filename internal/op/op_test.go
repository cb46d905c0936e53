package op

import (
	"errors"
	"testing"

	"github.com/chewxy/hm"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// weighted is y[i,j] = w·(j+1)·x[i,j]·x[i,j], or the sum of these if the output is a scalar. It
// depends on positions, so that the output reveals a misread input.
type weighted[T Float] struct {
	fail string // "error", "panic" or "backward panic"
	runs int
}

func (k *weighted[T]) Forward(out Array[T], in []Array[T]) error {
	k.runs++
	switch k.fail {
	case "error":
		return errors.New("kernel says no")
	case "panic":
		var none []T
		_ = none[len(in)]
	}
	clear(out.Data)
	cols := in[0].Shape[len(in[0].Shape)-1]
	for i, x := range in[0].Data {
		out.Data[i%len(out.Data)] += in[1].Data[0] * T(i%cols+1) * x * x
	}
	return nil
}

func (k *weighted[T]) Backward(din, in []Array[T], out, dout Array[T]) error {
	if k.fail == "backward panic" {
		var none []T
		_ = none[len(in)]
	}
	cols := in[0].Shape[len(in[0].Shape)-1]
	din[1].Data[0] = 0
	for i, x := range in[0].Data {
		d := dout.Data[i%len(dout.Data)]
		din[0].Data[i] = d * in[1].Data[0] * T(i%cols+1) * 2 * x
		din[1].Data[0] += d * T(i%cols+1) * x * x
	}
	return nil
}

func applyWeighted(t *testing.T, shape tensor.Shape, inputs ...*G.Node) *G.Node {
	t.Helper()
	y, err := Apply("Weighted w1", shape, &weighted[float32]{}, &weighted[float64]{}, inputs...)
	require.NoError(t, err)
	return y
}

var machines = []string{"tape", "lisp"}

// layouts returns tensors that all hold 1 2 3 / 4 5 6.
func layouts(t *testing.T) map[string]tensor.Tensor {
	transposed := tensor.New(tensor.WithShape(3, 2), tensor.WithBacking([]float64{1, 4, 2, 5, 3, 6}))
	require.NoError(t, transposed.T())
	big := tensor.New(tensor.WithShape(4, 5), tensor.WithBacking([]float64{
		0, 0, 0, 0, 0,
		0, 1, 2, 3, 0,
		0, 4, 5, 6, 0,
		0, 0, 0, 0, 0,
	}))
	view, err := big.Slice(G.S(1, 3), G.S(1, 4))
	require.NoError(t, err)
	tall := tensor.New(tensor.WithShape(4, 3), tensor.WithBacking([]float64{0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0}))
	rows, err := tall.Slice(G.S(1, 3))
	require.NoError(t, err)
	return map[string]tensor.Tensor{
		"row-major":    tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float64{1, 2, 3, 4, 5, 6})),
		"transposed":   transposed,
		"view":         view,
		"view of rows": rows,
		"column-major": tensor.New(tensor.WithShape(2, 3), tensor.AsFortran([]float64{1, 2, 3, 4, 5, 6})),
		"transposed cm.": mustTranspose(t, tensor.New(tensor.WithShape(3, 2),
			tensor.AsFortran([]float64{1, 4, 2, 5, 3, 6}))),
	}
}

func mustTranspose(t *testing.T, d *tensor.Dense) tensor.Tensor {
	require.NoError(t, d.T())
	return d
}

func newInput(g *G.ExprGraph, name string, v G.Value) *G.Node {
	if v.Shape().IsScalar() {
		return G.NewScalar(g, v.Dtype(), G.WithName(name), G.WithValue(v))
	}
	return G.NewTensor(g, v.Dtype(), v.Shape().Dims(), G.WithShape(v.Shape()...), G.WithName(name), G.WithValue(v))
}

func runMachine(t *testing.T, which string, cost *G.Node, wrt ...*G.Node) error {
	t.Helper()
	if which == "lisp" {
		vm := G.NewLispMachine(cost.Graph())
		defer vm.Close()
		return vm.RunAll()
	}
	if _, err := G.Grad(cost, wrt...); err != nil {
		return err
	}
	vm := G.NewTapeMachine(cost.Graph(), G.BindDualValues(wrt...))
	defer vm.Close()
	return vm.RunAll()
}

// elements returns a value's elements in row-major order.
func elements(t *testing.T, v G.Value) (s []float64) {
	t.Helper()
	d, ok := v.(*tensor.Dense)
	if !ok {
		return []float64{scalar[float64](v)}
	}
	shape := d.Shape()
	for i := range shape[0] {
		for j := range shape[1] {
			e, err := d.At(i, j)
			require.NoError(t, err)
			s = append(s, e.(float64))
		}
	}
	return s
}

func gradOf(t *testing.T, n *G.Node) G.Value {
	t.Helper()
	d, err := n.Grad()
	require.NoError(t, err)
	return d
}

// forEachLayout runs a test with an x of every layout and the scalar w = 2, on both machines.
func forEachLayout(t *testing.T, test func(t *testing.T, machine string, x, w *G.Node)) {
	for name := range layouts(t) {
		for _, m := range machines {
			t.Run(name+"/"+m, func(t *testing.T) {
				g := G.NewGraph()
				test(t, m, newInput(g, "x", layouts(t)[name]), newInput(g, "w", G.NewF64(2)))
			})
		}
	}
}

func TestInputsOfEveryLayoutAreReadInOrder(t *testing.T) {
	forEachLayout(t, func(t *testing.T, machine string, x, w *G.Node) {
		y := applyWeighted(t, tensor.Shape{2, 3}, x, w)
		require.NoError(t, runMachine(t, machine, G.Must(G.Sum(y)), x, w))
		require.Equal(t, []float64{2, 16, 54, 32, 100, 216}, elements(t, y.Value()))
		require.Equal(t, []float64{4, 16, 36, 16, 40, 72}, elements(t, gradOf(t, x)))
		require.Equal(t, []float64{210}, elements(t, gradOf(t, w)))
	})
}

// TestSharedInputsAddUpTheirGradients uses x and w twice. A LispMachine stores their gradients as a
// strided tensor and a scalar.
func TestSharedInputsAddUpTheirGradients(t *testing.T) {
	forEachLayout(t, func(t *testing.T, machine string, x, w *G.Node) {
		a, b := applyWeighted(t, tensor.Shape{2, 3}, x, w), applyWeighted(t, tensor.Shape{2, 3}, x, w)
		require.NoError(t, runMachine(t, machine, G.Must(G.Sum(G.Must(G.Add(a, b)))), x, w))
		require.Equal(t, []float64{8, 32, 72, 32, 80, 144}, elements(t, gradOf(t, x)))
		require.Equal(t, []float64{420}, elements(t, gradOf(t, w)))
	})
}

func TestTransposeInTheGraph(t *testing.T) {
	for _, m := range machines {
		t.Run(m, func(t *testing.T) {
			g := G.NewGraph()
			x := newInput(g, "x", tensor.New(tensor.WithShape(3, 2), tensor.WithBacking([]float64{1, 4, 2, 5, 3, 6})))
			w := newInput(g, "w", G.NewF64(2))
			y := applyWeighted(t, tensor.Shape{2, 3}, G.Must(G.Transpose(x, 1, 0)), w)
			back := G.Must(G.Transpose(y, 1, 0))
			require.NoError(t, runMachine(t, m, G.Must(G.Sum(back)), x, w))
			require.Equal(t, []float64{2, 16, 54, 32, 100, 216}, elements(t, y.Value()))
			require.Equal(t, []float64{4, 16, 16, 40, 36, 72}, elements(t, gradOf(t, x)))
		})
	}
}

func TestScalarOutput(t *testing.T) {
	for _, m := range machines {
		t.Run(m, func(t *testing.T) {
			g := G.NewGraph()
			x := newInput(g, "x", layouts(t)["row-major"])
			w := newInput(g, "w", G.NewF64(2))
			y := applyWeighted(t, tensor.ScalarShape(), x, w)
			require.True(t, y.IsScalar())
			require.NoError(t, runMachine(t, m, y, x, w))
			require.Equal(t, []float64{420}, elements(t, y.Value()))
			require.Equal(t, []float64{4, 16, 36, 16, 40, 72}, elements(t, gradOf(t, x)))
		})
	}
}

func TestBothFloatTypesAndNoOthers(t *testing.T) {
	g := G.NewGraph()
	x32 := newInput(g, "x32", tensor.New(tensor.WithShape(1, 2), tensor.WithBacking([]float32{1, 2})))
	x64 := newInput(g, "x64", tensor.New(tensor.WithShape(1, 2), tensor.WithBacking([]float64{1, 2})))
	ids := newInput(g, "ids", tensor.New(tensor.WithShape(2), tensor.WithBacking([]int{1, 2})))
	bytes := newInput(g, "bytes", tensor.New(tensor.WithShape(2), tensor.WithBacking([]byte{1, 2})))
	w32, w64 := newInput(g, "w32", G.NewF32(3)), newInput(g, "w64", G.NewF64(3))

	y32 := applyWeighted(t, tensor.Shape{1, 2}, x32, w32)
	y64 := applyWeighted(t, tensor.Shape{1, 2}, x64, w64)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	require.Equal(t, []float32{3, 24}, y32.Value().Data())
	require.Equal(t, []float64{3, 24}, y64.Value().Data())

	for _, c := range []struct {
		inputs []*G.Node
		want   string
	}{
		{[]*G.Node{x32, w64}, "layers: L: input 1 (w64) is of type float64, want float32 like the inputs before it"},
		{[]*G.Node{bytes, w64}, "layers: L: input 0 (bytes) is of type uint8, want float32, float64 or, for ids, int"},
		{[]*G.Node{ids}, "layers: L: no input of type float32 or float64"},
	} {
		_, err := Apply("L", tensor.Shape{1, 2}, &weighted[float32]{}, &weighted[float64]{}, c.inputs...)
		require.EqualError(t, err, c.want)
	}
}

// lookup is y = x[ids].
type lookup[T Float] struct{}

func (lookup[T]) Forward(out Array[T], in []Array[T]) error {
	for i, id := range in[0].Ints {
		out.Data[i] = in[1].Data[id]
	}
	return nil
}

func (lookup[T]) Backward(din, in []Array[T], _, dout Array[T]) error {
	if din[0].Data != nil {
		return errors.New("an integer input has a gradient")
	}
	clear(din[1].Data)
	for i, id := range in[0].Ints {
		din[1].Data[id] += dout.Data[i]
	}
	return nil
}

func TestIntegerInputsHaveNoGradient(t *testing.T) {
	for _, m := range machines {
		t.Run(m, func(t *testing.T) {
			g := G.NewGraph()
			ids := tensor.New(tensor.WithShape(2, 2), tensor.WithBacking([]int{2, 1, 0, 2}))
			require.NoError(t, ids.T()) // 2 0 / 1 2
			i := newInput(g, "ids", ids)
			x := newInput(g, "x", tensor.New(tensor.WithShape(1, 3), tensor.WithBacking([]float64{5, 6, 7})))
			y, err := Apply("Lookup", tensor.Shape{2, 2}, lookup[float32]{}, lookup[float64]{}, i, x)
			require.NoError(t, err)
			weights := newInput(g, "weights",
				tensor.New(tensor.WithShape(2, 2), tensor.WithBacking([]float64{1, 10, 100, 1000})))
			require.NoError(t, runMachine(t, m, G.Must(G.Sum(G.Must(G.HadamardProd(y, weights)))), x))
			require.Equal(t, []float64{7, 5, 6, 7}, elements(t, y.Value()))
			require.Equal(t, []float64{10, 100, 1001}, elements(t, gradOf(t, x)))
		})
	}
}

func TestErrorsAndPanicsNameTheLayer(t *testing.T) {
	run := func(fail string, machine func(cost, x, w *G.Node) error) error {
		g := G.NewGraph()
		x := newInput(g, "x", layouts(t)["row-major"])
		w := newInput(g, "w", G.NewF64(2))
		y, err := Apply("Weighted w1", tensor.ScalarShape(), &weighted[float32]{}, &weighted[float64]{fail: fail}, x, w)
		require.NoError(t, err)
		return machine(y, x, w)
	}
	tape := func(cost, x, w *G.Node) error { return runMachine(t, "tape", cost, x, w) }
	// Forward only: after an error, v0.9.18's LispMachine would start the backward pass in a
	// goroutine that races with its own RunAll.
	lisp := func(cost, _, _ *G.Node) error { return G.NewLispMachine(cost.Graph(), G.ExecuteFwdOnly()).RunAll() }

	const refusal = "layers: Weighted w1 forward: kernel says no"
	const index = "panic: runtime error: index out of range"
	require.ErrorContains(t, run("error", tape), refusal)
	require.ErrorContains(t, run("error", lisp), refusal)
	require.ErrorContains(t, run("panic", tape), "layers: Weighted w1 forward: "+index)
	require.ErrorContains(t, run("panic", lisp), "layers: Weighted w1 forward: "+index)
	require.ErrorContains(t, run("backward panic", tape), "layers: Weighted w1 backward: "+index)
}

func TestSecondDerivativeIsAnErrorWhileTheGraphIsBuilt(t *testing.T) {
	g := G.NewGraph()
	x := newInput(g, "x", layouts(t)["row-major"])
	w := newInput(g, "w", G.NewF64(2))
	grads, err := G.Grad(applyWeighted(t, tensor.ScalarShape(), x, w), x)
	require.NoError(t, err)
	_, err = G.Grad(G.Must(G.Sum(grads[0])), w)
	require.ErrorContains(t, err, "layers: Weighted w1 backward: has no second derivative")
}

// negative is y = −x, without a gradient.
type negative[T Float] struct{}

func (negative[T]) Forward(out Array[T], in []Array[T]) error {
	for i, x := range in[0].Data {
		out.Data[i] = -x
	}
	return nil
}

func TestKernelWithoutBackwardHasNoGradient(t *testing.T) {
	build := func() (x, cost *G.Node) {
		x = newInput(G.NewGraph(), "x", layouts(t)["transposed"])
		y, err := ApplyForward("Negative", tensor.Shape{2, 3}, negative[float32]{}, negative[float64]{}, x)
		require.NoError(t, err)
		return x, G.Must(G.Sum(y))
	}
	const refusal = "layers: Negative forward: has no gradient"
	x, cost := build()
	vm := G.NewTapeMachine(cost.Graph())
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	require.Equal(t, []float64{-21}, elements(t, cost.Value()))
	_, err := G.Grad(cost, x)
	require.ErrorContains(t, err, refusal)
	_, cost = build()
	require.ErrorContains(t, G.NewLispMachine(cost.Graph()).RunAll(), refusal)
}

// TestTypesAreNotShared applies an operation, after which Gorgonia returns the type that it got to
// a pool, and takes types from the pool.
func TestTypesAreNotShared(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	x := G.NewMatrix(g, tensor.Float32, G.WithShape(2, 3), G.WithName("x"), G.WithInit(G.Ones()))
	w := G.NewVector(g, tensor.Float32, G.WithShape(1), G.WithName("w"), G.WithInit(G.Ones()))
	y := applyWeighted(t, tensor.Shape{2, 3}, x, w)
	for range 10 {
		hm.NewFnType(tensor.Float64, tensor.Float64, tensor.Float64)
	}
	require.Equal(t, "Matrix float32 → Vector float32 → Matrix float32", y.Op().Type().(*hm.FunctionType).String())
}
