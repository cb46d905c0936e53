package transformer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
	"gorgonorm/layers"
)

type goldenModel struct {
	Placement                               Placement
	QKNorm, Bias                            bool
	Norm                                    string
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
	build, buildQK := norm.New, norm.NewQK
	norm.New = func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error) {
		return build(g, name, channels, bias, append(opts, layers.WithEps(m.Eps))...)
	}
	norm.NewQK = func(g *G.ExprGraph, name string, size int, bias bool, opts ...layers.Option) (layers.RowNorm, error) {
		return buildQK(g, name, size, bias, append(opts, layers.WithEps(m.Eps))...)
	}
	return Config{
		Vocab: m.Vocab, Context: m.Context, Layers: m.Layers, Heads: m.Heads, Channels: m.Channels,
		Norm: norm, Placement: m.Placement, QKNorm: m.QKNorm, Bias: m.Bias, Dtype: tensor.Float64,
	}
}

// state returns the parameters of PyTorch's model with their names and shapes there. These models
// have no statistics.
func (m goldenModel) state() layers.State {
	s := make(layers.State)
	for name, p := range m.Params {
		s[name] = tensor.New(tensor.WithShape(p.Shape...), tensor.WithBacking(slices.Clone(p.Data)))
	}
	return s
}

// String returns the name of the model's test.
func (m goldenModel) String() string {
	name := string(cmp.Or(m.Placement, Pre)) + " " + m.Norm
	if m.QKNorm {
		name += "+qknorm"
	}
	if m.Bias {
		name += "+bias"
	}
	return name
}

func ints(g *G.ExprGraph, name string, v golden.Ints) *G.Node {
	d := tensor.New(tensor.WithShape(v.Shape...), tensor.WithBacking(v.Data))
	return G.NewTensor(g, tensor.Int, len(v.Shape), G.WithShape(v.Shape...), G.WithName(name), G.WithValue(d))
}

// tolerance allows for sums in another order, and for the biases of the keys, whose gradients
// cancel to zero.
var tolerance = golden.Within{Rel: 1e-10, Abs: 1e-15}

