package transformer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
	"gorgonorm/layers"
)

// normNames lists the names of the tiny model's norms, in the order of application.
var normNames = map[Placement][]string{
	Pre: {
		"transformer.h.0.ln_1", "transformer.h.0.ln_2", "transformer.h.1.ln_1", "transformer.h.1.ln_2",
		"transformer.ln_f",
	},
	Post: {"transformer.h.0.ln_1", "transformer.h.0.ln_2", "transformer.h.1.ln_1", "transformer.h.1.ln_2"},
	Peri: {
		"transformer.h.0.ln_1", "transformer.h.0.ln_1_post", "transformer.h.0.ln_2", "transformer.h.0.ln_2_post",
		"transformer.h.1.ln_1", "transformer.h.1.ln_1_post", "transformer.h.1.ln_2", "transformer.h.1.ln_2_post",
		"transformer.ln_f",
	},
	Scaled: {
		"transformer.h.0.ln_1", "transformer.h.0.ln_2", "transformer.h.1.ln_1", "transformer.h.1.ln_2",
		"transformer.ln_f",
	},
	Open: {"transformer.h.0.ln_1", "transformer.h.0.ln_2", "transformer.h.1.ln_1", "transformer.h.1.ln_2"},
}

// TestActivations checks which nodes of the graph Forward returns.
func TestActivations(t *testing.T) {
	for name, c := range arrangements() {
		t.Run(name, func(t *testing.T) {
			m, err := New(G.NewGraph(), c)
			require.NoError(t, err)
			for _, mode := range []layers.Mode{layers.Training, layers.Evaluation} {
				g := G.NewGraph()
				placed, err := m.On(g, mode)
				require.NoError(t, err)
				a, err := placed.Forward(ints(g, "ids", golden.Ints{Shape: []int{2, 3}, Data: make([]int, 6)}))
				require.NoError(t, err)
				require.Equal(t, tensor.Shape{2, 3, 7}, a.Logits.Shape())

				require.Len(t, a.QKV, c.Layers)
				for i, x := range a.QKV {
					maker := "Linear transformer.h.%d.attn.c_attn forward"
					if c.QKNorm {
						maker = "QKNorm transformer.h.%d.attn.qk_norm forward"
					}
					require.Equal(t, fmt.Sprintf(maker, i), x.Op().String())
				}

				var names, qkNames []string
				var norms []NormNodes // without QKNorm's
				for _, n := range a.Norms {
					if _, ok := n.Layer.(*layers.QKNorm); ok {
						require.True(t, n.Out == a.QKV[len(qkNames)])
						qkNames = append(qkNames, n.Layer.Name())
						continue
					}
					norms = append(norms, n)
					names = append(names, n.Layer.Name())
					_, identity := n.Layer.(*layers.Identity)
					require.Equal(t, c.Norm.Name == "none", identity)
					require.Equal(t, identity, n.In == n.Out)
				}
				require.Equal(t, normNames[c.Placement], names)
				if c.QKNorm {
					require.Equal(t, []string{"transformer.h.0.attn.qk_norm", "transformer.h.1.attn.qk_norm"}, qkNames)
				} else {
					require.Empty(t, qkNames)
				}

				require.Len(t, a.Residual, c.Layers+1)
				n, stream := norms, a.Residual[1:]
				ends := map[Placement][]*G.Node{
					Pre:  {n[len(n)/2].In, n[len(n)-1].In},
					Post: {n[len(n)/2-1].Out, n[len(n)-1].Out},
					Peri: {n[len(n)/2].In, n[len(n)-1].In},

					Scaled: {n[len(n)/2].In, n[len(n)-1].In},
					Open:   {n[len(n)/2].In},
				}[c.Placement]
				for i := range ends {
					require.True(t, ends[i] == stream[i], "the stream after block %d", i)
				}
			}
		})
	}
}

// TestLearnablesHaveNanoGPTsOrder checks names and order, with additional weights for additional
// norms.
func TestLearnablesHaveNanoGPTsOrder(t *testing.T) {
	with := func(norm string, change func(*Config)) (names []string) {
		c := tiny(norm)
		c.Layers = 1
		change(&c)
		m, err := New(G.NewGraph(), c)
		require.NoError(t, err)
		for _, w := range m.Learnables() {
			names = append(names, strings.TrimPrefix(w.Name(), "transformer."))
		}
		return names
	}
	require.Equal(t, []string{
		"wte.weight", "wpe.weight",
		"h.0.ln_1.weight", "h.0.attn.c_attn.weight", "h.0.attn.c_proj.weight",
		"h.0.ln_2.weight", "h.0.mlp.c_fc.weight", "h.0.mlp.c_proj.weight",
		"ln_f.weight",
	}, with("layer", func(*Config) {}))
	require.Equal(t, []string{
		"wte.weight", "wpe.weight",
		"h.0.ln_1.weight", "h.0.ln_1.alpha", "h.0.attn.c_attn.weight", "h.0.attn.c_proj.weight",
		"h.0.ln_2.weight", "h.0.ln_2.alpha", "h.0.mlp.c_fc.weight", "h.0.mlp.c_proj.weight",
		"ln_f.weight", "ln_f.alpha",
	}, with("dyt", func(*Config) {}))
	require.Equal(t, []string{
		"wte.weight", "wpe.weight",
		"h.0.ln_1.weight", "h.0.ln_1.alpha", "h.0.ln_1.shift", "h.0.attn.c_attn.weight", "h.0.attn.c_proj.weight",
		"h.0.ln_2.weight", "h.0.ln_2.alpha", "h.0.ln_2.shift", "h.0.mlp.c_fc.weight", "h.0.mlp.c_proj.weight",
		"ln_f.weight", "ln_f.alpha", "ln_f.shift",
	}, with("derf", func(*Config) {}))
	require.Equal(t, []string{
		"wte.weight", "wpe.weight",
		"h.0.attn.c_attn.weight", "h.0.attn.c_attn.bias",
		"h.0.attn.q_norm.weight", "h.0.attn.q_norm.bias", "h.0.attn.k_norm.weight", "h.0.attn.k_norm.bias",
		"h.0.attn.c_proj.weight", "h.0.attn.c_proj.bias",
		"h.0.mlp.c_fc.weight", "h.0.mlp.c_fc.bias", "h.0.mlp.c_proj.weight", "h.0.mlp.c_proj.bias",
	}, with("none", func(c *Config) { c.QKNorm, c.Bias = true, true }))
	require.Equal(t, []string{
		"wte.weight", "wpe.weight",
		"h.0.ln_1.weight", "h.0.ln_1_post.weight",
		"h.0.attn.c_attn.weight", "h.0.attn.c_attn.bias", "h.0.attn.q_norm.weight", "h.0.attn.k_norm.weight",
		"h.0.attn.c_proj.weight", "h.0.attn.c_proj.bias",
		"h.0.ln_2.weight", "h.0.ln_2_post.weight",
		"h.0.mlp.c_fc.weight", "h.0.mlp.c_fc.bias", "h.0.mlp.c_proj.weight", "h.0.mlp.c_proj.bias",
		"ln_f.weight",
	}, with("rms", func(c *Config) { c.Placement, c.QKNorm, c.Bias = Peri, true, true }))
	require.Equal(t, []string{
		"wte.weight", "wpe.weight",
		"h.0.ln_1.weight", "h.0.attn.c_attn.weight", "h.0.attn.c_proj.weight",
		"h.0.ln_2.weight", "h.0.mlp.c_fc.weight", "h.0.mlp.c_proj.weight",
	}, with("batch", func(c *Config) { c.Placement = Post }))
}
