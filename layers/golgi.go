package layers

import (
	"github.com/chewxy/hm"
	"gorgonia.org/tensor"
)

// With the methods of this file, layers implement golgi's Layer interface
// (github.com/gorgonia/golgi), so that golgi can compose them with its own layers. golgi calls these
// methods placeholders.

// Type returns the type of a function whose output has its input's type and number of dimensions.
func (m *module) Type() hm.Type { return hm.NewFnType(hm.TypeVariable('a'), hm.TypeVariable('a')) }

// Type returns the type of a function from ids to floats.
func (l *Embedding) Type() hm.Type {
	return hm.NewFnType(hm.TypeVariable('a'), hm.TypeVariable('b'))
}

// Type returns the type of a function from logits to a scalar.
func (l *CrossEntropy) Type() hm.Type {
	return hm.NewFnType(hm.TypeVariable('a'), hm.TypeVariable('b'))
}

// Shape returns the shape of the first learnable. It returns nil if there are no learnables.
func (m *module) Shape() tensor.Shape {
	if len(m.learnables) == 0 {
		return nil
	}
	return m.learnables[0].Shape()
}

// Describe does nothing. golgi reserves it for a description of the layer in ONNX.
func (m *module) Describe() {}
