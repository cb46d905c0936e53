package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// widths are the numbers of features: the input, each hidden layer, and the logits.
var widths = []int{byteValues, 64, 64, 64, len(classes)}

// model is a classifier on one graph: hidden layers x ← rectify(norm(x·w + b)), then the
// logits x·w + b. Weights and biases are nodes of the user, the norms are gorgonorm's.
type model struct {
	g     *G.ExprGraph
	w, b  G.Nodes
	norms []layers.Layer

	x, y         *G.Node // byte counts (rows, 256) and classes (rows)
	logits, cost *G.Node // (rows, classes) and a scalar
	predicted    G.Value // logits of the last run, in evaluation
}

// newModel returns a model for training, on a new graph.
func newModel(norm newNorm, rows int, seed uint64) (*model, error) {
	m := &model{g: G.NewGraph()}
	for i, out := range widths[1:] {
		in := widths[i]
		he := layers.Normal(rand.NewPCG(seed, uint64(i)), math.Sqrt(2/float64(in)))
		m.w = append(m.w, G.NewMatrix(m.g, tensor.Float32,
			G.WithShape(in, out), G.WithName(fmt.Sprint("w", i)), G.WithInit(he)))
		m.b = append(m.b, G.NewMatrix(m.g, tensor.Float32,
			G.WithShape(1, out), G.WithName(fmt.Sprint("b", i)), G.WithInit(G.Zeroes())))
		if i == len(widths)-2 {
			break // no norm on the logits
		}
		n, err := norm(m.g, out)
		if err != nil {
			return nil, err
		}
		m.norms = append(m.norms, n)
	}
	return m, m.connect(rows)
}

// evaluation returns the model on another graph, for another number of rows. Its nodes have
// the same tensors, so it follows the training.
func (m *model) evaluation(rows int) (*model, error) {
	e := &model{g: G.NewGraph()}
	share := func(n *G.Node) *G.Node {
		return G.NewMatrix(e.g, tensor.Float32, G.WithShape(n.Shape()...), G.WithName(n.Name()), G.WithValue(n.Value()))
	}
	for i := range m.w {
		e.w, e.b = append(e.w, share(m.w[i])), append(e.b, share(m.b[i]))
	}
	for _, norm := range m.norms {
		norm, err := norm.On(e.g, layers.Evaluation)
		if err != nil {
			return nil, err
		}
		e.norms = append(e.norms, norm)
	}
	if err := e.connect(rows); err != nil {
		return nil, err
	}
	G.Read(e.logits, &e.predicted) // because Gorgonia may reuse the memory of the node for later nodes
	return e, nil
}

// connect builds the graph from the input to the cost.
func (m *model) connect(rows int) (err error) {
	m.x = G.NewMatrix(m.g, tensor.Float32, G.WithShape(rows, widths[0]), G.WithName("x"), G.WithInit(G.Zeroes()))
	m.y = G.NewVector(m.g, tensor.Int, G.WithShape(rows), G.WithName("y"), G.WithInit(G.Zeroes()))
	h := m.x
	for i := range m.w {
		if h, err = G.Mul(h, m.w[i]); err != nil {
			return err
		}
		if h, err = G.BroadcastAdd(h, m.b[i], nil, []byte{0}); err != nil {
			return err
		}
		if i == len(m.norms) {
			break
		}
		if h, err = m.norms[i].Forward(h); err != nil {
			return err
		}
		if h, err = G.Rectify(h); err != nil {
			return err
		}
	}
	m.logits = h
	loss, err := layers.NewCrossEntropy()
	if err != nil {
		return err
	}
	m.cost, err = loss.Forward(m.logits, m.y)
	return err
}

// learnables returns the nodes that the solver updates: the user's and the norms'.
func (m *model) learnables() G.Nodes {
	nodes := append(append(G.Nodes{}, m.w...), m.b...)
	for _, norm := range m.norms {
		nodes = append(nodes, norm.Learnables()...)
	}
	return nodes
}

// feed writes random snippets to the graph's input.
func (m *model) feed(rng *rand.Rand, files [][]file, log bool) {
	x := m.x.Value().Data().([]float32)
	draw(rng, files, x, m.y.Value().Data().([]int))
	if log {
		for i, count := range x {
			x[i] = float32(math.Log1p(float64(count)))
		}
	}
}

// accuracy returns the fraction of rows whose largest logit is that of their class, after a
// run of the evaluation.
func (m *model) accuracy() float64 {
	logits, correct := m.predicted.Data().([]float32), 0
	classOf := m.y.Value().Data().([]int)
	for row, class := range classOf {
		best := 0
		for i, l := range logits[row*len(classes) : (row+1)*len(classes)] {
			if l > logits[row*len(classes)+best] {
				best = i
			}
		}
		if best == class {
			correct++
		}
	}
	return float64(correct) / float64(len(classOf))
}
