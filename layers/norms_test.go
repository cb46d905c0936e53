package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// normSpec describes a norm to the suites. Every suite ranges over norms, and
// TestEveryNormIsComplete fails with a sentence if a description lacks something.
type normSpec struct {
	kind       string
	new        func(g *G.ExprGraph, features int, opts ...Option) (Layer, error)
	learnables []string // in the order of Learnables
	statistics []string // the other entries of its state
	scalar     bool     // the weight is one number
	rows, dims int      // the least of x in training; 0 means 1

	// The formula: the set that is normalized together ("row", "column" or "group"), whether the
	// mean is subtracted, and the default eps (0: the dtype's). A pointwise norm has a function.
	over     string
	centred  bool
	eps      float64
	function *function

	twice    bool                              // has second derivatives
	variants map[string][]Option               // for finite differences, in addition to "", without options
	golden   func(t *testing.T, norm normSpec) // compares with PyTorch's values in a file
}

// norms holds all norms.
var norms = []normSpec{
	{
		kind: "BatchNorm", new: ofFeatures(NewBatchNorm), learnables: []string{"weight", "bias"}, rows: 2,
		statistics: []string{"num_batches_tracked", "running_mean", "running_var"},
		over:       "column", centred: true, eps: 1e-5,
		variants: map[string][]Option{"no bias": {WithoutBias()}, "no weight": {WithoutWeight()}},
		golden:   batchNormEqualsPyTorch,
	},
	{
		kind: "LayerNorm", new: ofFeatures(NewLayerNorm), learnables: []string{"weight", "bias"},
		over: "row", centred: true, eps: 1e-5, twice: true,
		variants: map[string][]Option{
			"no bias": {WithoutBias()}, "no weight": {WithoutWeight()}, "no affine": {WithoutAffine()},
		},
		golden: rowNormEqualsPyTorch,
	},
	{
		kind: "RMSNorm", new: ofFeatures(NewRMSNorm), learnables: []string{"weight"},
		over: "row", twice: true,
		variants: map[string][]Option{
			"eps": {WithEps(0.5)}, "no affine": {WithoutAffine()}, "zero-centred": {WithZeroCentredGain()},
			"partial": {WithPartial(0.4)}, "partial, no affine": {WithPartial(0.4), WithoutAffine()},
		},
		golden: rowNormEqualsPyTorch,
	},
	{
		kind: "ScaleNorm", new: ofFeatures(NewScaleNorm), learnables: []string{"weight"}, scalar: true,
		over: "row", eps: 1e-5, twice: true,
		variants: map[string][]Option{
			"eps": {WithEps(0.5)}, "no affine": {WithoutAffine()},
		},
		golden: rowNormEqualsPyTorch,
	},
	{
		kind: "GroupNorm", learnables: []string{"weight", "bias"}, dims: 2,
		new: func(g *G.ExprGraph, features int, opts ...Option) (Layer, error) {
			return NewGroupNorm(g, 1+(features+1)%2, features, opts...) // two groups for an even number
		},
		over: "group", centred: true, eps: 1e-5,
		variants: map[string][]Option{"no bias": {WithoutBias()}, "no weight": {WithoutWeight()}},
		golden:   groupNormEqualsPyTorch,
	},
	{
		kind: "InstanceNorm", new: ofFeatures(NewInstanceNorm), learnables: []string{"weight", "bias"}, dims: 2,
		over: "group", centred: true, eps: 1e-5,
		variants: map[string][]Option{"eps": {WithEps(0.5)}, "no affine": {WithoutAffine()}},
		golden:   groupNormEqualsPyTorch,
	},
	{
		kind: "DyT", new: ofFeatures(NewDyT), learnables: []string{"weight", "bias", "alpha"},
		function: &function{f: math.Tanh, slope: func(u float64) float64 { return 1 / (math.Cosh(u) * math.Cosh(u)) }},
		variants: map[string][]Option{
			"no bias": {WithoutBias()}, "no weight": {WithoutWeight()}, "no affine": {WithoutAffine()},
		},
		golden: pointwiseEqualsPyTorch,
	},
	{
		kind: "Derf", new: ofFeatures(NewDerf), learnables: []string{"weight", "bias", "alpha", "shift"},
		function: &function{f: math.Erf, slope: func(u float64) float64 { return 2 / math.SqrtPi * math.Exp(-u*u) }},
		variants: map[string][]Option{"no bias": {WithoutBias()}, "no affine": {WithoutAffine()}},
		golden:   pointwiseEqualsPyTorch,
	},
}

// ofFeatures returns a constructor whose result is a Layer.
func ofFeatures[L Layer](
	make func(g *G.ExprGraph, features int, opts ...Option) (L, error),
) func(*G.ExprGraph, int, ...Option) (Layer, error) {
	return func(g *G.ExprGraph, features int, opts ...Option) (Layer, error) { return make(g, features, opts...) }
}

// normOf returns the norm of that kind, or the zero normSpec.
func normOf(kind string) normSpec {
	for _, n := range norms {
		if n.kind == kind {
			return n
		}
	}
	return normSpec{}
}

// kindsWhere returns the kinds of the norms for which has returns true.
func kindsWhere(has func(normSpec) bool) (kinds []string) {
	for _, n := range norms {
		if has(n) {
			kinds = append(kinds, n.kind)
		}
	}
	return kinds
}

