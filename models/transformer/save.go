package transformer

import (
	"fmt"
	"io"

	"gorgonorm/internal/safetensors"
)

// Save writes the model's State in the safetensors format, lm_head.weight with it, as
// nanoGPT's state_dict() has it, and as metadata, under keys that begin with gorgonorm.,
// what Load cannot tell from names and shapes.
func (m *Model) Save(w io.Writer) error {
	all := m.tensors()
	all[headWeight] = all[wteWeight]
	if err := safetensors.Write(w, all, m.config.metadata()); err != nil {
		return fmt.Errorf("transformer: saving: %w", err)
	}
	return nil
}
