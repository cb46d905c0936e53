package op

import G "gorgonia.org/gorgonia"

// Operands returns the nodes to which n's operation is applied, and reports for which of them it has
// gradients.
func Operands(n *G.Node) (operands G.Nodes, wrt []bool) {
	g := n.Graph()
	if g == nil {
		return nil, nil
	}
	below := g.From(n.ID())
	if below == nil {
		return nil, nil
	}
	for below.Next() {
		operands = append(operands, below.Node().(*G.Node))
	}
	if o, ok := n.Op().(G.SDOp); ok && len(operands) > 0 {
		return operands, o.DiffWRT(len(operands))
	}
	return operands, make([]bool, len(operands))
}
