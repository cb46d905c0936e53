package transformer

import (
	"cmp"

	G "gorgonia.org/gorgonia"
)

// CheckFile returns an error unless a safetensors file holds all weights of a model with this
// config: sizes and metadata agree with the config, no tensor is missing, unexpected or of
// another shape, and the file has the length that its header states. It reads only the header;
// LoadFile also checks the numbers.
func CheckFile(path string, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	w, err := openWeights(path)
	if err != nil {
		return err
	}
	defer w.Close()
	c.Placement, c.GELU = cmp.Or(c.Placement, Pre), cmp.Or(c.GELU, Tanh)
	_, faults := w.complete(c)
	if err := w.checkSize(c); err != nil { // before memory is allocated for the model
		return w.errorf(append(faults, err.Error()))
	}
	m, err := build(G.NewGraph(), c, blank)
	if err != nil {
		return err
	}
	_, found := w.compare(m.tensors())
	if faults = append(faults, found.sentences()...); len(faults) > 0 {
		return w.errorf(faults)
	}
	return nil
}
