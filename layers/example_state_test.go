package layers_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	G "gorgonia.org/gorgonia"

	"gorgonorm/layers"
)

// Save writes a layer's weights and statistics to a file that PyTorch reads. LoadFile reads it into
// another layer.
func ExampleBatchNorm_saveAndLoadFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "norm.safetensors")

	trained, err := layers.NewBatchNorm(G.NewGraph(), 2, layers.WithWeightInit(G.ValuesOf(float32(3))))
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	if err := trained.Save(file); err != nil {
		log.Fatal(err)
	}
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}

	fresh, err := layers.NewBatchNorm(G.NewGraph(), 2)
	if err != nil {
		log.Fatal(err)
	}
	if err := fresh.LoadFile(path); err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"} {
		fmt.Println(name, fresh.State()[name].Data())
	}
	// Output:
	// weight [3 3]
	// bias [0 0]
	// running_mean [0 0]
	// running_var [1 1]
	// num_batches_tracked [0]
}

// State and Load keep the best weights of a training run in memory.
func ExampleLayerNorm_state() {
	norm, err := layers.NewLayerNorm(G.NewGraph(), 2)
	if err != nil {
		log.Fatal(err)
	}
	best := norm.State()
	weight := norm.Learnables()[0].Value().Data().([]float32)
	weight[0] = -7 // as after a bad training step
	if err := norm.Load(best); err != nil {
		log.Fatal(err)
	}
	fmt.Println(weight)
	// Output:
	// [1 1]
}

// A Stack has the state of several layers, with each layer's name before its entries. Load changes
// nothing if the state has faults, and returns one error that names all of them.
func ExampleStack() {
	g := G.NewGraph()
	first, err := layers.NewRMSNorm(g, 2, layers.WithName("ln_1"))
	if err != nil {
		log.Fatal(err)
	}
	second, err := layers.NewRMSNorm(g, 3, layers.WithName("ln_2"))
	if err != nil {
		log.Fatal(err)
	}
	stack := layers.Stack{first, second}
	state := stack.State()
	fmt.Println(state["ln_1.weight"].Shape(), state["ln_2.weight"].Shape())

	state["ln_2.weight"] = state["ln_1.weight"]
	fmt.Println(stack.Load(state))
	// Output:
	// (2) (3)
	// layers: cannot load the state: ln_2.weight has shape (2), want (3)
}
