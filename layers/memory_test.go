package layers

import (
	"bytes"
	"encoding/gob"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// newMemory holds the ways in which Gorgonia gives a node other memory.
var newMemory = map[string]func(t *testing.T, n *G.Node, vm *G.ExprGraph, v *tensor.Dense){
	"Let":       func(t *testing.T, n *G.Node, _ *G.ExprGraph, v *tensor.Dense) { require.NoError(t, G.Let(n, v)) },
	"UnsafeLet": func(t *testing.T, n *G.Node, _ *G.ExprGraph, v *tensor.Dense) { require.NoError(t, G.UnsafeLet(n, v)) },
	"WithValue": func(_ *testing.T, n *G.Node, _ *G.ExprGraph, v *tensor.Dense) { G.WithValue(v)(n) },
	"machine Let": func(t *testing.T, n *G.Node, g *G.ExprGraph, v *tensor.Dense) {
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		require.NoError(t, vm.Let(n, v))
	},
	"gob": func(t *testing.T, n *G.Node, _ *G.ExprGraph, v *tensor.Dense) {
		var b bytes.Buffer
		require.NoError(t, gob.NewEncoder(&b).Encode(v))
		require.NoError(t, gob.NewDecoder(&b).Decode(n.Value().(*tensor.Dense)))
	},
	"UnbindAll and Let": func(t *testing.T, n *G.Node, g *G.ExprGraph, v *tensor.Dense) {
		before := make(map[*G.Node]G.Value)
		for _, n := range g.AllNodes() {
			if v, ok := n.Value().(*tensor.Dense); ok && n.Op() == nil {
				before[n] = tensor.New(tensor.WithShape(v.Shape()...), tensor.WithBacking(v.Data()))
			}
		}
		g.UnbindAll()
		for n, v := range before { // the others get the values that they had
			require.NoError(t, G.Let(n, v))
		}
		require.NoError(t, G.Let(n, v))
	},
}

// placed is a layer with an input and an output.
type placed struct {
	l Layer
	x *G.Node
	y *G.Node
}

func applied(t *testing.T, l Layer) placed {
	g := l.Learnables()[0].Graph()
	s := placed{l: l, x: input(g, "x", tensor.Float64, ramp(1, 12), 3, 4)}
	var err error
	s.y, err = l.Forward(s.x)
	require.NoError(t, err)
	return s
}

func (s placed) run() ([]float64, error) {
	vm := G.NewTapeMachine(s.x.Graph())
	defer vm.Close()
	err := vm.RunAll()
	if err != nil {
		return nil, err
	}
	return float64s(s.y.Value()), nil
}

// TestAPlacementWithOtherMemoryIsAnError gives a learnable of one placement other memory. That
// placement fails, the other one is unchanged, and Load makes them share memory again.
func TestAPlacementWithOtherMemoryIsAnError(t *testing.T) {
	t.Parallel()
	for way, give := range newMemory {
		for _, which := range []string{"the layer", "its placement"} {
			t.Run(way+" on "+which, func(t *testing.T) {
				t.Parallel()
				made, err := NewLinear(G.NewGraph(), 4, 4, G.Zeroes(), f64)
				require.NoError(t, err)
				eval, err := made.On(G.NewGraph(), Evaluation)
				require.NoError(t, err)
				separate, other := applied(t, made), applied(t, eval)
				if which != "the layer" {
					separate, other = other, separate
				}
				before, err := other.run()
				require.NoError(t, err)
				v := tensor.New(tensor.WithShape(4, 4), tensor.WithBacking(ramp(3, 16)))
				give(t, separate.l.Learnables()[0], separate.x.Graph(), v)

				_, err = separate.run()
				require.ErrorContains(t, err, "Linear.weight no longer shares its memory "+
					"with the layer's other graphs, as after gorgonia.Let: call Load")
				_, err = separate.l.On(G.NewGraph(), Training)
				require.ErrorContains(t, err, "Linear.weight no longer shares its memory")
				after, err := other.run()
				require.NoError(t, err)
				require.Equal(t, before, after)

				require.NoError(t, separate.l.Load(separate.l.State()))
				a, err := separate.run()
				require.NoError(t, err)
				b, err := other.run()
				require.NoError(t, err)
				require.Equal(t, a, b)
				require.NotEqual(t, before, b)
				require.Equal(t, ramp(3, 16), float64s(other.l.State()["weight"]))
			})
		}
	}
}

// TestAPlacementThatLoadDoesNotReachIsAnError: Load on another placement does not reach memory that
// gorgonia.Let has given.
func TestAPlacementThatLoadDoesNotReachIsAnError(t *testing.T) {
	t.Parallel()
	made, err := NewLinear(G.NewGraph(), 4, 4, G.Zeroes(), f64)
	require.NoError(t, err)
	l, err := made.On(G.NewGraph(), Evaluation)
	require.NoError(t, err)
	eval := applied(t, l)
	require.NoError(t, G.Let(l.Learnables()[0], tensor.New(tensor.WithShape(4, 4), tensor.Of(tensor.Float64))))
	state := made.State()
	copy(state["weight"].Float64s(), ramp(2, 16))
	require.NoError(t, made.Load(state))
	_, err = eval.run()
	require.ErrorContains(t, err, "call Load")
	require.NoError(t, l.Load(state))
	_, err = eval.run()
	require.NoError(t, err)
}

// TestALayerOfOneGraphFollowsLet, and placements made afterwards have the new values.
func TestALayerOfOneGraphFollowsLet(t *testing.T) {
	t.Parallel()
	ways := maps.Clone(newMemory)
	ways["Let of a transposed tensor"] = func(t *testing.T, n *G.Node, _ *G.ExprGraph, v *tensor.Dense) {
		d := tensor.New(tensor.WithShape(4, 4), tensor.WithBacking(make([]float64, 16)))
		require.NoError(t, d.T())
		op.Copy(d, v)
		require.NoError(t, G.Let(n, d))
	}
	ways["Let of a slice"] = func(t *testing.T, n *G.Node, _ *G.ExprGraph, v *tensor.Dense) {
		d, err := tensor.New(tensor.WithShape(6, 5), tensor.WithBacking(make([]float64, 30))).Slice(G.S(1, 5), G.S(1, 5))
		require.NoError(t, err)
		op.Copy(d.(*tensor.Dense), v)
		require.NoError(t, G.Let(n, d.(*tensor.Dense)))
	}
	for way, give := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			made, err := NewLinear(G.NewGraph(), 4, 4, G.Zeroes(), f64)
			require.NoError(t, err)
			one := applied(t, made)
			_, err = made.On(one.x.Graph(), Evaluation) // shares the nodes
			require.NoError(t, err)
			give(t, made.Learnables()[0], one.x.Graph(), tensor.New(tensor.WithShape(4, 4), tensor.WithBacking(ramp(3, 16))))
			want, err := one.run()
			require.NoError(t, err)
			require.NotContains(t, want, 0.0)
			l, err := made.On(G.NewGraph(), Evaluation)
			require.NoError(t, err)
			got, err := applied(t, l).run()
			require.NoError(t, err)
			require.Equal(t, want, got)
			overwrite(l.Learnables()[0], ramp(4, 16))
			require.Equal(t, ramp(4, 16), float64s(made.State()["weight"]), "the memory is one")
		})
	}
}

