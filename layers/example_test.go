package layers_test

import (
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// This graph with a norm is trained by one of Gorgonia's solvers.
func Example() {
	g := G.NewGraph()
	x := G.NewMatrix(g, tensor.Float32, G.WithShape(2, 3), G.WithName("x"),
		G.WithValue(tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float32{1, 2, 3, 10, 20, 60}))))

	norm, err := layers.NewLayerNorm(g, 3)
	if err != nil {
		log.Fatal(err)
	}
	y, err := norm.Forward(x)
	if err != nil {
		log.Fatal(err)
	}

	cost := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(y, G.NewConstant(float32(1))))))))
	if _, err := G.Grad(cost, norm.Learnables()...); err != nil {
		log.Fatal(err)
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(norm.Learnables()...))
	defer vm.Close()
	solver := G.NewVanillaSolver(G.WithLearnRate(0.1))
	for step := range 101 {
		if err := vm.RunAll(); err != nil {
			log.Fatal(err)
		}
		if step%50 == 0 {
			fmt.Printf("step %3d  cost %.3f  first row %.2f\n", step, cost.Value(), y.Value().Data().([]float32)[:3])
		}
		if err := solver.Step(G.NodesToValueGrads(norm.Learnables())); err != nil {
			log.Fatal(err)
		}
		vm.Reset()
	}
	// Output:
	// step   0  cost 2.000  first row [-1.22 0.00 1.22]
	// step  50  cost 0.008  first row [1.00 1.12 0.93]
	// step 100  cost 0.006  first row [1.01 1.12 0.93]
}

// On places a BatchNorm on a second graph for evaluation, with another batch size and the running
// statistics of training.
func ExampleBatchNorm_On() {
	g, evalGraph := G.NewGraph(), G.NewGraph()
	norm, err := layers.NewBatchNorm(g, 2, layers.WithMomentum(1))
	if err != nil {
		log.Fatal(err)
	}
	eval, err := norm.On(evalGraph, layers.Evaluation)
	if err != nil {
		log.Fatal(err)
	}

	run := func(l layers.Layer, g *G.ExprGraph, rows int, values ...float32) []float32 {
		x := G.NewMatrix(g, tensor.Float32, G.WithShape(rows, 2), G.WithName("x"),
			G.WithValue(tensor.New(tensor.WithShape(rows, 2), tensor.WithBacking(values))))
		y, err := l.Forward(x)
		if err != nil {
			log.Fatal(err)
		}
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		if err := vm.RunAll(); err != nil {
			log.Fatal(err)
		}
		return y.Value().Data().([]float32)
	}
	fmt.Printf("training   %.2f\n", run(norm, g, 3, 1, 10, 2, 30, 3, 20))
	fmt.Printf("statistics %.2f %.2f\n", norm.RunningMean().Data(), norm.RunningVar().Data())
	fmt.Printf("evaluation %.2f\n", run(eval, evalGraph, 1, 4, 20))
	// Output:
	// training   [-1.22 -1.22 0.00 1.22 1.22 0.00]
	// statistics [2.00 20.00] [1.00 100.00]
	// evaluation [2.00 0.00]
}

// A gradient penalty is the squared norm of a critic's gradient with respect to its input. Grad takes
// the inner gradient and gorgonia.Grad the outer one.
func ExampleGrad() {
	g := G.NewGraph()
	x := G.NewMatrix(g, tensor.Float64, G.WithShape(2, 3), G.WithName("x"),
		G.WithValue(tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float64{1, 2, 4, 3, 2, 0}))))
	norm, err := layers.NewLayerNorm(g, 3, layers.WithDtype(tensor.Float64))
	if err != nil {
		log.Fatal(err)
	}
	y, err := norm.Forward(x)
	if err != nil {
		log.Fatal(err)
	}
	critic := G.Must(G.Sum(G.Must(G.Tanh(y))))

	dx, err := layers.Grad(critic, x)
	if err != nil {
		log.Fatal(err)
	}
	penalty := G.Must(G.Sum(G.Must(G.Square(dx[0]))))
	var value G.Value
	G.Read(penalty, &value)
	cost := G.Must(G.Sub(penalty, critic))
	if _, err := G.Grad(cost, norm.Learnables()...); err != nil {
		log.Fatal(err)
	}

	vm := G.NewTapeMachine(g, G.BindDualValues(norm.Learnables()...))
	defer vm.Close()
	solver := G.NewVanillaSolver(G.WithLearnRate(0.1))
	for step := range 51 {
		if err := vm.RunAll(); err != nil {
			log.Fatal(err)
		}
		if step%25 == 0 {
			fmt.Printf("step %2d  penalty %.4f\n", step, value.Data())
		}
		if err := solver.Step(G.NodesToValueGrads(norm.Learnables())); err != nil {
			log.Fatal(err)
		}
		vm.Reset()
	}
	// Output:
	// step  0  penalty 0.2973
	// step 25  penalty 0.0029
	// step 50  penalty 0.0007
}

