package layers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

var (
	takes  = regexp.MustCompile(`It takes (?:[^.;]|\.\d)*`) // to the end of the sentence
	option = regexp.MustCompile(`With\w+`)
)

// documentation returns the exported functions of this package, with their doc comments.
func documentation(t *testing.T) map[string]*ast.FuncDecl {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	functions := make(map[string]*ast.FuncDecl)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil {
				functions[d.Name.Name] = d
			}
		}
	}
	return functions
}

// documentedOptions returns the options that each layer takes according to its constructor's doc
// comment.
func documentedOptions(t *testing.T) map[string][]string {
	t.Helper()
	options := make(map[string][]string)
	for name, f := range documentation(t) {
		kind, ok := strings.CutPrefix(name, "New")
		if !ok || f.Type.Params.NumFields() == 0 {
			continue
		}
		if _, ok := f.Type.Params.List[len(f.Type.Params.List)-1].Type.(*ast.Ellipsis); ok {
			options[kind] = option.FindAllString(takes.FindString(strings.ReplaceAll(f.Doc.Text(), "\n", " ")), -1)
		}
	}
	return options
}

// constructors returns a constructor of each layer, for 4 features.
func constructors() map[string]func(g *G.ExprGraph, opts ...Option) error {
	all := map[string]func(g *G.ExprGraph, opts ...Option) error{
		"Residual":     func(_ *G.ExprGraph, opts ...Option) error { return second(NewResidual(opts...)) },
		"CrossEntropy": func(_ *G.ExprGraph, opts ...Option) error { return second(NewCrossEntropy(opts...)) },
		"QKNorm": func(_ *G.ExprGraph, opts ...Option) error {
			g := G.NewGraph()
			query, err := NewLayerNorm(g, 4)
			if err != nil {
				return err
			}
			key, err := NewLayerNorm(g, 4)
			if err != nil {
				return err
			}
			return second(NewQKNorm(1, query, key, opts...))
		},
	}
	for kind, build := range every {
		all[kind] = func(g *G.ExprGraph, opts ...Option) error { return second(build(g, opts...)) }
	}
	return all
}

func sortedOptions() []string { return slices.Sorted(maps.Keys(everyOption)) }

// TestALayerTakesTheOptionsThatItsDocumentationLists, and no others.
func TestALayerTakesTheOptionsThatItsDocumentationLists(t *testing.T) {
	t.Parallel()
	var options []string
	for name := range documentation(t) {
		if option.MatchString(name) {
			options = append(options, name)
		}
	}
	require.ElementsMatch(t, options, sortedOptions())
	documented := documentedOptions(t)
	require.ElementsMatch(t, slices.Collect(maps.Keys(documented)), slices.Collect(maps.Keys(constructors())))
	for kind, build := range constructors() {
		for _, o := range options {
			r := request{
				kind: kind, dtype: tensor.Float64, eps: 1, momentum: 1, partial: 1, axes: []int{-1}, positions: 1,
				dims: []int{2, 2},
			}
			err := build(G.NewGraph(), everyOption[o](r))
			if slices.Contains(documented[kind], o) {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, "layers: "+kind+": has no option "+o, "%s", kind)
			}
		}
	}
}

// TestThePackagesTableOfOptionsEqualsTheConstructors reads the table of doc.go. A line of it lists
// the layers that take an option; lines that begin with spaces continue the list.
func TestThePackagesTableOfOptionsEqualsTheConstructors(t *testing.T) {
	t.Parallel()
	doc, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	documented := documentedOptions(t)
	groups := map[string][]string{
		"norms":             kindsWhere(normSpec.isNorm),
		"norms with a bias": kindsWhere(func(n normSpec) bool { return n.isNorm() && n.hasBias() }),
		"norms of rows":     kindsWhere(normSpec.byRow),
	}
	for kind := range documented {
		groups["all"] = append(groups["all"], kind)
		if learnables[kind] != nil {
			groups["all that have learnables"] = append(groups["all that have learnables"], kind)
		}
	}
	_, table, _ := strings.Cut(doc.Doc.Text(), "\toption ")
	table, _, _ = strings.Cut(table, "\n\n")
	header, lines, _ := strings.Cut("\toption "+table, "\n")
	from, to := strings.Index(header, "layers"), strings.Index(header, "default")
	got := make(map[string][]string)
	name := ""
	for line := range strings.Lines(lines) {
		runes := []rune(line)
		if n := strings.TrimSpace(string(runes[:from])); n != "" {
			name = n
		}
		for layers := range strings.SplitSeq(string(runes[from:min(to, len(runes))]), ",") {
			layers = strings.TrimSpace(layers)
			if group, ok := groups[layers]; ok {
				got[name] = append(got[name], group...)
			} else if layers != "" {
				got[name] = append(got[name], layers)
			}
		}
	}
	want := make(map[string][]string)
	for kind, options := range documented {
		for _, o := range options {
			want[o] = append(want[o], kind)
		}
	}
	for name := range want {
		require.ElementsMatch(t, want[name], got[name], name)
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(got)), sortedOptions())
}

