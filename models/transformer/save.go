package transformer

import (
	"fmt"
	"io"
	"strings"

	"gorgonorm/internal/safetensors"
	"gorgonorm/layers"
)

// Save writes the model's State in the safetensors format, together with lm_head.weight, which
// nanoGPT's state_dict() also contains. The metadata holds what Load cannot infer from names and
// shapes, under keys with the prefix "gorgonorm.".
func (m *Model) Save(w io.Writer) error { return m.SaveWith(w, nil) }

// ExtraPrefix is the prefix of the names of tensors that are not the model's, which Load skips.
const ExtraPrefix = namespace

// SaveWith is Save with further tensors, such as those of an optimizer. Their names must begin with
// ExtraPrefix.
func (m *Model) SaveWith(w io.Writer, more layers.State) error {
	if err := m.check(); err != nil {
		return err
	}
	all := m.tensors()
	all[headWeight] = all[wteWeight]
	for name, d := range more {
		if !strings.HasPrefix(name, ExtraPrefix) {
			return fmt.Errorf("transformer: saving: the tensor %s is not the model's, want a name that begins with %s",
				name, ExtraPrefix)
		}
		all[name] = d
	}
	if err := safetensors.Write(w, all, m.config.metadata()); err != nil {
		return fmt.Errorf("transformer: saving: %w", err)
	}
	return nil
}
