package train

import (
	"errors"
	"math"
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
		return nil, errors.New("none kept")
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
			require.Equal(t, make([]float64, len(p.Init.Data)), model[i].(weight).grad.Data(), "gradients are taken")
		}
	}
}

// TestAdamWInAGorgoniaGraph descends a parabola, in float32.
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

func TestAStepThatFailsChangesNothing(t *testing.T) {
	good := weight{dense([]float64{1, 2}, 2), dense([]float64{1, 1}, 2)}
	view, err := dense([]float64{1, 2, 3, 4}, 2, 2).Slice(nil, G.S(0))
	require.NoError(t, err)
	for want, bad := range map[string]weight{
		"train: weight 1 has no gradient: none kept":                                                     {value: good.value},
		"train: weight 1 is a *gorgonia.F64 with a gradient that is a *gorgonia.F64, want dense tensors": {G.NewF64(1), G.NewF64(1)},
		"train: weight 1 is of type float64 with a gradient of type float32, want float32 or float64":    {good.value, dense([]float32{1, 2}, 2)},
		"train: weight 1 has shape (2) and its gradient (3), want the same, contiguous":                  {good.value, dense([]float64{1, 2, 3}, 3)},
		"train: weight 1 has shape (2) and its gradient (2), want the same, contiguous":                  {view, good.grad},
	} {
		require.EqualError(t, NewAdamW(1, 0.9, 0.99, 0).Step([]G.ValueGrad{good, bad}), want)
		require.Equal(t, []float64{1, 2}, good.value.Data())
		require.Equal(t, []float64{1, 1}, good.grad.Data())
	}
}

func TestClipGradNorm(t *testing.T) {
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
		{"infinite", []float64{math.Inf(1)}, []float32{1, 2}, 1, math.Inf(1), []float64{math.Inf(1)}, []float32{1, 2}},
		{"squares beyond float32", []float64{0}, []float32{3e30, 4e30}, 5, 5e30, []float64{0}, []float32{3, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := dense(c.a, len(c.a)), dense(c.b, len(c.b))
			norm, err := ClipGradNorm([]G.ValueGrad{weight{a, a}, weight{b, b}}, c.limit)
			require.NoError(t, err)
			if math.IsInf(c.norm, 1) {
				require.Equal(t, c.norm, norm)
			} else {
				require.InDelta(t, c.norm, norm, 1e-6*c.norm)
			}
			require.InDeltaSlice(t, c.wantA, a.Data(), 1e-6)
			require.InDeltaSlice(t, c.wantB, b.Data(), 1e-6)
		})
	}
	nan := dense([]float64{math.NaN(), 1}, 2)
	norm, err := ClipGradNorm([]G.ValueGrad{weight{nan, nan}}, 1)
	require.NoError(t, err)
	require.True(t, math.IsNaN(norm))
}
