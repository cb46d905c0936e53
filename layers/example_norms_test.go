package layers_test

import (
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// Each feature has mean 0 and variance 1 over the rows of the batch. Training also updates the running
// statistics.
func ExampleBatchNorm() {
	g := G.NewGraph()
	norm, err := layers.NewBatchNorm(g, 2)
	if err != nil {
		log.Fatal(err)
	}
	y := G.Must(norm.Forward(input(g, tensor.Shape{3, 2}, 1, 10, 2, 30, 3, 20)))
	run(g)
	fmt.Printf("%.2f\n", y.Value().Data())
	fmt.Printf("running mean %.2f, variance %.2f\n", norm.RunningMean().Data(), norm.RunningVar().Data())
	// Output:
	// [-1.22 -1.22 0.00 1.22 1.22 0.00]
	// running mean [0.20 2.00], variance [1.00 10.90]
}

// This is the default BatchNorm of Flax. Its momentum of 0.99 is the weight of the old statistics, and
// its running variance is biased.
func ExampleWithMomentum_flax() {
	g := G.NewGraph()
	norm, err := layers.NewBatchNorm(g, 1, layers.WithMomentum(1-0.99), layers.WithBiasedVariance())
	if err != nil {
		log.Fatal(err)
	}
	G.Must(norm.Forward(input(g, tensor.Shape{2, 1}, 0, 20))) // mean 10, biased variance 100
	run(g)
	fmt.Printf("running mean %.2f, variance %.2f\n", norm.RunningMean().Data(), norm.RunningVar().Data())
	// Output:
	// running mean [0.10], variance [1.99]
}

// Only rows with a mask other than 0 count. The others become 0.
func ExampleBatchNorm_ForwardMasked() {
	g := G.NewGraph()
	norm, err := layers.NewBatchNorm(g, 2)
	if err != nil {
		log.Fatal(err)
	}
	x := input(g, tensor.Shape{4, 2}, 1, 10, 2, 30, 3, 20, 1e9, -1e9)
	mask := G.NewVector(g, tensor.Int, G.WithName("mask"), G.WithShape(4),
		G.WithValue(tensor.New(tensor.WithShape(4), tensor.WithBacking([]int{1, 1, 1, 0}))))
	y := G.Must(norm.ForwardMasked(x, mask))
	run(g)
	fmt.Printf("%.2f\n", y.Value().Data())
	// Output:
	// [-1.22 -1.22 0.00 1.22 1.22 0.00 0.00 0.00]
}

// Fold merges a trained BatchNorm into the Linear before it, so that evaluation needs one operation
// instead of two.
func ExampleBatchNorm_Fold() {
	g := G.NewGraph()
	linear, err := layers.NewLinear(g, 2, 2, G.Ones())
	if err != nil {
		log.Fatal(err)
	}
	norm, err := layers.NewBatchNorm(g, 2, layers.WithMomentum(1))
	if err != nil {
		log.Fatal(err)
	}
	G.Must(norm.Forward(G.Must(linear.Forward(input(g, tensor.Shape{3, 2}, 1, 1, 2, 2, 3, 3)))))
	run(g) // training: mean 4, variance 4

	evalGraph := G.NewGraph()
	folded, err := norm.Fold(evalGraph, linear)
	if err != nil {
		log.Fatal(err)
	}
	y := G.Must(folded.Forward(input(evalGraph, tensor.Shape{1, 2}, 3, 5)))
	run(evalGraph)
	fmt.Printf("%.2f\n", y.Value().Data())
	// Output:
	// [2.00 2.00]
}

// Each row has mean 0 and variance 1 over its features.
func ExampleLayerNorm() {
	g := G.NewGraph()
	norm, err := layers.NewLayerNorm(g, 3)
	if err != nil {
		log.Fatal(err)
	}
	y := G.Must(norm.Forward(input(g, tensor.Shape{2, 3}, 1, 2, 3, 10, 20, 60)))
	run(g)
	fmt.Printf("%.2f\n", y.Value().Data())
	// Output:
	// [-1.22 0.00 1.22 -0.93 -0.46 1.39]
}

// Each row has a root mean square of 1 over its features. Its mean is not subtracted.
func ExampleRMSNorm() {
	g := G.NewGraph()
	norm, err := layers.NewRMSNorm(g, 2)
	if err != nil {
		log.Fatal(err)
	}
	y := G.Must(norm.Forward(input(g, tensor.Shape{2, 2}, 3, 4, 7, 7)))
	run(g)
	fmt.Printf("%.2f\n", y.Value().Data())
	// Output:
	// [0.85 1.13 1.00 1.00]
}

// Every row gets the length √2, times a learned number.
func ExampleScaleNorm() {
	g := G.NewGraph()
	norm, err := layers.NewScaleNorm(g, 2)
	if err != nil {
		log.Fatal(err)
	}
	y := G.Must(norm.Forward(input(g, tensor.Shape{2, 2}, 3, 4, 7, 7)))
	run(g)
	fmt.Printf("%.2f\n", y.Value().Data())
	// Output:
	// [0.85 1.13 1.00 1.00]
}

// Each group of a sample's features is normalized over all positions. The sample here has two groups of
// two channels, and two positions.
func ExampleGroupNorm() {
	g := G.NewGraph()
	norm, err := layers.NewGroupNorm(g, 2, 4)
	if err != nil {
		log.Fatal(err)
	}
	y := G.Must(norm.Forward(input(g, tensor.Shape{1, 2, 4},
		1, 2, 100, 200,
		3, 4, 300, 400)))
	run(g)
	fmt.Printf("%.2f\n", y.Value().Data())
	// Output:
	// [-1.34 -0.45 -1.34 -0.45 0.45 1.34 0.45 1.34]
}

// Each channel of each image is normalized separately. Images have PyTorch's shape here, (batch,
// channels, height, width).
func ExampleInstanceNorm() {
	g := G.NewGraph()
	norm, err := layers.NewInstanceNorm(g, 2, layers.WithAxis(1))
	if err != nil {
		log.Fatal(err)
	}
	y := G.Must(norm.Forward(input(g, tensor.Shape{1, 2, 2, 2},
		1, 2, 3, 4,
		100, 200, 300, 400)))
	run(g)
	fmt.Printf("%.2f\n", y.Value().Data())
	// Output:
	// [-1.34 -0.45 0.45 1.34 -1.34 -0.45 0.45 1.34]
}

// Each element becomes γ·tanh(α·x) + β, with an initial α of 0.5, without statistics.
func ExampleDyT() {
	g := G.NewGraph()
	norm, err := layers.NewDyT(g, 3)
	if err != nil {
		log.Fatal(err)
	}
	y := G.Must(norm.Forward(input(g, tensor.Shape{1, 3}, -100, 0, 1)))
	run(g)
	fmt.Printf("%.4f\n", y.Value().Data())
	// Output:
	// [-1.0000 0.0000 0.4621]
}

// Each element becomes γ·erf(α·x + s) + β, with initial α = 0.5 and s = 0, without statistics.
func ExampleDerf() {
	g := G.NewGraph()
	norm, err := layers.NewDerf(g, 3)
	if err != nil {
		log.Fatal(err)
	}
	y := G.Must(norm.Forward(input(g, tensor.Shape{1, 3}, -100, 0, 1)))
	run(g)
	fmt.Printf("%.4f\n", y.Value().Data())
	// Output:
	// [-1.0000 0.0000 0.5205]
}

// The queries and keys of each of two heads get the length √2. Values do not change.
func ExampleQKNorm() {
	g := G.NewGraph()
	query, err := layers.NewRMSNorm(g, 2, layers.WithName("q_norm"))
	if err != nil {
		log.Fatal(err)
	}
	key, err := layers.NewRMSNorm(g, 2, layers.WithName("k_norm"))
	if err != nil {
		log.Fatal(err)
	}
	norm, err := layers.NewQKNorm(2, query, key)
	if err != nil {
		log.Fatal(err)
	}
	y := G.Must(norm.Forward(input(g, tensor.Shape{1, 1, 12},
		3, 4, 30, 40, // queries
		0, 1, 0, 100, // keys
		5, 6, 7, 8))) // values
	run(g)
	fmt.Printf("%.2f\n", y.Value().Data())
	// Output:
	// [0.85 1.13 0.85 1.13 0.00 1.41 0.00 1.41 5.00 6.00 7.00 8.00]
}

// input returns a node x with the given values.
func input(g *G.ExprGraph, shape tensor.Shape, values ...float32) *G.Node {
	return G.NewTensor(g, tensor.Float32, len(shape), G.WithName("x"), G.WithShape(shape...),
		G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))))
}

// run computes all values of the graph.
func run(g *G.ExprGraph) {
	machine := G.NewTapeMachine(g)
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		log.Fatal(err)
	}
}
