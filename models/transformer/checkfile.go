package transformer

import (
	"strings"

	G "gorgonia.org/gorgonia"
)

// CheckFile reports what keeps a safetensors file from holding all weights of such a
// model: sizes and metadata that are another model's, tensors that are missing, have
// another shape or are not the model's, and a file that is shorter or longer than its
// header says. It reads the header alone; LoadFile looks at the numbers, too.
func CheckFile(path string, c Config) error {
	w, err := openWeights(path)
	if err != nil {
		return err
	}
	defer w.Close()
	_, faults := w.config(c)
	if err := w.room(c); err != nil { // before memory is taken for the model
		return w.errorf(append(faults, err.Error()))
	}
	m, err := build(G.NewGraph(), c, blank)
	if err != nil {
		return w.errorf(append(faults, strings.TrimPrefix(err.Error(), "transformer: ")))
	}
	_, found := w.compare(m.tensors())
	if faults = append(faults, found.sentences()...); len(faults) > 0 {
		return w.errorf(faults)
	}
	return nil
}
