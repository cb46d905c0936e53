package layers

import (
	"github.com/chewxy/hm"
	"gorgonia.org/tensor"
)

// The methods of this file are those that golgi's Layer (github.com/gorgonia/golgi) has
// besides Fwd, Model and Name, so that golgi can compose the layers with its own. golgi
// calls them placeholders.

// Type is the layer as a function of its input: it keeps the element type and the number
// of dimensions.
func (m *module) Type() hm.Type { return hm.NewFnType(hm.TypeVariable('a'), hm.TypeVariable('a')) }

// Type is the layer as a function of its input: ids become floats.
func (l *Embedding) Type() hm.Type {
	return hm.NewFnType(hm.TypeVariable('a'), hm.TypeVariable('b'))
}

// Type is the layer as a function of its input: logits become a scalar.
func (l *CrossEntropy) Type() hm.Type {
	return hm.NewFnType(hm.TypeVariable('a'), hm.TypeVariable('b'))
}

// Shape is the shape of the first learnable, nil if there is none.
func (m *module) Shape() tensor.Shape {
	if len(m.learnables) == 0 {
		return nil
	}
	return m.learnables[0].Shape()
}

// Describe does nothing: golgi keeps it for a description of the layer in ONNX.
func (m *module) Describe() {}