func anyNorm(normSpec) bool                  { return true }
func (n normSpec) pointwise() bool           { return n.function != nil }
func (n normSpec) byRow() bool               { return n.over == "row" }
func (n normSpec) hasBias() bool             { return slices.Contains(n.learnables, "bias") }
func (n normSpec) differentiableTwice() bool { return n.twice }
func (n normSpec) isNorm() bool              { return n.over != "" }
func (n normSpec) goldenFile() string        { return strings.ToLower(n.kind) + ".json" }
func (n normSpec) fits(s []int) bool {
	return len(s) >= n.dims && tensor.Shape(s[:len(s)-1]).TotalSize() >= n.rows
}
func (n normSpec) stateNames() []string {
	return slices.Sorted(slices.Values(slices.Concat(n.learnables, n.statistics)))
}

// masks reports whether the norm has ForwardMasked.
func (n normSpec) masks() bool {
	l, err := n.make(G.NewGraph(), 4)
	_, ok := l.(maskedLayer)
	return err == nil && ok
}

// make returns a new layer of this norm.
func (n normSpec) make(g *G.ExprGraph, features int, opts ...Option) (Layer, error) {
	if n.new == nil {
		return nil, fmt.Errorf("%s has no constructor: give its entry of norms a new", n.kind)
	}
	return n.new(g, features, opts...)
}

// builders returns constructors of the norm and its variants, by name.
func (n normSpec) builders() map[string]func(g *G.ExprGraph, features int, opts ...Option) (Layer, error) {
	all := map[string]func(g *G.ExprGraph, features int, opts ...Option) (Layer, error){n.kind: n.make}
	for name, more := range n.variants {
		all[n.kind+"/"+name] = func(g *G.ExprGraph, features int, opts ...Option) (Layer, error) {
			return n.make(g, features, slices.Concat(opts, more)...)
		}
	}
	return all
}

// lacks returns a sentence about what the suites miss in the norm's entry, or "" if it is complete.
func (n normSpec) lacks() string {
	_, err := os.Stat(filepath.Join("..", "testdata", n.goldenFile()))
	switch {
	case n.new == nil:
		return "has no constructor: give its entry of norms a new"
	case n.learnables == nil:
		return "has no names of learnables, by which its state is tested: give its entry of norms learnables"
	case n.over == "" && n.function == nil:
		return "has no formula for the property suite and the theorems: " +
			"give its entry of norms an over or a function"
	case len(n.variants) == 0:
		return "has no variants: " +
			"give its entry of norms the options for which gradients are compared with finite differences"
	case err != nil:
		return "has no golden values: add testdata/" + n.goldenFile()
	case n.golden == nil:
		return "has golden values that no test reads: give its entry of norms a golden"
	case n.over != "" && !slices.ContainsFunc(normCases, func(c normCase) bool { return c.name == n.kind }):
		return "is in no theorem: add it to normCases"
	}
	return ""
}

// TestEveryNormIsComplete: each constructor that takes WithoutAffine has a complete entry in norms.
func TestEveryNormIsComplete(t *testing.T) {
	t.Parallel()
	for kind, options := range documentedOptions(t) {
		if slices.Contains(options, "WithoutAffine") && normOf(kind).kind == "" {
			t.Errorf("%s is in no suite: add it to norms in norms_test.go", kind)
		}
	}
	for _, n := range norms {
		if lack := n.lacks(); lack != "" {
			t.Errorf("%s %s", n.kind, lack)
		}
	}
}

func TestAnIncompleteNormFailsWithASentence(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(n *normSpec){
		"":                           func(*normSpec) {},
		"has no constructor":         func(n *normSpec) { n.new = nil },
		"has no names of learnables": func(n *normSpec) { n.learnables = nil },
		"has no formula":             func(n *normSpec) { n.over = "" },
		"has no variants":            func(n *normSpec) { n.variants = nil },
		"has no golden values: add testdata/newnorm.json": func(n *normSpec) { n.kind = "NewNorm" },
		"has golden values that no test reads":            func(n *normSpec) { n.golden = nil },
	} {
		n := normOf("LayerNorm")
		change(&n)
		if want == "" {
			require.Empty(t, n.lacks())
		}
		require.Contains(t, n.lacks(), want)
	}
	_, err := normSpec{kind: "NewNorm"}.make(G.NewGraph(), 4)
	require.EqualError(t, err, "NewNorm has no constructor: give its entry of norms a new")
}

// TestNormsEqualPyTorch in values and gradients.
func TestNormsEqualPyTorch(t *testing.T) {
	for _, n := range norms {
		if lack := n.lacks(); lack != "" {
			t.Errorf("%s %s", n.kind, lack)
			continue
		}
		t.Run(n.kind, func(t *testing.T) { n.golden(t, n) })
	}
}

// TestAScalarGainIsTheLengthOfRows: a row of C features gets the length g·√C.
func TestAScalarGainIsTheLengthOfRows(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsWhere(func(n normSpec) bool { return n.scalar }) {
		for _, features := range []int{1, 7, 64} {
			for _, gain := range []float64{1, -2.5, 1e3} {
				g := G.NewGraph()
				l, err := normOf(kind).make(g, features, f64, WithEps(tinyEps), WithWeightInit(constant(gain)))
				require.NoError(t, err)
				x := normals(rand.New(rand.NewPCG(1, 7)), 5*features, 0.5, 30)
				y, _ := runOnce(t, "tape", g, l, tensor.Float64, x, x, 5, features)
				for row := range slices.Chunk(y, features) {
					square := 0.0
					for _, v := range row {
						square += v * v
					}
					require.InEpsilon(t, math.Abs(gain)*math.Sqrt(float64(features)), math.Sqrt(square), 8*0x1p-52, "%s", kind)
				}
			}
		}
	}
}
