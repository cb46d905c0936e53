package transformer

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
	"gorgonorm/layers"
)

// TestStateHasPyTorchsNames: Load compares the model's names with those of PyTorch's model; this
// test compares those that State returns.
func TestStateHasPyTorchsNames(t *testing.T) {
	var f struct{ Models []goldenModel }
	golden.Read(t, "placements.json", &f)
	for _, want := range f.Models {
		m, err := New(G.NewGraph(), want.config(t))
		require.NoError(t, err)
		require.NoError(t, m.Load(want.state()))
		state := m.State()
		require.Equal(t, len(want.Params), len(state))
		for name, p := range want.Params {
			require.Equal(t, p.Shape, []int(state[name].Shape()), name)
			require.Equal(t, p.Data, state[name].Float64s(), name)
		}
	}
}

var someIDs = golden.Ints{Shape: []int{2, 3}, Data: []int{1, 6, 2, 0, 3, 5}}

// randomize overwrites the weights and running statistics of a model with random numbers.
func randomize(m *Model, seed uint64) {
	rng := rand.New(rand.NewPCG(17, seed))
	fill := func(d *tensor.Dense) {
		for i := range d.Float32s() {
			d.Float32s()[i] = rng.Float32()
		}
	}
	for _, n := range m.Learnables() {
		fill(n.Value().(*tensor.Dense))
	}
	for _, l := range batchNorms(m) {
		fill(l.RunningMean())
		fill(l.RunningVar())
	}
}

func batchNorms(m *Model) (all []*layers.BatchNorm) {
	for _, l := range m.stateful() {
		if n, ok := l.(*layers.BatchNorm); ok {
			all = append(all, n)
		}
	}
	return all
}

// evaluation places a model on a graph of its own and returns a function that computes its logits.
func evaluation(t *testing.T, m *Model) func() []float32 {
	t.Helper()
	g := G.NewGraph()
	e, err := m.On(g, layers.Evaluation)
	require.NoError(t, err)
	return logits(t, g, e, someIDs)
}

func TestStateCanBeLoadedIntoAnotherModel(t *testing.T) {
	for name, c := range arrangements() {
		t.Run(name, func(t *testing.T) {
			a, err := New(G.NewGraph(), c)
			require.NoError(t, err)
			b, err := New(G.NewGraph(), c)
			require.NoError(t, err)
			randomize(a, 1)
			randomize(b, 2)
			ya, yb := evaluation(t, a), evaluation(t, b)
			want, state := ya(), a.State()
			var names []string
			for _, n := range a.Learnables() {
				names = append(names, n.Name())
			}
			for _, l := range batchNorms(a) {
				names = append(names, l.Name()+".running_mean", l.Name()+".running_var",
					l.Name()+".num_batches_tracked")
			}
			require.ElementsMatch(t, names, slices.Collect(maps.Keys(state)))
			require.NotEqual(t, want, yb())
			require.NoError(t, b.Load(state))
			require.Equal(t, want, yb())
			randomize(a, 3)
			require.NotEqual(t, want, ya())
			require.NoError(t, a.Load(state))
			require.Equal(t, want, ya(), "the state is a snapshot")
		})
	}
}

// TestLoadUndoesTraining: with BatchNorm this includes the running statistics.
func TestLoadUndoesTraining(t *testing.T) {
	for _, norm := range []string{"batch", "layer"} {
		t.Run(norm, func(t *testing.T) {
			g := G.NewGraph()
			m, err := New(g, tiny(norm))
			require.NoError(t, err)
			scores, err := m.Logits(ints(g, "ids", someIDs))
			require.NoError(t, err)
			loss, err := m.Loss(scores, ints(g, "targets", someIDs))
			require.NoError(t, err)
			_, err = G.Grad(loss, m.Learnables()...)
			require.NoError(t, err)
			vm := G.NewTapeMachine(g, G.BindDualValues(m.Learnables()...))
			defer vm.Close()
			solver := G.NewAdamSolver(G.WithLearnRate(0.01))
			step := func() {
				require.NoError(t, vm.RunAll())
				require.NoError(t, solver.Step(G.NodesToValueGrads(m.Learnables())))
				vm.Reset()
			}
			eval := evaluation(t, m)
			step()
			before, state := eval(), m.State()
			step()
			require.NotEqual(t, before, eval())
			require.NoError(t, m.Load(state))
			require.Equal(t, before, eval())
			if norm == "batch" {
				require.NoError(t, vm.RunAll()) // changes only the statistics
				require.NotEqual(t, before, eval())
				require.NoError(t, m.Load(state))
				require.Equal(t, before, eval())
			}
		})
	}
}

