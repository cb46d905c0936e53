package layers

import (
	"testing"

	"github.com/chewxy/hm"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// golgiLayer has the methods of Layer in github.com/gorgonia/golgi.
type golgiLayer interface {
	Model() G.Nodes
	Fwd(x G.Input) G.Result
	Name() string
	Type() hm.Type
	Shape() tensor.Shape
	Describe()
}

var (
	_ golgiLayer = (*QKNorm)(nil)
	_ golgiLayer = (*Residual)(nil)
	_ golgiLayer = (*CrossEntropy)(nil)
)

// composition is b after a, as golgi's Compose returns it.
type composition struct{ a, b golgiLayer }

func (c composition) Fwd(x G.Input) G.Result { return c.b.Fwd(c.a.Fwd(x)) }

// TestEveryLayerWorksInGolgi composes each layer with another and calls the methods that golgi calls.
func TestEveryLayerWorksInGolgi(t *testing.T) {
	t.Parallel()
	for kind, build := range every {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := G.NewGraph()
			made, err := build(g)
			require.NoError(t, err)
			l, ok := made.(golgiLayer)
			require.True(t, ok)
			l.Describe()
			require.IsType(t, &hm.FunctionType{}, l.Type())
			if nodes := l.Model(); len(nodes) > 0 {
				require.Equal(t, nodes[0].Shape(), l.Shape())
			} else {
				require.Nil(t, l.Shape())
			}
			shape := []int{1, 2, 12}
			x := input(g, "x", tensor.Float32, make([]float64, 24), shape...)
			switch kind {
			case "Embedding":
				x = input(g, "ids", tensor.Int, []int{0, 3}, 1, 2)
			case "CausalSelfAttention", "GELU", "Identity":
			default:
				x = input(g, "x4", tensor.Float32, make([]float64, 24), 1, 6, 4)
			}
			after, err := NewGELU()
			require.NoError(t, err)
			y := composition{l, after}.Fwd(x)
			require.NoError(t, y.Err())
			vm := G.NewTapeMachine(g)
			defer vm.Close()
			require.NoError(t, vm.RunAll())
		})
	}
}

// TestTypesOfInputAndOutputAreEqual, except for layers with another kind of output.
func TestTypesOfInputAndOutputAreEqual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		layer golgiLayer
		same  bool
	}{{new(LayerNorm), true}, {new(QKNorm), true}, {new(Embedding), false}, {new(CrossEntropy), false}} {
		f, ok := c.layer.Type().(*hm.FunctionType)
		require.True(t, ok)
		require.Equal(t, c.same, f.Arg().Eq(f.Ret(false)), "%T", c.layer)
	}
}
