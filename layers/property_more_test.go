package layers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
	"pgregory.net/rapid"
)

// TestQKNormNormalizesEachHead compares with a formula, for all kinds of norms.
func TestQKNormNormalizesEachHead(t *testing.T) {
	takes := documentedOptions(t)
	rapid.Check(t, func(t *rapid.T) {
		heads, size := oneOf(t, "heads", 1, 2, 3), rapid.IntRange(1, 5).Draw(t, "size")
		batch, time := rapid.IntRange(1, 3).Draw(t, "batch"), rapid.IntRange(1, 3).Draw(t, "time")
		dt := oneOf(t, "dtype", tensor.Float32, tensor.Float64)
		g := G.NewGraph()
		var norms [2]RowNorm
		var requests [2]request
		for i := range norms {
			r := rowNorms(takes, size, dt).Draw(t, fmt.Sprint("norm ", i))
			if r.wrongOptions(takes[r.kind]) != "" {
				t.Skip()
			}
			made, err := r.make(g)
			require.NoError(t, err)
			requests[i], norms[i] = r, made.(RowNorm)
		}
		layer, err := NewQKNorm(heads, norms[0], norms[1])
		require.NoError(t, err)
		var l Layer = layer
		rng := rand.New(rand.NewPCG(rapid.Uint64Range(0, 1000).Draw(t, "seed"), 2))
		require.NoError(t, l.Load(randomState(l, rng)))
		if rapid.Bool().Draw(t, "on") {
			g = G.NewGraph()
			l, err = l.On(g, Evaluation)
			require.NoError(t, err)
		}
		shape := tensor.Shape{batch, time, 3 * heads * size}
		values := rounded(dt, normals(rng, shape.TotalSize(), 0.5, 1))
		upstream := rounded(dt, normals(rng, len(values), 0, 1))
		x := G.NewTensor(g, dt, 3, G.WithShape(shape...), G.WithName("x"))
		y, err := l.Forward(x)
		require.NoError(t, err)
		layout := oneOf(t, "layout", "plain", "transposed", "sliced")
		require.NoError(t, G.Let(x, laidOut(layout, dt, values, shape)))
		machine := rapid.SampledFrom(machines).Draw(t, "machine")
		got, grads, err := run(t, machine, y, append(G.Nodes{x}, l.Learnables()...), upstream)
		require.NoError(t, err)
		qkOracle(values, shape, heads, size, requests, l).compare(t, dt, got, grads, upstream)
	})
}

// rowNorms draws a norm of rows. Its options may contradict each other.
func rowNorms(takes map[string][]string, size int, dt tensor.Dtype) *rapid.Generator[request] {
	return rapid.Custom(func(t *rapid.T) request {
		r := request{features: size, dtype: dt, init: "right"}
		r.kind = oneOf(t, "kind", kindsWhere(normSpec.byRow)...)
		allowed := slices.DeleteFunc(slices.Clone(takes[r.kind]), func(o string) bool {
			return slices.Contains([]string{"WithName", "WithDtype", "WithShape", "WithAxis"}, o)
		})
		r.options = append(rapid.SliceOfNDistinct(rapid.SampledFrom(allowed), 0, 3, rapid.ID).Draw(t, "options"), "WithDtype")
		r.eps = oneOf(t, "eps", 0.5, 1e-5)
		r.partial = oneOf(t, "partial", 1, 0.5, 0.01)
		return r
	})
}

// qkOracle returns the formula of a QKNorm of the given norms, for qkv x.
func qkOracle(x []float64, shape tensor.Shape, heads, size int, norms [2]request, l Layer) *oracle {
	o := &oracle{x: x}
	for _, n := range l.Learnables() {
		o.params = append(o.params, float64s(n.Value()))
	}
	for i := range x {
		token, column := i/shape[2], i%shape[2]
		part, head, feature := column/(heads*size), column/size%heads, column%size
		if part == 2 {
			o.elements = append(o.elements, element{set: -1, weight: -1, bias: -1, plus: 1}) // of a value vector
			continue
		}
		r, at := norms[part], 0
		if part == 1 {
			at = norms[0].learnables()
		}
		norm := normOf(r.kind)
		e := element{plus: 1, weight: -1, bias: -1, at: feature, gainAt: feature}
		if norm.scalar {
			e.gainAt = 0
		}
		weighted := !r.has("WithoutAffine") && !r.has("WithoutWeight")
		if weighted {
			e.weight = at
			at++
			if !r.has("WithZeroCentredGain") {
				e.plus = 0
			}
		}
		if norm.hasBias() && !r.has("WithoutAffine") && !r.has("WithoutBias") {
			e.bias = at
		}
		o.elements = append(o.elements, e)
		member := !r.has("WithPartial") || float64(feature) < r.documentedPartial()*float64(size)-1e-9
		o.use(i, [3]int{token, part, head}, member, statistics{centred: norm.centred, eps: r.documentedEps()})
	}
	return o
}