// TestLayersRefuseBadOptions passes them to each layer that takes these options.
func TestLayersRefuseBadOptions(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	short := func(tensor.Dtype, ...int) any { return []float32{} }
	double := func(tensor.Dtype, ...int) any { return make([]float64, 4) }
	for _, c := range []struct {
		opts []Option
		want string
	}{
		{[]Option{WithEps(0)}, "eps is 0, want a finite number above 0"},
		{[]Option{WithEps(-1)}, "eps is -1, want a finite number above 0"},
		{[]Option{WithEps(nan)}, "eps is NaN, want a finite number above 0"},
		{[]Option{WithEps(inf)}, "eps is +Inf, want a finite number above 0"},
		{[]Option{WithEps(1e-80)}, "eps is 1e-80, too small for float32, which has no 1/√eps"},
		{[]Option{WithMomentum(-0.1)}, "momentum is -0.1, want it in [0, 1]"},
		{[]Option{WithMomentum(1.5)}, "momentum is 1.5, want it in [0, 1]"},
		{[]Option{WithMomentum(nan)}, "momentum is NaN, want it in [0, 1]"},
		{[]Option{WithPartial(0)}, "the part for the root mean square is 0, want it in (0, 1]"},
		{[]Option{WithPartial(1.5)}, "the part for the root mean square is 1.5, want it in (0, 1]"},
		{[]Option{WithPartial(nan)}, "the part for the root mean square is NaN, want it in (0, 1]"},
		{[]Option{WithAlpha(nan)}, "alpha is NaN, want a finite number"},
		{[]Option{WithAlpha(-inf)}, "alpha is -Inf, want a finite number"},
		{[]Option{WithAlpha(1e39)}, "alpha is 1e+39, want a finite number"},
		{[]Option{WithPositions(0)}, "WithPositions was given 0 positions, want 1 or more"},
		{[]Option{WithPositions(-3)}, "WithPositions was given -3 positions, want 1 or more"},
		{[]Option{WithPositions(2), WithAxis(1)}, "WithPositions needs the features last, not on axis 1"},
		{[]Option{WithoutTracking(), WithFrozenStatistics()}, "WithoutTracking leaves no statistics to freeze"},
		{[]Option{WithWeightInit(constant(1)), WithoutAffine()}, "there is no weight for WithWeightInit"},
		{[]Option{WithoutWeight(), WithWeightInit(constant(1))}, "there is no weight for WithWeightInit"},
		{[]Option{WithoutAffine(), WithZeroCentredGain()}, "WithoutAffine leaves no weight for WithZeroCentredGain"},
		{[]Option{WithoutAffine(), WithBiasInit(constant(1))}, "there is no bias for WithBiasInit"},
		{[]Option{WithBiasInit(constant(1)), WithoutBias()}, "there is no bias for WithBiasInit"},
		{[]Option{WithWeightInit(nil)}, "a function for initial values is nil"},
		{[]Option{WithBiasInit(nil)}, "a function for initial values is nil"},
		{[]Option{WithWeightInit(short)}, "the initial weight is not a []float32 of 4 elements"},
		{[]Option{WithBiasInit(short)}, "the initial bias is not a []float32 of 4 elements"},
		{[]Option{WithBiasInit(double)}, "the initial bias is not a []float32 of 4 elements"},
		{[]Option{WithDtype(tensor.Float64), WithBiasInit(short)}, "the initial bias is not a []float64 of 4 elements"},
		{[]Option{WithAxis()}, "WithAxis was given no axis"},
		{[]Option{WithAxis(1, 2, 1), WithShape(1, 2, 2)}, "WithAxis was given one axis twice ([1 2 1])"},
		{[]Option{WithAxis(-1, -1)}, "WithAxis was given one axis twice ([-1 -1])"},
		{[]Option{WithAxis(2, 1), WithShape(4)}, "WithAxis was given 2 axes, but WithShape the sizes of 1"},
		{[]Option{WithAxis(1), WithShape(2, 2)}, "WithAxis was given 1 axes, but WithShape the sizes of 2"},
		{[]Option{WithShape()}, "WithShape was given no dimensions"},
		{[]Option{WithShape(2, 3)}, "the features' shape (2, 3) has 6 elements, want 4"},
		{[]Option{WithShape(-2, -2)}, "the features' shape is (-2, -2), want sizes of 1 or more"},
		{[]Option{WithShape(4, 0)}, "the features' shape is (4, 0), want sizes of 1 or more"},
		{[]Option{WithDtype(tensor.Int)}, "dtype is int, want float32 or float64"},
		{[]Option{WithDtype(tensor.Dtype{})}, "dtype is none, want float32 or float64"},
		{[]Option{{}}, "an option is the zero Option, want one made by a With… function"},
	} {
		layers := 0
		for kind, options := range documentedOptions(t) {
			if slices.ContainsFunc(c.opts, func(o Option) bool { return o.name != "" && !slices.Contains(options, o.name) }) {
				continue
			}
			layers++
			g := G.NewGraph()
			want := c.want
			if normOf(kind).scalar {
				want = strings.Replace(want, "the initial weight is not a []float32 of 4",
					"the initial weight is not a []float32 of 1", 1)
			}
			require.EqualError(t, constructors()[kind](g, c.opts...), "layers: "+kind+": "+want)
			require.Empty(t, g.AllNodes(), "a refused layer's nodes")
		}
		require.NotZero(t, layers, c.want)
	}
}

