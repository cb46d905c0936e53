package train

import (
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/hostile"
)

// TestNoPanics calls every exported function and method with what nobody means to give.
func TestNoPanics(t *testing.T) {
	text := corpus(t, verse)
	c := tiny("layer")
	c.Steps = 2
	model, run, err := Train(t.Context(), c, text, nil)
	require.NoError(t, err)
	g := G.NewGraph()
	w := G.NewMatrix(g, tensor.Float32, G.WithShape(2, 2), G.WithName("w"), G.WithInit(G.GlorotU(1)))
	learned := G.Must(G.Sum(w))
	_, err = G.Grad(learned, w)
	require.NoError(t, err)
	vm := G.NewTapeMachine(g, G.BindDualValues(w))
	require.NoError(t, vm.RunAll())
	unread := G.NewMatrix(g, tensor.Float32, G.WithShape(2, 2), G.WithName("u"))
	t.Chdir(t.TempDir()) // some of the paths are names of files to write
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{
			"Check": Check, "CheckCheckpoint": CheckCheckpoint, "ClipGradNorm": ClipGradNorm, "DefaultText": DefaultText,
			"HasOptimizer": HasOptimizer, "InitialModel": InitialModel, "ReadRuns": ReadRuns, "Resumable": Resumable,
			"WriteRun": WriteRun, "ZeroGrad": ZeroGrad, "NewAdamW": NewAdamW, "Defaults": Defaults, "Pending": Pending,
			"StartFrom": StartFrom, "ReadCorpus": ReadCorpus, "ReadDomains": ReadDomains, "MeasureCost": MeasureCost,
			"Evaluate": Evaluate[int32], "WithCheckpoints": WithCheckpoints, "Finished": Finished, "ReadRun": ReadRun,
			"Train": Train, "Memory": Memory,
		},
		Values: []any{
			c, text, &Corpus{Vocabulary: []rune("ab"), Train: []int32{0, 1, 9}, Val: []int32{-1}},
			&Corpus{Vocabulary: []rune("ab"), Train: text.Train[:200], Val: text.Val, Domains: []Domain{{Train: Span{5, 1}}}},
			run, model, NewAdamW(1e-3, 0.9, 0.99, 0), Span{1, 3}, Evaluation{1, 2},
			G.ValueGrad(w), G.ValueGrad(unread), WithCheckpoints(Checkpoints{Dir: "checkpoints"}), 'x', int32(1),
		},
		Tries: 30,
	})
}
