package train

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
)

var _ G.Solver = (*AdamW)(nil)

// weight is a ValueGrad without a graph.
type weight struct {
	value G.Value
	grad  G.Value
}

func (w weight) Value() G.Value { return w.value }
func (w weight) Grad() (G.Value, error) {
	if w.grad == nil {
		return nil, errors.New("there is none")
	}
	return w.grad, nil
}

func dense[T any](values []T, shape ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(append([]T(nil), values...)))
}

func TestAdamWEqualsPyTorch(t *testing.T) {
	var f struct {
		LR           []float64
		Beta1, Beta2 float64
		Eps          float64
		WeightDecay  float64 `json:"weight_decay"`
		Params       []struct {
			Name          string
			Decay         bool
			Init          golden.Tensor
			Grads, Values []golden.Tensor
		}
	}
	golden.Read(t, "adamw.json", &f)
	require.Len(t, f.Params, 2)
	require.Len(t, f.LR, 5)

	a := NewAdamW(0, f.Beta1, f.Beta2, f.WeightDecay)
	require.Equal(t, f.Eps, a.Eps)
	var model []G.ValueGrad
	for _, p := range f.Params {
		require.Equal(t, p.Decay, len(p.Init.Shape) > 1)
		model = append(model, weight{dense(p.Init.Data, p.Init.Shape...), dense(p.Init.Data, p.Init.Shape...)})
	}
	for step, lr := range f.LR {
		for i, p := range f.Params {
			copy(model[i].(weight).grad.Data().([]float64), p.Grads[step].Data)
		}
		a.LR = lr
		require.NoError(t, a.Step(model))
		for i, p := range f.Params {
			got := model[i].Value().Data().([]float64)
			golden.RequireClose(t, p.Values[step].Data, got, golden.Within{Rel: 1e-10}, "step %d, %s", step, p.Name)
			require.Equal(t, make([]float64, len(p.Init.Data)), model[i].(weight).grad.Data(), "gradients are set to zero")
		}
	}
}

// TestAdamWInAGorgoniaGraph minimizes a parabola, in float32.
func TestAdamWInAGorgoniaGraph(t *testing.T) {
	g := G.NewGraph()
	w := G.NewTensor(g, tensor.Float32, 1, G.WithShape(2), G.WithName("w"), G.WithValue(dense([]float32{3, -2}, 2)))
	cost := G.Must(G.Sum(G.Must(G.Square(w))))
	_, err := G.Grad(cost, w)
	require.NoError(t, err)
	vm := G.NewTapeMachine(g, G.BindDualValues(w))
	defer vm.Close()
	a := NewAdamW(0.05, 0.9, 0.99, 0)
	for range 300 {
		require.NoError(t, vm.RunAll())
		require.NoError(t, a.Step(G.NodesToValueGrads(G.Nodes{w})))
		vm.Reset()
	}
	for _, v := range w.Value().Data().([]float32) {
		require.InDelta(t, 0, v, 1e-2)
	}
}

// unrun returns a node with a gradient that no machine has computed.
func unrun(t *testing.T) *G.Node {
	w := node(G.NewGraph(), "weight 1", 1.0, 2)
	_, err := G.Grad(G.Must(G.Sum(w)), w)
	require.NoError(t, err)
	return w
}

// node returns a vector on a graph.
func node[T any](g *G.ExprGraph, name string, values ...T) *G.Node {
	n := len(values)
	return G.NewVector(g, tensor.Float64, G.WithShape(n), G.WithName(name), G.WithValue(dense(values, n)))
}

func TestAFailedStepChangesNothing(t *testing.T) {
	good := weight{dense([]float64{1, 2}, 2), dense([]float64{1, 1}, 2)}
	view, err := dense([]float64{1, 2, 3, 4}, 2, 2).Slice(nil, G.S(0))
	require.NoError(t, err)
	columnMajor := tensor.New(tensor.WithShape(2, 2), tensor.WithBacking([]float64{1, 2, 3, 4}), tensor.AsFortran(nil))
	sparse := tensor.CSRFromCoord(tensor.Shape{2, 2}, []int{0}, []int{1}, []float64{1})
	unbound := dense([]float64{1, 2}, 2)
	square := dense([]float64{1, 2, 3, 4}, 2, 2)
	faults := map[string]G.ValueGrad{
		"has no gradient: there is none":       weight{value: good.value},
		"has no gradient: run its graph first": unrun(t),
		"has no value":                         weight{},
		"is nil":                               (*G.Node)(nil),
		"is a *tensor.CS, want a dense tensor or a scalar": weight{sparse, sparse},
		"is of type int, want float32 or float64":          weight{G.NewI(1), G.NewI(1)},
		"is of type float64 and its gradient of type float32, want the same": weight{
			good.value, dense([]float32{1, 2}, 2)},
		"has shape (2) and its gradient (3), want the same": weight{
			good.value, dense([]float64{1, 2, 3}, 3)},
		"has shape () and its gradient (2), want the same": weight{G.NewF64(1), good.grad},
		"has no memory: its graph has been unbound":        weight{unbound, good.grad},
		"is a view or not in row-major order (shape (2)), want a contiguous tensor": weight{
			view, good.grad},
		"has a gradient that is a view or not in row-major order (shape (2, 2)), want a contiguous tensor": weight{
			square, columnMajor},
	}
	tensor.ReturnTensor(unbound) // the next tensor made gets its header
	for fault, bad := range faults {
		want := "train: weight 1 " + fault
		require.EqualError(t, NewAdamW(1, 0.9, 0.99, 0).Step([]G.ValueGrad{good, bad}), want)
		_, err := ClipGradNorm([]G.ValueGrad{good, bad}, 0.1)
		require.EqualError(t, err, want)
		require.EqualError(t, ZeroGrad([]G.ValueGrad{good, bad}), want)
		require.Equal(t, []float64{1, 2}, good.value.Data())
		require.Equal(t, []float64{1, 1}, good.grad.Data())
	}
}