func TestLoadAcceptsATiedHead(t *testing.T) {
	const wte, head = "transformer.wte.weight", "lm_head.weight"
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	state := m.State()
	require.NotContains(t, state, head)
	state[wte].Float32s()[3] = float32(math.NaN()) // as in a diverged model
	rows := state[wte].Clone().(*tensor.Dense)
	state[head] = tensor.New(tensor.WithShape(8, 7), tensor.WithBacking(transposed(rows.Float32s(), 8)))
	require.NoError(t, state[head].T())
	require.NoError(t, m.Load(state))
	require.Contains(t, state, head, "Load does not change the caller's map")
	require.NotContains(t, m.State(), head)

	// equal except for the type and the sign of a zero
	rows.Float32s()[3] = 0
	state[wte] = rows
	wide := widen(rows.Float32s())
	wide[3] = math.Copysign(0, -1)
	state[head] = tensor.New(tensor.WithShape(7, 8), tensor.WithBacking(wide))
	require.NoError(t, m.Load(state))
	wide[55]++
	require.ErrorContains(t, m.Load(state), "lm_head.weight must equal")

	state[head] = rows
	state["gain"] = nil
	require.EqualError(t, m.Load(state), "transformer: layers: cannot load the state: gain is unexpected")

	m, err = New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	before := m.State()
	const refused = "transformer: layers: cannot load the state: lm_head.weight is unexpected"
	const hint = " (lm_head.weight must equal transformer.wte.weight)"
	other := m.State()[wte]
	other.Float32s()[55]++
	for _, c := range []struct {
		wte, head *tensor.Dense
		want      string
	}{
		{before[wte], other, refused + hint},
		{before[wte], nil, refused + hint},
		{before[wte], new(tensor.Dense), refused + hint},
		{before[wte], tensor.New(tensor.WithShape(8, 7), tensor.WithBacking(before[wte].Data())), refused + hint},
		{new(tensor.Dense), new(tensor.Dense), refused + "; transformer.wte.weight is nil" + hint},
		{nil, before[wte], refused + "; transformer.wte.weight is nil" + hint},
	} {
		state := m.State()
		state["transformer.wpe.weight"].Zero()
		state[wte], state[head] = c.wte, c.head
		require.EqualError(t, m.Load(state), c.want)
		require.Equal(t, elements(before), elements(m.State()))
	}
}

// transposed returns the elements of a matrix with n columns, column by column.
func transposed(x []float32, n int) (columns []float32) {
	for j := range n {
		for i := j; i < len(x); i += n {
			columns = append(columns, x[i])
		}
	}
	return columns
}

func elements(s layers.State) map[string]any {
	m := make(map[string]any)
	for name, d := range s {
		m[name] = d.Data()
	}
	return m
}

func TestLoadListsAllFaults(t *testing.T) {
	c := tiny("batch")
	c.QKNorm = true
	m, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	randomize(m, 4)
	before := m.State()
	state := m.State()
	for _, d := range state {
		d.Zero()
	}
	const h0 = "transformer.h.0."
	delete(state, h0+"attn.q_norm.weight")
	delete(state, "transformer.ln_f.running_var")
	state[h0+"attn.qk_norm.weight"] = before[h0+"ln_1.running_mean"]
	state[h0+"ln_1.running_mean"] = tensor.New(tensor.WithShape(8), tensor.WithBacking(make([]float64, 8)))
	state["transformer.wpe.weight"] = tensor.New(tensor.WithShape(4, 8), tensor.WithBacking(make([]float32, 32)))
	require.EqualError(t, m.Load(state), "transformer: layers: cannot load the state: "+strings.Join([]string{
		h0 + "attn.q_norm.weight is missing",
		h0 + "attn.qk_norm.weight is unexpected",
		h0 + "ln_1.running_mean is of type float64, want float32",
		"transformer.ln_f.running_var is missing",
		"transformer.wpe.weight has shape (4, 8), want (6, 8)",
	}, "; "))
	require.Equal(t, elements(before), elements(m.State()))

	fewer := tiny("layer")
	fewer.Layers = 1
	small, err := New(G.NewGraph(), fewer)
	require.NoError(t, err)
	require.ErrorContains(t, small.Load(before), "transformer.h.1.attn.c_attn.weight is unexpected")
}
