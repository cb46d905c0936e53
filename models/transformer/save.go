package transformer

import (
	"fmt"
	"io"

	"gorgonorm/internal/safetensors"
)

// Save writes the model's State in the safetensors format, together with lm_head.weight, which
// nanoGPT's state_dict() also contains. The metadata holds what Load cannot infer from names and
// shapes, under keys with the prefix "gorgonorm.".
func (m *Model) Save(w io.Writer) error {
	all := m.tensors()
	all[headWeight] = all[wteWeight]
	if err := safetensors.Write(w, all, m.config.metadata()); err != nil {
		return fmt.Errorf("transformer: saving: %w", err)
	}
	return nil
}
