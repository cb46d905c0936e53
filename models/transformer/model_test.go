package transformer

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
	"gorgonorm/layers"
)

type goldenModel struct {
	Norm                                    string
	Bias                                    bool
	Vocab, Context, Layers, Heads, Channels int
	Eps                                     float64
	Params, Grads                           map[string]golden.Tensor
	Ids, Targets                            golden.Ints
	Logits                                  golden.Tensor
	Loss                                    float64
}

func (m goldenModel) config(t *testing.T) Config {
	norm, err := NormByName(m.Norm)
	require.NoError(t, err)
	build := norm.New
	norm.New = func(g *G.ExprGraph, channels int, bias bool, opts ...layers.Option) (layers.Layer, error) {
		return build(g, channels, bias, append(opts, layers.WithEps(m.Eps))...)
	}
	return Config{
		Vocab: m.Vocab, Context: m.Context, Layers: m.Layers, Heads: m.Heads, Channels: m.Channels,
		Norm: norm, Bias: m.Bias, Dtype: tensor.Float64,
	}
}

func ints(g *G.ExprGraph, name string, v golden.Ints) *G.Node {
	d := tensor.New(tensor.WithShape(v.Shape...), tensor.WithBacking(v.Data))
	return G.NewTensor(g, tensor.Int, len(v.Shape), G.WithShape(v.Shape...), G.WithName(name), G.WithValue(d))
}

// tolerance is for sums taken in another order, and for the keys' biases, whose
// gradient cancels to nothing.
var tolerance = golden.Within{Rel: 1e-10, Abs: 1e-15}

// TestModelEqualsPyTorch compares logits, loss and every parameter's gradient
// with those of the same model in PyTorch (testdata/golden.py), in float64.
func TestModelEqualsPyTorch(t *testing.T) {
	var f struct{ Models []goldenModel }
	golden.Read(t, "transformer.json", &f)
	require.NotEmpty(t, f.Models)
	for _, want := range f.Models {
		for _, machine := range []string{"tape", "lisp"} {
			name := want.Norm + "/" + machine
			if want.Bias {
				name = want.Norm + "+bias/" + machine
			}
			t.Run(name, func(t *testing.T) {
				g := G.NewGraph()
				m, err := New(g, want.config(t))
				require.NoError(t, err)
				require.Len(t, m.Learnables(), len(want.Params))
				for _, n := range m.Learnables() {
					p, ok := want.Params[n.Name()]
					require.True(t, ok, "PyTorch's model has no %s", n.Name())
					require.Equal(t, tensor.Shape(p.Shape), n.Shape(), n.Name())
					copy(n.Value().Data().([]float64), p.Data)
				}
				ids, targets := ints(g, "ids", want.Ids), ints(g, "targets", want.Targets)
				logits, err := m.Logits(ids)
				require.NoError(t, err)
				loss, err := m.loss.Forward(logits, targets)
				require.NoError(t, err)

				vm := G.VM(G.NewLispMachine(g))
				if machine == "tape" {
					_, err = G.Grad(loss, m.Learnables()...)
					require.NoError(t, err)
					vm = G.NewTapeMachine(g, G.BindDualValues(m.Learnables()...))
				}
				defer vm.Close()
				require.NoError(t, vm.RunAll())
				golden.RequireClose(t, want.Logits.Data, logits.Value().Data().([]float64), tolerance, "logits")
				golden.RequireClose(t, []float64{want.Loss}, []float64{loss.Value().Data().(float64)}, tolerance, "loss")
				for _, n := range m.Learnables() {
					d, err := n.Grad()
					require.NoError(t, err)
					golden.RequireClose(t, want.Grads[n.Name()].Data, d.Data().([]float64), tolerance, "%s", n.Name())
				}
			})
		}
	}
}

func tiny(norm string) Config {
	n, err := NormByName(norm)
	if err != nil {
		panic(err)
	}
	return Config{Vocab: 7, Context: 6, Layers: 2, Heads: 2, Channels: 8, Norm: n, Seed: 3}
}

func TestWeightsStartTheSameUnderEveryNorm(t *testing.T) {
	first := make(map[string][]float32)
	for _, n := range Norms {
		m, err := New(G.NewGraph(), tiny(n.Name))
		require.NoError(t, err)
		for _, w := range m.Learnables() {
			v := w.Value().Data().([]float32)
			if f, ok := first[w.Name()]; ok {
				require.Equal(t, f, v, "%s under %s", w.Name(), n.Name)
			}
			first[w.Name()] = v
		}
	}
	other := tiny("layer")
	other.Seed = 4
	m, err := New(G.NewGraph(), other)
	require.NoError(t, err)
	require.NotEqual(t, first["transformer.wte.weight"], m.Learnables()[0].Value().Data())
}

