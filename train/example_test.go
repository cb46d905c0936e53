package train_test

import (
	"fmt"
	"log"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
	"gorgonorm/train"
)

// A custom training loop that skips a step whose loss or gradient is not finite. Such a
// step must not change BatchNorm's running statistics either.
func ExampleClipGradNorm() {
	g := G.NewGraph()
	x := G.NewMatrix(g, tensor.Float32, G.WithShape(4, 2), G.WithName("x"), G.WithInit(G.Zeroes()))
	norm, err := layers.NewBatchNorm(g, 2)
	if err != nil {
		log.Fatal(err)
	}
	y := G.Must(norm.Forward(x))
	cost := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(y, x))))))
	learnables := norm.Learnables()
	if _, err := G.Grad(cost, learnables...); err != nil {
		log.Fatal(err)
	}
	machine := G.NewTapeMachine(g, G.BindDualValues(learnables...))
	defer machine.Close()

	solver := train.NewAdamW(0.1, 0.9, 0.999, 0)
	weights := G.NodesToValueGrads(learnables)
	statistics := layers.Stack{norm}.Snapshot()
	nan := float32(math.NaN())
	for _, batch := range [][]float32{
		{1, 2, 3, 4, 5, 6, 7, 8},
		{1, 2, 3, nan, 5, 6, 7, 8},
		{8, 7, 6, 5, 4, 3, 2, 1},
	} {
		copy(x.Value().Data().([]float32), batch)
		statistics.Take()
		if err := machine.RunAll(); err != nil {
			log.Fatal(err)
		}
		gradient, err := train.ClipGradNorm(weights, 1)
		if err != nil {
			log.Fatal(err)
		}
		loss := float64(cost.Value().Data().(float32))
		if sum := loss + gradient; math.IsNaN(sum) || math.IsInf(sum, 0) {
			statistics.Restore()
			err = train.ZeroGrad(weights)
		} else {
			err = solver.Step(weights)
		}
		if err != nil {
			log.Fatal(err)
		}
		machine.Reset()
		weight := norm.Learnables()[0].Value()
		fmt.Printf("loss %.2f, running mean %.2f, weight %.2f\n", loss, norm.RunningMean().Data(), weight.Data())
	}
	// Output:
	// loss 22.03, running mean [0.40 0.50], weight [1.10 1.10]
	// loss NaN, running mean [0.40 0.50], weight [1.10 1.10]
	// loss 20.90, running mean [0.86 0.85], weight [1.20 1.20]
}

// AdamW trains any Gorgonia graph. This one fits a line through three points. Weights of
// two or more dimensions decay, the bias does not.
func ExampleAdamW() {
	g := G.NewGraph()
	matrix := func(name string, rows int, values ...float64) *G.Node {
		return G.NewMatrix(g, tensor.Float64, G.WithName(name), G.WithShape(rows, 1),
			G.WithValue(tensor.New(tensor.WithShape(rows, 1), tensor.WithBacking(values))))
	}
	x, want := matrix("x", 3, 0, 1, 2), matrix("want", 3, 1, 3, 5)
	line, err := layers.NewLinear(g, 1, 1, G.Zeroes(), layers.WithDtype(tensor.Float64))
	if err != nil {
		log.Fatal(err)
	}
	cost := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(G.Must(line.Forward(x)), want))))))
	learnables := line.Learnables()
	if _, err := G.Grad(cost, learnables...); err != nil {
		log.Fatal(err)
	}
	machine := G.NewTapeMachine(g, G.BindDualValues(learnables...))
	defer machine.Close()

	solver := train.NewAdamW(0.1, 0.9, 0.999, 0) // learning rate, beta1, beta2, weight decay
	for range 500 {
		if err := machine.RunAll(); err != nil {
			log.Fatal(err)
		}
		if err := solver.Step(G.NodesToValueGrads(learnables)); err != nil {
			log.Fatal(err)
		}
		machine.Reset()
	}
	fmt.Printf("y = %.2f·x + %.2f\n", learnables[0].Value().Data(), learnables[1].Value().Data())
	// Output:
	// y = [2.00]·x + [1.00]
}
