package transformer

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// TestSaveHoldsEveryWeight reads a saved model with the format's own library.
func TestSaveHoldsEveryWeight(t *testing.T) {
	for _, n := range Norms {
		t.Run(n.Name, func(t *testing.T) {
			m, err := New(G.NewGraph(), tiny(n.Name))
			require.NoError(t, err)
			var b bytes.Buffer
			require.NoError(t, m.Save(&b))
			st, err := safetensors.Deserialize(b.Bytes())
			require.NoError(t, err)
			statistics := 0
			if n.Name == "batch" {
				statistics = 2 * len(m.norms())
			}
			require.Equal(t, len(m.Learnables())+statistics, st.Len())
			for _, w := range m.Learnables() {
				v, ok := st.Tensor(w.Name())
				require.True(t, ok, w.Name())
				want := w.Value().Data().([]float32)
				got := make([]float32, len(want))
				require.NoError(t, binary.Read(bytes.NewReader(v.Data()), binary.LittleEndian, got))
				require.Equal(t, want, got, w.Name())
			}
		})
	}
}