// TestInitialisation holds the standard deviations to nanoGPT's, 0.02 and
// 0.02/√(2·layers), within what 40 000 draws allow.
func TestInitialisation(t *testing.T) {
	c := tiny("layer")
	c.Channels, c.Vocab, c.Context = 200, 200, 200
	m, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	for _, w := range m.Learnables() {
		want := 0.02
		switch {
		case strings.HasSuffix(w.Name(), "c_proj.weight"):
			want = 0.02 / math.Sqrt(2*2)
		case strings.Contains(w.Name(), "ln_"):
			continue
		}
		var s float64
		for _, v := range w.Value().Data().([]float32) {
			s += float64(v) * float64(v)
		}
		require.InEpsilon(t, want, math.Sqrt(s/float64(w.Shape().TotalSize())), 0.02, w.Name())
	}
}

// TestEvaluationPlacement trains a step under each norm's training graph and
// evaluates another batch size and a shorter time on a second graph.
func TestEvaluationPlacement(t *testing.T) {
	for _, n := range Norms {
		t.Run(n.Name, func(t *testing.T) {
			m, err := New(G.NewGraph(), tiny(n.Name))
			require.NoError(t, err)
			eg := G.NewGraph()
			e, err := m.On(eg, layers.Evaluation)
			require.NoError(t, err)
			require.Equal(t, m.Parameters(), e.Parameters())
			ids := golden.Ints{Shape: []int{1, 3}, Data: []int{1, 6, 2}}
			loss, err := e.Loss(ints(eg, "ids", ids), ints(eg, "targets", ids))
			require.NoError(t, err)
			vm := G.NewTapeMachine(eg)
			defer vm.Close()
			require.NoError(t, vm.RunAll())
			// At initialisation, where logits are small, the loss is near ln(vocabulary).
			require.InDelta(t, math.Log(7), float64(loss.Value().Data().(float32)), 0.15)
		})
	}
}

// TestNoTokenSeesTheFuture changes the last token and compares the logits of
// those before it.
func TestNoTokenSeesTheFuture(t *testing.T) {
	for _, n := range Norms {
		logits := func(lastID int) []float32 {
			m, err := New(G.NewGraph(), tiny(n.Name))
			require.NoError(t, err)
			g := G.NewGraph()
			e, err := m.On(g, layers.Evaluation)
			require.NoError(t, err)
			y, err := e.Logits(ints(g, "ids", golden.Ints{Shape: []int{1, 4}, Data: []int{1, 2, 3, lastID}}))
			require.NoError(t, err)
			vm := G.NewTapeMachine(g)
			defer vm.Close()
			require.NoError(t, vm.RunAll())
			return append([]float32(nil), y.Value().Data().([]float32)...)
		}
		a, b := logits(4), logits(5)
		require.Equal(t, a[:3*7], b[:3*7], n.Name)
		require.NotEqual(t, a[3*7:], b[3*7:], n.Name)
	}
}

func TestWhatCannotBeBuilt(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"transformer: 3 heads do not divide 8 channels":                                         func(c *Config) { c.Heads = 3 },
		"transformer: context is 0, want 1 or more":                                             func(c *Config) { c.Context = 0 },
		"transformer: layers is -1, want 1 or more":                                             func(c *Config) { c.Layers = -1 },
		"transformer: no norm is chosen, want one of Norms":                                     func(c *Config) { c.Norm = Norm{} },
		"transformer: layers: Embedding transformer.wte: dtype is int, want float32 or float64": func(c *Config) { c.Dtype = tensor.Int },
	} {
		c := tiny("layer")
		change(&c)
		_, err := New(G.NewGraph(), c)
		require.EqualError(t, err, want)
	}
	_, err := NormByName("group")
	require.EqualError(t, err, `transformer: unknown norm "group", want one of ["none" "batch" "layer" "rms"]`)

	g := G.NewGraph()
	m, err := New(g, tiny("layer"))
	require.NoError(t, err)
	_, err = m.Logits(ints(g, "ids", golden.Ints{Shape: []int{1, 7}, Data: make([]int, 7)}))
	require.EqualError(t, err, "transformer: ids have shape (1, 7), want (batch, time) with time up to the context of 6")
}
