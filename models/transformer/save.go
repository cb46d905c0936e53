package transformer

import (
	"fmt"
	"io"
	"strconv"

	"gorgonorm/internal/safetensors"
)

// Save writes the model's State in the safetensors format, lm_head.weight with it, as
// nanoGPT's state_dict() has it, and as metadata what Load cannot tell from names and
// shapes.
func (m *Model) Save(w io.Writer) error {
	all := m.tensors()
	all[headWeight] = all[wteWeight]
	metadata := map[string]string{
		"format": "pt",
		headsKey: strconv.Itoa(m.config.Heads), normKey: m.config.Norm.Name, placementKey: string(m.config.Placement), geluKey: string(m.config.GELU),
	}
	if err := safetensors.Write(w, all, metadata); err != nil {
		return fmt.Errorf("transformer: saving: %w", err)
	}
	return nil
}
