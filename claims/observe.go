package claims

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/stat"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
	"gorgonorm/train"
)

// matrix is an activation: a row for each token.
type matrix struct {
	cols int
	data []float64
}

func (m matrix) rows() int { return len(m.data) / m.cols }

func (m matrix) row(i int) []float64 { return m.data[i*m.cols : (i+1)*m.cols] }

// column returns feature j of all rows.
func (m matrix) column(j int) []float64 {
	c := make([]float64, m.rows())
	for i := range c {
		c[i] = m.data[i*m.cols+j]
	}
	return c
}

// observation is what a model computes on a batch of validation text, in evaluation mode.
type observation struct {
	norms    []normObservation // in the order of the forward pass
	residual []matrix          // after the embedding and after each block
	logits   matrix
}

type normObservation struct {
	name    string
	in, out matrix
	gamma   []float64 // nil for a layer without one
}

// withoutGamma returns the norm's output before γ, of a norm that has no β.
func (n normObservation) withoutGamma() matrix {
	y := matrix{n.out.cols, slices.Clone(n.out.data)}
	for i := range y.data {
		if n.gamma != nil {
			y.data[i] /= n.gamma[i%y.cols]
		}
	}
	return y
}

// observedTokens is how many tokens an observation has at least.
const observedTokens = 2048

// observe runs the model on windows evenly spread over the validation text.
func observe(m *transformer.Model, text *train.Corpus) (o observation, err error) {
	context := m.Config().Context
	batch := (observedTokens + context - 1) / context
	g := G.NewGraph()
	placed, err := m.On(g, layers.Evaluation)
	if err != nil {
		return o, err
	}
	ids := make([]int, 0, batch*context)
	for i := range batch {
		at := i * (len(text.Val) - context) / batch
		for _, id := range text.Val[at : at+context] {
			ids = append(ids, int(id))
		}
	}
	input := G.NewTensor(g, tensor.Int, 2, G.WithShape(batch, context), G.WithName("ids"),
		G.WithValue(tensor.New(tensor.WithShape(batch, context), tensor.WithBacking(ids))))
	a, err := placed.Forward(input)
	if err != nil {
		return o, err
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return o, err
	}
	for _, n := range a.Norms {
		norm := normObservation{name: n.Layer.Name(), in: matrixOf(n.In), out: matrixOf(n.Out)}
		if w := n.Layer.Learnables(); len(w) > 0 {
			norm.gamma = numbersOf(w[0])
		}
		o.norms = append(o.norms, norm)
	}
	for _, n := range a.Residual {
		o.residual = append(o.residual, matrixOf(n))
	}
	o.logits = matrixOf(a.Logits)
	return o, nil
}

func matrixOf(n *G.Node) matrix {
	s := n.Shape()
	return matrix{cols: s[len(s)-1], data: numbersOf(n)}
}

// numbersOf returns a copy of a node's value.
func numbersOf(n *G.Node) (numbers []float64) {
	switch v := n.Value().Data().(type) {
	case []float32:
		for _, f := range v {
			numbers = append(numbers, float64(f))
		}
	case []float64:
		numbers = append(numbers, v...)
	default:
		panic(fmt.Sprintf("claims: an activation is of type %T", v))
	}
	return numbers
}

// meanSquare returns Σ(x−mean)²/C of a row, with a mean of 0 unless it is centred.
func meanSquare(x []float64, centred bool) (squares float64) {
	mean := 0.0
	if centred {
		mean = stat.Mean(x, nil)
	}
	for _, v := range x {
		squares += float64((v - mean) * (v - mean))
	}
	return squares / float64(len(x))
}
