package transformer_test

import (
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
)

// Load builds a model from a file that PyTorch wrote, a tiny nanoGPT with random weights. Names and
// shapes reveal all of its configuration except the number of heads.
func ExampleLoad() {
	const path = "../../testdata/checkpoints/nanogpt.safetensors"
	model, err := transformer.Load(G.NewGraph(), path, transformer.Config{Heads: 2})
	if err != nil {
		log.Fatal(err)
	}
	c := model.Config()
	fmt.Printf("%d layers of %d channels, context %d, vocabulary %d, norm %s, GELU %s, %d parameters\n",
		c.Layers, c.Channels, c.Context, c.Vocab, c.Norm.Name, c.GELU, model.Parameters())
	// Output:
	// 2 layers of 8 channels, context 6, vocabulary 11, norm layer, GELU exact, 1896 parameters
}

// Generate continues a prompt without end; the caller stops it.
func ExampleModel_Generate() {
	const path = "../../testdata/checkpoints/nanogpt.safetensors"
	model, err := transformer.Load(G.NewGraph(), path, transformer.Config{Heads: 2})
	if err != nil {
		log.Fatal(err)
	}
	ids := []int{3, 8, 6}
	for id, err := range model.Generate(ids, transformer.Sampling{Temperature: 0.8, TopK: 5, Seed: 1}) {
		if err != nil {
			log.Fatal(err)
		}
		if ids = append(ids, id); len(ids) == 8 {
			break
		}
	}
	fmt.Println(ids)
	// Output:
	// [3 8 6 3 7 0 7 8]
}

// On places a model on another graph with the same weights, here to measure its loss, which equals
// PyTorch's.
func ExampleModel_On() {
	const path = "../../testdata/checkpoints/nanogpt.safetensors"
	model, err := transformer.Load(G.NewGraph(), path, transformer.Config{Heads: 2})
	if err != nil {
		log.Fatal(err)
	}
	g := G.NewGraph()
	eval, err := model.On(g, layers.Evaluation)
	if err != nil {
		log.Fatal(err)
	}
	matrix := func(name string, values ...int) *G.Node {
		return G.NewMatrix(g, tensor.Int, G.WithName(name), G.WithShape(2, 6),
			G.WithValue(tensor.New(tensor.WithShape(2, 6), tensor.WithBacking(values))))
	}
	logits := G.Must(eval.Logits(matrix("ids", 3, 8, 6, 7, 5, 4, 1, 10, 8, 2, 0, 7)))
	loss := G.Must(eval.Loss(logits, matrix("targets", 7, 6, 2, 10, 4, 1, 2, 0, 0, 7, 6, 10)))
	machine := G.NewTapeMachine(g)
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("loss %.4f nats a token\n", loss.Value().Data())
	// Output:
	// loss 2.7446 nats a token
}
