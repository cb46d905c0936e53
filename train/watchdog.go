package train

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/runlog"
)

// patience is how many validations in a row, after warm-up, may find a run no
// better than an untrained model before it is given up.
const patience = 2

// lost says that a run need not go on: something in its last step was not finite,
// or its last validations after warm-up all found the loss no lower than that of
// an untrained model.
func lost(steps []Step, warmup int, untrained runlog.Float) bool {
	if !steps[len(steps)-1].Finite() {
		return true
	}
	if steps[len(steps)-1].ValLoss == nil {
		return false
	}
	for i, left := len(steps)-1, patience; left > 0; i-- {
		if i < 0 || steps[i].Step <= warmup {
			return false
		}
		if v := steps[i].ValLoss; v != nil {
			if *v < untrained {
				return false
			}
			left--
		}
	}
	return true
}

// nonFinite names where the first NaN or infinity of a step that has one arose.
func (l *loop) nonFinite(s Step) string {
	if !s.Loss.Finite() || !s.GradNorm.Finite() {
		return firstNonFinite(l.train.g)
	}
	return firstNonFinite(l.eval.g)
}

// firstNonFinite names the first node of the graph, in the order in which it was
// run, whose value holds a NaN or an infinity, and says which; "" where all is
// finite. What a node takes in was finite, so it is there that it arose.
func firstNonFinite(g *G.ExprGraph) string {
	nodes, err := G.Sort(g)
	if err != nil {
		return ""
	}
	for i := len(nodes) - 1; i >= 0; i-- { // Sort has what is computed last first
		if v, ok := nonFiniteValue(nodes[i].Value()); ok {
			return fmt.Sprintf("%s: %v", nodeName(nodes[i]), v)
		}
	}
	return ""
}

func nodeName(n *G.Node) string {
	if n.Op() == nil {
		return n.Name()
	}
	return fmt.Sprint(n.Op())
}

// nonFiniteValue finds the first NaN or infinity among a value's elements.
func nonFiniteValue(v G.Value) (float64, bool) {
	switch v := v.(type) {
	case *G.F32:
		return float64(*v), !runlog.Float(*v).Finite()
	case *tensor.Dense:
		if v.Dtype() != tensor.Float32 {
			return 0, false
		}
		data := v.Float32s()
		if runlog.Float(cpu.MaxAbs(data)).Finite() {
			return 0, false
		}
		for _, x := range data {
			if !runlog.Float(x).Finite() {
				return float64(x), true
			}
		}
	}
	return 0, false
}