// TestFailedConstructorsAddNoNode, for faults other than those of options.
func TestFailedConstructorsAddNoNode(t *testing.T) {
	norms := func(g *G.ExprGraph) *QKNorm {
		query, err := NewLayerNorm(g, 4, WithName("q"))
		require.NoError(t, err)
		key, err := NewRMSNorm(g, 4, WithName("k"))
		require.NoError(t, err)
		l, err := NewQKNorm(1, query, key)
		require.NoError(t, err)
		return l
	}
	for _, c := range []struct {
		make func(g *G.ExprGraph) error
		want string
	}{
		{func(g *G.ExprGraph) error { return second(NewLayerNorm(g, 0)) },
			"layers: LayerNorm: features is 0, want 1 or more"},
		{func(g *G.ExprGraph) error { return second(NewBatchNorm(g, -4)) },
			"layers: BatchNorm: features is -4, want 1 or more"},
		{func(g *G.ExprGraph) error { return second(NewLayerNorm(g, 0, WithName("50%d"))) },
			"layers: LayerNorm 50%d: features is 0, want 1 or more"},
		{func(g *G.ExprGraph) error { return second(NewLayerNorm(g, 4, WithAxis(1, 2))) },
			"layers: LayerNorm: WithAxis was given 2 axes, want their sizes in WithShape"},
		{func(g *G.ExprGraph) error { return second(NewRMSNorm(g, 4, WithAxis(-1, -2))) },
			"layers: RMSNorm: WithAxis was given 2 axes, want their sizes in WithShape"},
		{func(g *G.ExprGraph) error { return second(NewBatchNorm(g, 4, WithAxis(1, 2))) },
			"layers: BatchNorm: WithAxis was given 2 axes, want 1"},
		{func(g *G.ExprGraph) error { return second(NewGroupNorm(g, 2, 4, WithAxis(1, 2))) },
			"layers: GroupNorm: WithAxis was given 2 axes, want 1"},
		{func(g *G.ExprGraph) error { return second(NewInstanceNorm(g, 4, WithAxis(1, 2))) },
			"layers: InstanceNorm: WithAxis was given 2 axes, want 1"},
		{func(g *G.ExprGraph) error { return second(NewInstanceNorm(g, 4, WithAxis(0))) },
			"layers: InstanceNorm: axis is 0, which is the samples', want another"},
		{func(g *G.ExprGraph) error { return second(NewLinear(g, 4, 0, constant(0))) },
			"layers: Linear: maps 4 features to 0, want 1 or more of each"},
		{func(g *G.ExprGraph) error { return second(NewLinear(g, 4, 4, nil)) },
			"layers: Linear: there is no function for the initial weight"},
		{func(g *G.ExprGraph) error {
			return second(NewLinear(g, 4, 4, func(tensor.Dtype, ...int) any { return []float32{1} }))
		}, "layers: Linear: the initial weight is not a []float32 of 16 elements"},
		{func(g *G.ExprGraph) error { return second(NewEmbedding(g, 0, 4, constant(0))) },
			"layers: Embedding: has 0 rows of 4 features, want 1 or more of each"},
		{func(g *G.ExprGraph) error { return second(NewEmbedding(g, 4, 4, nil)) },
			"layers: Embedding: there is no function for the initial weight"},
		{func(*G.ExprGraph) error { return second(NewCausalSelfAttention(0)) },
			"layers: CausalSelfAttention: has 0 heads, want 1 or more"},
		{func(g *G.ExprGraph) error { return second(norms(G.NewGraph()).On(nil, Training)) },
			"layers: LayerNorm q: the graph is nil"},
	} {
		g := G.NewGraph()
		require.EqualError(t, c.make(g), c.want)
		require.Empty(t, g.AllNodes())
	}
	for kind, build := range every {
		if learnables[kind] == nil {
			continue
		}
		require.EqualError(t, second(build(nil)), "layers: "+kind+": the graph is nil")
		g := G.NewGraph()
		l, err := build(g)
		require.NoError(t, err)
		require.EqualError(t, second(l.On(nil, Training)), "layers: "+kind+": the graph is nil")
		nodes := len(g.AllNodes())
		other, err := build(G.NewGraph())
		require.NoError(t, err)
		require.Error(t, second(other.On(g, Training)), "another layer of its name")
		require.Len(t, g.AllNodes(), nodes)
	}
	g := G.NewGraph()
	_, err := NewLayerNorm(g, 4, WithName("k"))
	require.NoError(t, err)
	nodes := len(g.AllNodes())
	require.EqualError(t, second(norms(G.NewGraph()).On(g, Training)),
		"layers: RMSNorm k: the graph has a node k.weight already, give the layer another name")
	require.Len(t, g.AllNodes(), nodes, "the query's norm")
}

