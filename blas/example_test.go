package blas_test

import (
	"fmt"
	"log"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/mat"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/blas"
)

// After Use, all matrix products of Gorgonia run on this package.
func Example() {
	G.Use(blas.Implementation{})
	defer G.Use(gonum.Implementation{}) // only so that this example changes nothing

	g := G.NewGraph()
	matrix := func(name string, values ...float32) *G.Node {
		return G.NewMatrix(g, tensor.Float32, G.WithName(name), G.WithShape(2, 2),
			G.WithValue(tensor.New(tensor.WithShape(2, 2), tensor.WithBacking(values))))
	}
	product := G.Must(G.Mul(matrix("a", 1, 2, 3, 4), matrix("b", 5, 6, 7, 8)))
	machine := G.NewTapeMachine(g)
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(product.Value().Data())
	// Output:
	// [19 22 43 50]
}

// After blas64.Use, all float64 matrix products of gonum run on this package.
func Example_gonum() {
	blas64.Use(blas.Implementation{})
	defer blas64.Use(gonum.Implementation{})

	var product mat.Dense
	product.Mul(mat.NewDense(2, 2, []float64{1, 2, 3, 4}), mat.NewDense(2, 2, []float64{5, 6, 7, 8}))
	fmt.Println(mat.Formatted(&product))
	// Output:
	// ⎡19  22⎤
	// ⎣43  50⎦
}
