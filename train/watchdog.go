package train

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/runlog"
)

// patience is the number of validations in a row, after warm-up, at which a run is given
// up because its loss is no lower than an untrained model's.
const patience = 2

// lost reports whether a run can be given up: a value of its last step is not finite, or
// the loss of its last validations after warm-up is no lower than an untrained model's.
func lost(steps []Step, warmup int, untrained runlog.Float) bool {
	if !steps[len(steps)-1].Finite() {
		return true
	}
	if steps[len(steps)-1].ValLoss == nil {
		return false
	}
	for i, remaining := len(steps)-1, patience; remaining > 0; i-- {
		if i < 0 || steps[i].Step <= warmup {
			return false
		}
		if v := steps[i].ValLoss; v != nil {
			if *v < untrained {
				return false
			}
			remaining--
		}
	}
	return true
}

// nonFinite returns the name of the node at which the first NaN or infinity of a step
// arose.
func (l *loop) nonFinite(s Step) string {
	if !s.Loss.Finite() || !s.GradNorm.Finite() {
		return firstNonFinite(l.train.g)
	}
	return firstNonFinite(l.eval.g)
}

// firstNonFinite returns the name of the first node, in the order of execution, whose value
// has a NaN or an infinity, and that value. It returns "" if all values are finite. The
// inputs of the first such node are finite, so the value arose there.
func firstNonFinite(g *G.ExprGraph) string {
	nodes, err := G.Sort(g)
	if err != nil {
		return ""
	}
	for i := len(nodes) - 1; i >= 0; i-- { // Sort puts the node computed last first
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

// nonFiniteValue returns the first NaN or infinity among a value's elements, and whether
// there is one.
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
