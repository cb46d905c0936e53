package compose_test

import (
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"example.com/embed/compose"
	"gorgonorm/layers"
)

// A norm and a GELU of gorgonorm, between two layers of the user's own, learn exclusive or.
func Example() {
	g := G.NewGraph()
	x := G.NewMatrix(g, tensor.Float32, G.WithName("x"), G.WithShape(4, 2),
		G.WithValue(tensor.New(tensor.WithShape(4, 2), tensor.WithBacking([]float32{0, 0, 0, 1, 1, 0, 1, 1}))))
	target := G.NewMatrix(g, tensor.Float32, G.WithName("target"), G.WithShape(4, 1),
		G.WithValue(tensor.New(tensor.WithShape(4, 1), tensor.WithBacking([]float32{0, 1, 1, 0}))))

	norm, err := layers.NewBatchNorm(g, 8, layers.WithName("norm"))
	if err != nil {
		log.Fatal(err)
	}
	gelu, err := layers.NewGELU(layers.WithName("gelu"))
	if err != nil {
		log.Fatal(err)
	}
	model := compose.Seq{
		compose.NewFC(g, "first", 2, 8, layers.Normal(rand.NewPCG(1, 1), 1)),
		norm,
		gelu,
		compose.NewFC(g, "second", 8, 1, layers.Normal(rand.NewPCG(1, 2), 0.3)),
	}
	y := model.Fwd(x)
	if err := G.CheckOne(y); err != nil {
		log.Fatal(err)
	}

	var out G.Value
	G.Read(y.Node(), &out) // because Gorgonia may compute the cost in the memory of y

	cost := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(y.Node(), target))))))
	if _, err := G.Grad(cost, model.Model()...); err != nil {
		log.Fatal(err)
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(model.Model()...))
	defer vm.Close()
	solver := G.NewAdamSolver(G.WithLearnRate(0.03))
	for range 200 {
		if err := vm.RunAll(); err != nil {
			log.Fatal(err)
		}
		if err := solver.Step(G.NodesToValueGrads(model.Model())); err != nil {
			log.Fatal(err)
		}
		vm.Reset()
	}
	if err := vm.RunAll(); err != nil {
		log.Fatal(err)
	}

	fmt.Println(model.Name())
	fmt.Println(model.Model())
	for row, v := range out.Data().([]float32) {
		fmt.Printf("%d xor %d is %d\n", row/2, row%2, int(math.Round(float64(v))))
	}
	// Output:
	// second ∘ gelu ∘ norm ∘ first
	// [first_W, norm.weight, norm.bias, second_W]
	// 0 xor 0 is 0
	// 0 xor 1 is 1
	// 1 xor 0 is 1
	// 1 xor 1 is 0
}

func TestErrorsPropagate(t *testing.T) {
	g := G.NewGraph()
	norm, err := layers.NewLayerNorm(g, 3)
	require.NoError(t, err)
	model := compose.Seq{norm, compose.NewFC(g, "after", 3, 1, G.Zeroes())}
	x := G.NewMatrix(g, tensor.Float32, G.WithName("x"), G.WithShape(4, 2))
	require.EqualError(t, G.CheckOne(model.Fwd(x)),
		"after: layers: LayerNorm: last dimension is 2, want 3 (input shape (4, 2))")
}