// TestModelEqualsPyTorch compares logits, loss and every parameter's gradient with those of the
// same model in PyTorch (testdata/golden.py), in float64.
func TestModelEqualsPyTorch(t *testing.T) {
	var f, placements struct{ Models []goldenModel }
	golden.Read(t, "transformer.json", &f)
	golden.Read(t, "placements.json", &placements)
	require.NotEmpty(t, f.Models)
	require.NotEmpty(t, placements.Models)
	for _, want := range append(f.Models, placements.Models...) {
		for _, machine := range []string{"tape", "lisp"} {
			t.Run(want.String()+"/"+machine, func(t *testing.T) {
				g := G.NewGraph()
				m, err := New(g, want.config(t))
				require.NoError(t, err)
				require.Len(t, m.Learnables(), len(want.Params))
				require.NoError(t, m.Load(want.state()))
				ids, targets := ints(g, "ids", want.Ids), ints(g, "targets", want.Targets)
				logits, err := m.Logits(ids)
				require.NoError(t, err)
				loss, err := m.Loss(logits, targets)
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
				golden.RequireClose(t, []float64{want.Loss}, []float64{loss.Value().Data().(float64)}, tolerance,
					"loss")
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

// arrangements returns, by name, the configs of tiny models with every norm and placement, with and
// without QKNorm.
func arrangements() map[string]Config {
	all := make(map[string]Config)
	for _, n := range Norms {
		for _, p := range Placements {
			for _, qk := range []bool{false, true} {
				c := tiny(n.Name)
				c.Placement, c.QKNorm = p, qk
				all[fmt.Sprintf("%s/%s/qknorm=%v", n.Name, p, qk)] = c
			}
		}
	}
	return all
}

func TestWeightsStartTheSameUnderEveryNorm(t *testing.T) {
	first := make(map[string][]float32)
	for name, c := range arrangements() {
		m, err := New(G.NewGraph(), c)
		require.NoError(t, err)
		for _, w := range m.Learnables() {
			v := w.Value().Data().([]float32)
			if strings.HasSuffix(w.Name(), ".alpha") { // depends on the size of the stream that it scales
				want := float32(25)
				if c.Placement == Post {
					want = 0.5
				}
				require.Equal(t, []float32{want}, v, "%s under %s", w.Name(), name)
				continue
			}
			if strings.Contains(w.Name(), normEntry) && strings.HasSuffix(w.Name(), ".weight") {
				require.Equal(t, slices.Repeat([]float32{1}, len(v)), v, "%s under %s", w.Name(), name)
				continue
			}
			if f, ok := first[w.Name()]; ok {
				require.Equal(t, f, v, "%s under %s", w.Name(), name)
			}
			first[w.Name()] = v
		}
	}
	for _, name := range []string{"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"} {
		require.NotEqual(t, first["transformer.h.0."+name+".weight"], first["transformer.h.1."+name+".weight"],
			"blocks differ")
	}
	other := tiny("layer")
	other.Seed = 4
	m, err := New(G.NewGraph(), other)
	require.NoError(t, err)
	require.NotEqual(t, first["transformer.wte.weight"], m.Learnables()[0].Value().Data())
}

// TestInitialisation compares the standard deviations with nanoGPT's, 0.02 and 0.02/√(2·layers),
// within the error of 40 000 draws.
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

// TestEvaluationPlacement changes the weights on the training graph, as a solver does, and compares
// the logits of both graphs.
func TestEvaluationPlacement(t *testing.T) {
	ids := golden.Ints{Shape: []int{2, 3}, Data: []int{1, 6, 2, 0, 3, 5}}
	for name, c := range arrangements() {
		t.Run(name, func(t *testing.T) {
			g, eg := G.NewGraph(), G.NewGraph()
			m, err := New(g, c)
			require.NoError(t, err)
			e, err := m.On(eg, layers.Evaluation)
			require.NoError(t, err)
			require.Equal(t, m.Parameters(), e.Parameters())
			train, eval := logits(t, g, m, ids), logits(t, eg, e, ids)
			before := eval()
			for i, w := range m.Learnables() {
				for j, v := range w.Value().Data().([]float32) {
					w.Value().Data().([]float32)[j] = 2*v + float32(i)/100
				}
			}
			changed := eval()
			require.NotEqual(t, before, changed, "weights are shared")
			trained := train()
			if c.Norm.Name != "batch" {
				require.Equal(t, trained, changed)
				return
			}
			require.NotEqual(t, trained, changed, "training uses the batch's statistics")
			after := eval()
			require.NotEqual(t, changed, after, "running statistics are shared")
			require.Equal(t, after, eval(), "evaluation does not change them")
		})
	}
}

// logits adds a forward pass of the ids to the model's graph g and returns a function that runs it.
func logits(t *testing.T, g *G.ExprGraph, m *Model, ids golden.Ints) func() []float32 {
	y, err := m.Logits(ints(g, "ids", ids))
	require.NoError(t, err)
	vm := G.NewTapeMachine(g)
	t.Cleanup(func() { vm.Close() })
	return func() []float32 {
		require.NoError(t, vm.RunAll())
		defer vm.Reset()
		return append([]float32(nil), y.Value().Data().([]float32)...)
	}
}

// TestNoTokenSeesTheFuture changes the last token and compares the logits of the tokens before it.
func TestNoTokenSeesTheFuture(t *testing.T) {
	for name, c := range arrangements() {
		with := func(lastID int) []float32 {
			m, err := New(G.NewGraph(), c)
			require.NoError(t, err)
			g := G.NewGraph()
			e, err := m.On(g, layers.Evaluation)
			require.NoError(t, err)
			return logits(t, g, e, golden.Ints{Shape: []int{1, 4}, Data: []int{1, 2, 3, lastID}})()
		}
		a, b := with(4), with(5)
		require.Equal(t, a[:3*7], b[:3*7], name)
		require.NotEqual(t, a[3*7:], b[3*7:], name)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	want := tiny("layer")
	want.Placement, want.GELU, want.Dtype = Pre, Tanh, tensor.Float32
	sameConfig(t, want, m.Config())
}

func TestInvalidConfigs(t *testing.T) {
	for _, test := range []struct {
		want   string
		change func(*Config)
	}{
		{"transformer: 3 heads do not divide 8 channels", func(c *Config) { c.Heads = 3 }},
		{"transformer: context is 0, want 1 or more", func(c *Config) { c.Context = 0 }},
		{"transformer: layers is -1, want 1 or more", func(c *Config) { c.Layers = -1 }},
		{"transformer: no norm is chosen, want one of Norms", func(c *Config) { c.Norm = Norm{} }},
		{`transformer: unknown placement "x", want one of ["pre" "post" "peri" "scaled" "open"]`,
			func(c *Config) { c.Placement = "x" }},
		{`transformer: unknown GELU "new", want one of ["tanh" "exact"]`, func(c *Config) { c.GELU = "new" }},
		{`transformer: norm "layer" has no NewQK, which Config.QKNorm needs`,
			func(c *Config) { c.QKNorm, c.Norm.NewQK = true, nil }},
		{"transformer: layers: Embedding transformer.wte: dtype is int, want float32 or float64",
			func(c *Config) { c.Dtype = tensor.Int }},
	} {
		c := tiny("layer")
		test.change(&c)
		_, err := New(G.NewGraph(), c)
		require.EqualError(t, err, test.want)
	}
	_, err := NormByName("group")
	require.EqualError(t, err, `transformer: unknown norm "group", want one of `+fmt.Sprintf("%q", NormNames()))

	g := G.NewGraph()
	_, err = New(g, tiny("layer"))
	require.NoError(t, err)
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	_, err = m.On(g, layers.Training)
	require.EqualError(t, err,
		"transformer: layers: Embedding transformer.wte: the graph has a node transformer.wte.weight already, give "+
			"the layer another name")
	_, err = m.Logits(ints(g, "ids", golden.Ints{Shape: []int{1, 7}, Data: make([]int, 7)}))
	require.EqualError(t, err,
		"transformer: ids have shape (1, 7), want (batch, time), both 1 or more, with time up to the context of 6")
}

// TestPlacementOnTheSameGraph shares the nodes of the weights.
func TestPlacementOnTheSameGraph(t *testing.T) {
	for _, norm := range []string{"layer", "batch"} {
		g := G.NewGraph()
		m, err := New(g, tiny(norm))
		require.NoError(t, err)
		nodes := len(g.AllNodes())
		eval, err := m.On(g, layers.Evaluation)
		require.NoError(t, err)
		require.Len(t, g.AllNodes(), nodes)
		require.Equal(t, m.Learnables(), eval.Learnables())
		logits, err := eval.Logits(ints(g, "ids", golden.Ints{Shape: []int{1, 6}, Data: []int{1, 2, 3, 4, 5, 6}}))
		require.NoError(t, err)
		vm := G.NewTapeMachine(g.SubgraphRoots(logits))
		require.NoError(t, vm.RunAll())
		vm.Close()
	}
}
