package op

import (
	"errors"
	"reflect"

	G "gorgonia.org/gorgonia"
)

// IsNil reports whether an interface holds nothing, or a nil pointer.
func IsNil(x any) bool {
	v := reflect.ValueOf(x)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// CheckNode returns an error, a predicate, for a node that Gorgonia cannot work with: nil, or one that
// no function of Gorgonia's has made.
func CheckNode(n *G.Node) error {
	switch {
	case n == nil:
		return errors.New("is nil")
	case n.Type() == nil:
		return errors.New("has no type: make nodes with gorgonia.NewTensor and its like")
	}
	return nil
}

// CheckGraph is CheckNode for a graph.
func CheckGraph(g *G.ExprGraph) error {
	if g == nil {
		return errors.New("is nil")
	}
	if nodes := reflect.ValueOf(g).Elem().FieldByName("byHash"); nodes.IsValid() && nodes.IsNil() {
		return errors.New("has no memory: make graphs with gorgonia.NewGraph")
	}
	return nil
}
