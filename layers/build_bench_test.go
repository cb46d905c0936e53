package layers

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// BenchmarkBuild builds chains of layers, and of Gorgonia's Tanh beside them: four times
// the layers are to take about four times the time.
func BenchmarkBuild(b *testing.B) {
	chains := map[string]func(g *G.ExprGraph, x *G.Node) (*G.Node, error){
		"Tanh": func(_ *G.ExprGraph, x *G.Node) (*G.Node, error) { return G.Tanh(x) },
		"LayerNorm": func(g *G.ExprGraph, x *G.Node) (*G.Node, error) {
			l, err := NewLayerNorm(g, 4)
			if err != nil {
				return nil, err
			}
			return l.Forward(x)
		},
		"LayerNorm without learnables": func(g *G.ExprGraph, x *G.Node) (*G.Node, error) {
			l, err := NewLayerNorm(g, 4, WithoutAffine())
			if err != nil {
				return nil, err
			}
			return l.Forward(x)
		},
	}
	for _, n := range []int{1000, 4000} {
		for name, step := range chains {
			b.Run(fmt.Sprintf("layers=%d/%s", n, name), func(b *testing.B) {
				for range b.N {
					g := G.NewGraph()
					x := input(g, "x", tensor.Float32, make([]float64, 8), 2, 4)
					first, y := x, x
					var err error
					for range n {
						y, err = step(g, y)
						require.NoError(b, err)
					}
					_, err = G.Grad(G.Must(G.Sum(y)), first)
					require.NoError(b, err)
				}
			})
		}
	}
}