// TestLayersRefuseImpossibleInputs and add no node for them.
func TestLayersRefuseImpossibleInputs(t *testing.T) {
	for kind, build := range everyAndQKNorm() {
		g := G.NewGraph()
		l, err := build(g)
		require.NoError(t, err)
		dt := tensor.Float32
		if kind == "Embedding" {
			dt = tensor.Int
		}
		node := func(g *G.ExprGraph, shape ...int) *G.Node {
			return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprint("x", rand.Int())))
		}
		if l.Learnables() != nil && kind != "Embedding" {
			for _, shape := range [][]int{{2, 0}, {0}} {
				x := node(g, shape...)
				nodes := len(g.AllNodes())
				_, err := l.Forward(x)
				require.ErrorContains(t, err, "layers: "+kind+": ")
				require.Len(t, g.AllNodes(), nodes)
			}
		}
		require.EqualError(t, second(l.Forward(nil)), "layers: "+kind+": the input is nil")
		require.EqualError(t, l.Fwd(nil).Err(), "layers: "+kind+": the input is nil")
		if l.Learnables() != nil { // the others have no graph
			require.EqualError(t, second(l.Forward(node(G.NewGraph(), 2, 4))),
				"layers: "+kind+": the input is a node of another graph: place the layer there with On")
		}
	}
	residual, err := NewResidual()
	require.NoError(t, err)
	require.EqualError(t, residual.Fwd(nil).Err(), "layers: Residual: the input is nil")
	ce, err := NewCrossEntropy()
	require.NoError(t, err)
	require.EqualError(t, ce.Fwd(nil).Err(), "layers: CrossEntropy: the input is nil")
}