// learnables returns a row norm's number of learnables.
func (r request) learnables() int {
	switch {
	case r.has("WithoutAffine"), r.has("WithoutWeight") && r.has("WithoutBias"):
		return 0
	case !normOf(r.kind).hasBias(), r.has("WithoutBias"), r.has("WithoutWeight"):
		return 1
	}
	return 2
}

// TestLoadNamesEveryFaultAndThenChangesNothing draws faults of states.
func TestLoadNamesEveryFaultAndThenChangesNothing(t *testing.T) {
	all := everyAndQKNorm()
	rapid.Check(t, func(t *rapid.T) {
		kind := oneOf(t, "kind", append(kindsWhere(anyNorm), "Linear", "Embedding", "QKNorm")...)
		l, err := all[kind](G.NewGraph())
		require.NoError(t, err)
		randomize(l, 1)
		before := contents(l.State())
		other, err := all[kind](G.NewGraph())
		require.NoError(t, err)
		state := randomState(other, rand.New(rand.NewPCG(3, 3)))
		names := stateNames[kind]
		fault := rapid.SampledFrom([]string{"missing", "nil", "unexpected", "shape", "is of type"})
		faults := rapid.MapOfN(rapid.SampledFrom(names), fault, 0, len(names)).Draw(t, "faults")
		if faults["num_batches_tracked"] == "missing" { // not a fault
			delete(state, "num_batches_tracked")
			delete(faults, "num_batches_tracked")
		}
		for name, fault := range faults {
			shape := state[name].Shape()
			switch fault {
			case "missing":
				delete(state, name)
			case "nil":
				state[name] = nil
			case "unexpected":
				state[name+"_too"] = state[name]
			case "shape":
				state[name] = tensor.New(tensor.WithShape(append(shape.Clone(), 2)...), tensor.Of(state[name].Dtype()))
			case "is of type":
				state[name] = tensor.New(tensor.WithShape(append(shape.Clone(), 1)...), tensor.Of(tensor.Int32))
			}
		}
		err = l.Load(state)
		if len(faults) == 0 {
			require.NoError(t, err)
			if _, counts := before["num_batches_tracked"]; counts && state["num_batches_tracked"] == nil {
				state["num_batches_tracked"] = tensor.New(tensor.WithShape(1), tensor.WithBacking([]int64{0}))
			}
			require.Equal(t, contents(state), contents(l.State()))
			return
		}
		for name, fault := range faults {
			require.ErrorContains(t, err, "layers: "+kind+": cannot load the state: ")
			require.Regexp(t, name+`(_too)? (is |has )?`+fault, err.Error())
		}
		require.Equal(t, before, contents(l.State()))
	})
}

// TestCombinedMomentsOfAnyPartsAreTheWholes, in any order.
func TestCombinedMomentsOfAnyPartsAreTheWholes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		features := rapid.IntRange(1, 4).Draw(t, "features")
		counts := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 6).Draw(t, "rows of the parts")
		offset := oneOf(t, "offset", 0, 3, 1e6)
		rng := rand.New(rand.NewPCG(rapid.Uint64Range(0, 1000).Draw(t, "seed"), 4))
		var parts []Moments
		var whole []float64
		for _, n := range counts {
			x := normals(rng, n*features, offset, 2)
			parts, whole = append(parts, momentsOf(x, features)), append(whole, x...)
		}
		got, err := CombineMoments(rapid.Permutation(parts).Draw(t, "parts")...)
		require.NoError(t, err)
		want := momentsOf(whole, features)
		require.Equal(t, want.Count, got.Count)
		if want.Count == 0 {
			return
		}
		// 2⁻⁵² times the values, and for M2 times their part in each squared distance
		near(t, want.Mean, got.Mean, 0x1p-48*(1+offset), "mean")
		near(t, want.M2, got.M2, 0x1p-46*float64(want.Count)*(1+offset), "M2")
	})
}

// momentsOf returns the moments of x by the formula.
func momentsOf(x []float64, features int) Moments {
	m := Moments{Count: len(x) / features, Mean: make([]float64, features), M2: make([]float64, features)}
	for i, v := range x {
		m.Mean[i%features] += v / float64(m.Count)
	}
	for i, v := range x {
		d := v - m.Mean[i%features]
		m.M2[i%features] += d * d
	}
	return m
}
