package transformer

import (
	"cmp"

	G "gorgonia.org/gorgonia"
)

// CheckFile reports what keeps a safetensors file from holding all weights of such a
// model: sizes and metadata that are another model's, tensors that are missing, have
// another shape or are not the model's, and a file that is shorter or longer than its
// header says. It reads the header alone; LoadFile looks at the numbers, too.
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
	_, faults := w.config(c)
	if err := w.room(c); err != nil { // before memory is taken for the model
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