// One graph trains and evaluates. On places the BatchNorm a second time on its graph, with the same
// learnables, for an input of another batch size. Each machine runs its part of the graph.
func ExampleBatchNorm_On_sameGraph() {
	g := G.NewGraph()
	// a weight that belongs to no layer
	w := G.NewMatrix(g, tensor.Float32, G.WithShape(1, 2), G.WithName("w"), G.WithInit(G.Ones()))
	norm, err := layers.NewBatchNorm(g, 2, layers.WithMomentum(1))
	if err != nil {
		log.Fatal(err)
	}
	eval, err := norm.On(g, layers.Evaluation)
	if err != nil {
		log.Fatal(err)
	}
	predict := func(l layers.Layer, name string, values ...float32) *G.Node {
		x := G.NewMatrix(g, tensor.Float32, G.WithShape(len(values), 1), G.WithName(name),
			G.WithValue(tensor.New(tensor.WithShape(len(values), 1), tensor.WithBacking(values))))
		return G.Must(l.Forward(G.Must(G.Mul(x, w))))
	}
	cost := G.Must(G.Mean(G.Must(G.Abs(predict(norm, "x", 1, 2, 3)))))
	prediction := predict(eval, "one", 4)

	learnables := append(norm.Learnables(), w)
	grads, err := G.Grad(cost, learnables...)
	if err != nil {
		log.Fatal(err)
	}
	train := G.NewTapeMachine(g.SubgraphRoots(append(grads, cost)...), G.BindDualValues(learnables...))
	defer train.Close()
	test := G.NewTapeMachine(g.SubgraphRoots(prediction))
	defer test.Close()
	for range 2 {
		if err := train.RunAll(); err != nil {
			log.Fatal(err)
		}
		train.Reset()
		if err := test.RunAll(); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("statistics %.2f %.2f, prediction %.2f\n",
			norm.RunningMean().Data(), norm.RunningVar().Data(), prediction.Value().Data())
		test.Reset()
	}
	// Output:
	// statistics [2.00 2.00] [1.00 1.00], prediction [2.00 2.00]
	// statistics [2.00 2.00] [1.00 1.00], prediction [2.00 2.00]
}

// Training and evaluation have a graph each. On places the layer on the second graph. A weight that
// belongs to no layer gets a second node with the same value, and thereby the same memory.
func Example_evaluationGraph() {
	g, evalGraph := G.NewGraph(), G.NewGraph()
	w := G.NewMatrix(g, tensor.Float32, G.WithShape(1, 2), G.WithName("w"), G.WithInit(G.Ones()))
	norm, err := layers.NewBatchNorm(g, 2)
	if err != nil {
		log.Fatal(err)
	}
	eval, err := norm.On(evalGraph, layers.Evaluation)
	if err != nil {
		log.Fatal(err)
	}
	evalW := G.NewMatrix(evalGraph, tensor.Float32, G.WithShape(w.Shape()...), G.WithName(w.Name()),
		G.WithValue(w.Value()))

	x := G.NewMatrix(evalGraph, tensor.Float32, G.WithShape(1, 1), G.WithName("x"),
		G.WithValue(tensor.New(tensor.WithShape(1, 1), tensor.WithBacking([]float32{4}))))
	y := G.Must(eval.Forward(G.Must(G.Mul(x, evalW))))
	vm := G.NewTapeMachine(evalGraph)
	defer vm.Close()
	for range 2 {
		if err := vm.RunAll(); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%.2f\n", y.Value().Data())
		vm.Reset()
		w.Value().Data().([]float32)[1] = 3 // in place, as a solver changes it
	}
	// Output:
	// [4.00 4.00]
	// [4.00 12.00]
}

// A block of a transformer with pre-norm: the sum goes on to the next residual connection, its norm to the next branch.
func ExampleAddNorm() {
	g := G.NewGraph()
	input := func(name string, values ...float32) *G.Node {
		return G.NewMatrix(g, tensor.Float32, G.WithShape(1, 4), G.WithName(name),
			G.WithValue(tensor.New(tensor.WithShape(1, 4), tensor.WithBacking(values))))
	}
	x, attention := input("x", 1, 2, 3, 4), input("attention", 1, 0, 1, 0)
	norm, err := layers.NewRMSNorm(g, 4)
	if err != nil {
		log.Fatal(err)
	}
	x, h, err := layers.AddNorm(norm, x, attention)
	if err != nil {
		log.Fatal(err)
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.2f\n%.2f\n", x.Value().Data(), h.Value().Data())
	// Output:
	// [2.00 2.00 4.00 4.00]
	// [0.63 0.63 1.26 1.26]
}
