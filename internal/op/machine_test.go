package op

import (
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestNothingIsAllocatedAfterTheFirstRun runs the operations like a machine.
func TestNothingIsAllocatedAfterTheFirstRun(t *testing.T) {
	for layout, most := range map[string]float64{
		"row-major":  0,
		"transposed": 4, // the indices of a walk through strides, forward and backward
	} {
		t.Run(layout, func(t *testing.T) {
			g := G.NewGraph()
			x := newInput(g, "x", layouts(t)[layout])
			w := newInput(g, "w", G.NewF64(2))
			y := applyWeighted(t, tensor.Shape{2, 3}, x, w)
			loss := applyWeighted(t, tensor.ScalarShape(), y, w)
			grads, err := G.Grad(loss, x, w)
			require.NoError(t, err)
			forward, backward := y.Op(), grads[0].Op()
			out, err := forward.Do(x.Value(), w.Value())
			require.NoError(t, err)
			in := []G.Value{x.Value(), w.Value()}
			din := []G.Value{x.Value(), w.Value(), out, out}
			allocs := testing.AllocsPerRun(10, func() {
				again, _ := forward.Do(in...)
				dx, _ := backward.Do(din...)
				if again != out || dx == nil {
					t.Fatal("another output, or none")
				}
			})
			require.LessOrEqual(t, allocs, most)
		})
	}
}

func TestEqualInstancesStayTwoNodes(t *testing.T) {
	g := G.NewGraph()
	x := newInput(g, "x", layouts(t)["row-major"])
	w := newInput(g, "w", G.NewF64(2))
	first, second := &weighted[float64]{}, &weighted[float64]{}
	for _, k := range []*weighted[float64]{first, second} {
		lastID.Store(1 << 40) // both get the same id, so the second must get another
		y, err := Apply("Weighted", tensor.Shape{2, 3}, nil, k, x, w)
		require.NoError(t, err)
		require.Equal(t, nodeHash(y.Op().(operation).self(), G.Nodes{x, w}), y.Hashcode(),
			"nodeHash predicts Gorgonia's hash")
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	require.Equal(t, 1, first.runs)
	require.Equal(t, 1, second.runs)
}

func TestNodeHashPredictsEveryOperationsHash(t *testing.T) {
	g := G.NewGraph()
	x := newInput(g, "x", layouts(t)["row-major"])
	w := newInput(g, "w", G.NewF64(2))
	y := applyWeighted(t, tensor.ScalarShape(), x, w)
	_, err := G.Grad(y, x, w)
	require.NoError(t, err)
	ours := 0
	for _, n := range g.AllNodes() {
		o, ok := n.Op().(operation)
		if !ok {
			continue
		}
		ours++
		var children G.Nodes
		for it := g.From(n.ID()); it.Next(); {
			children = append(children, it.Node().(*G.Node))
		}
		if len(children) == o.Arity() { // From lists a child once
			require.Equal(t, nodeHash(o.self(), children), n.Hashcode(), o.String())
		}
	}
	require.Equal(t, 3, ours, "forward, backward and one pick")
}

func TestSecondMachineOnOneGraph(t *testing.T) {
	g := G.NewGraph()
	x := newInput(g, "x", layouts(t)["row-major"])
	w := newInput(g, "w", G.NewF64(2))
	y := applyWeighted(t, tensor.Shape{2, 3}, x, w)
	_, err := G.Grad(G.Must(G.Sum(y)), x, w)
	require.NoError(t, err)
	a := G.NewTapeMachine(g, G.BindDualValues(x, w))
	defer a.Close()
	b := G.NewTapeMachine(g, G.BindDualValues(x, w))
	defer b.Close()
	for i, vm := range []G.VM{a, b, b, a} {
		require.NoError(t, vm.RunAll())
		vm.Reset()
		require.Equal(t, []float64{2, 16, 54, 32, 100, 216}, elements(t, y.Value()))
		// Gorgonia accumulates gradients until a solver resets them.
		require.Equal(t, []float64{210 * float64(i+1)}, elements(t, gradOf(t, w)))
	}
}

// TestOutputSurvivesWhatGorgoniaDoesToIt: downstream operations work in place, reshape, and return
// tensors to the pool, over several runs.
func TestOutputSurvivesWhatGorgoniaDoesToIt(t *testing.T) {
	g := G.NewGraph()
	x := newInput(g, "x", layouts(t)["row-major"])
	w := newInput(g, "w", G.NewF64(2))
	y := applyWeighted(t, tensor.Shape{2, 3}, x, w)
	z := G.Must(G.Add(y, G.NewConstant(1.0)))
	flat := G.Must(G.Reshape(z, tensor.Shape{6}))
	reshaped := G.Must(G.Reshape(y, tensor.Shape{3, 2}))
	again := applyWeighted(t, tensor.Shape{2, 3}, G.Must(G.Reshape(flat, tensor.Shape{2, 3})), w)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	var first []float64
	for range 4 {
		require.NoError(t, vm.RunAll())
		require.Equal(t, tensor.Shape{3, 2}, reshaped.Value().Shape())
		got := elements(t, again.Value())
		if first == nil {
			first = append(first, got...)
			require.Equal(t, 2*3.0*3, got[0])
		}
		require.Equal(t, first, got)
		vm.Reset()
		g.UnbindAllNonInputs()
		tensor.New(tensor.WithShape(2, 3), tensor.WithBacking(make([]float64, 6)))
	}
}

func TestValuesThatDoNotFitTheGraphAreErrors(t *testing.T) {
	g := G.NewGraph()
	x := newInput(g, "x", layouts(t)["row-major"])
	w := newInput(g, "w", G.NewF64(2))
	do := applyWeighted(t, tensor.Shape{2, 3}, x, w).Op().Do
	good := layouts(t)["row-major"]
	for _, c := range []struct {
		in   []G.Value
		want string
	}{
		{[]G.Value{good}, "got 1 inputs, want 2"},
		{[]G.Value{good, nil}, "input 1 has no value"},
		{[]G.Value{good, G.NewF32(1)}, "input 1 is of type float32, want float64"},
		{[]G.Value{tensor.New(tensor.WithShape(3, 3), tensor.Of(tensor.Float64)), G.NewF64(1)},
			"input 0 has shape (3, 3), want (2, 3)"},
		{[]G.Value{tensor.New(tensor.WithShape(3, 2), tensor.Of(tensor.Float64)), G.NewF64(1)},
			"input 0 has shape (3, 2), want (2, 3)"},
	} {
		_, err := do(c.in...)
		require.EqualError(t, err, "layers: Weighted w1 forward: "+c.want)
	}
}