// TestSolversWriteIntoTheSharedMemory steps with each of Gorgonia's solvers.
func TestSolversWriteIntoTheSharedMemory(t *testing.T) {
	t.Parallel()
	solvers := map[string]G.Solver{
		"vanilla": G.NewVanillaSolver(), "momentum": G.NewMomentum(), "RMSProp": G.NewRMSPropSolver(),
		"Adagrad": G.NewAdaGradSolver(), "Adam": G.NewAdamSolver(), "AdamW": G.NewAdamW(),
		"Barzilai-Borwein": G.NewBarzilaiBorweinSolver(),
		"clipped":          G.NewAdamSolver(G.WithClip(0.1), G.WithL2Reg(0.1), G.WithBatchSize(2)),
	}
	for name, solver := range solvers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, err := NewDerf(G.NewGraph(), 4, f64) // has vectors and scalars
			require.NoError(t, err)
			l, err := made.On(G.NewGraph(), Evaluation)
			require.NoError(t, err)
			eval := applied(t, l)
			g := made.Learnables()[0].Graph()
			_, err = G.Grad(weighed(t, made, input(g, "x", tensor.Float64, ramp(1, 12), 3, 4), "u"), made.Learnables()...)
			require.NoError(t, err)
			vm := G.NewTapeMachine(g, G.BindDualValues(made.Learnables()...))
			defer vm.Close()
			for range 3 {
				require.NoError(t, vm.RunAll())
				require.NoError(t, solver.Step(G.NodesToValueGrads(made.Learnables())))
				vm.Reset()
				_, err = eval.run()
				require.NoError(t, err)
				require.Equal(t, contents(made.State()), contents(l.State()))
			}
		})
	}
}

// TestRunningStatisticsMayBeDecoded into the layer's own tensors.
func TestRunningStatisticsMayBeDecoded(t *testing.T) {
	t.Parallel()
	made, err := NewBatchNorm(G.NewGraph(), 4, f64)
	require.NoError(t, err)
	l, err := made.On(G.NewGraph(), Evaluation)
	require.NoError(t, err)
	eval := applied(t, l)
	before, err := eval.run()
	require.NoError(t, err)
	decode := func(into, v *tensor.Dense) {
		var b bytes.Buffer
		require.NoError(t, gob.NewEncoder(&b).Encode(v))
		require.NoError(t, gob.NewDecoder(&b).Decode(into))
	}
	decode(made.RunningMean(), tensor.New(tensor.WithShape(4), tensor.WithBacking([]float64{1, 2, 3, 4})))
	after, err := eval.run()
	require.NoError(t, err)
	for i := range after {
		require.InDelta(t, before[i]-float64(1+i%4), after[i], 1e-4)
	}
	decode(made.RunningVar(), tensor.New(tensor.WithShape(3), tensor.WithBacking([]float64{1, 2, 3})))
	_, err = eval.run()
	require.ErrorContains(t, err, "running_var is of type float64 and shape (3), want float64 and (4)")
}
