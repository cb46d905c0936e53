package transformer

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"

	"gorgonorm/layers"
)

// TestSaveHoldsEveryWeight reads a saved model with the format's own library.
func TestSaveHoldsEveryWeight(t *testing.T) {
	for name, c := range arrangements() {
		t.Run(name, func(t *testing.T) {
			m, err := New(G.NewGraph(), c)
			require.NoError(t, err)
			want := make(map[string][]float32)
			for _, w := range m.Learnables() {
				want[w.Name()] = w.Value().Data().([]float32)
			}
			for i, l := range m.stateful() {
				if b, ok := l.(*layers.BatchNorm); ok {
					b.RunningMean().Float32s()[0], b.RunningVar().Float32s()[1] = float32(i+1), float32(-i)
					want[b.Name()+".running_mean"], want[b.Name()+".running_var"] = b.RunningMean().Float32s(), b.RunningVar().Float32s()
				}
			}
			var b bytes.Buffer
			require.NoError(t, m.Save(&b))
			st, err := safetensors.Deserialize(b.Bytes())
			require.NoError(t, err)
			require.Equal(t, len(want), st.Len())
			for name, values := range want {
				v, ok := st.Tensor(name)
				require.True(t, ok, name)
				got := make([]float32, len(values))
				require.NoError(t, binary.Read(bytes.NewReader(v.Data()), binary.LittleEndian, got))
				require.Equal(t, values, got, name)
			}
		})
	}
}
