package layers

import (
	"github.com/chewxy/hm"
	"gorgonia.org/tensor"
)

// The methods of this file are those that golgi's Layer (github.com/gorgonia/golgi) has
// besides Fwd, Model and Name, so that golgi can compose the layers with its own. golgi
// calls them placeholders.

// Type returns the layer's type as a function: the output has the input's type and number
// of dimensions.
func (m *module) Type() hm.Type { return hm.NewFnType(hm.TypeVariable('a'), hm.TypeVariable('a')) }

// Type returns the layer's type as a function from ids to floats.
func (l *Embedding) Type() hm.Type {
	return hm.NewFnType(hm.TypeVariable('a'), hm.TypeVariable('b'))
}

// Type returns the layer's type as a function from logits to a scalar.
func (l *CrossEntropy) Type() hm.Type {
	return hm.NewFnType(hm.TypeVariable('a'), hm.TypeVariable('b'))
}

// Shape returns the shape of the first learnable, nil if there is none.
func (m *module) Shape() tensor.Shape {
	if len(m.learnables) == 0 {
		return nil
	}
	return m.learnables[0].Shape()
}

// Describe does nothing: golgi keeps it for a description of the layer in ONNX.
func (m *module) Describe() {}
