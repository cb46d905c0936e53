package transformer

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

func TestSaveOfAnUnboundModel(t *testing.T) {
	g := G.NewGraph()
	m, err := New(g, tiny("layer"))
	require.NoError(t, err)
	g.UnbindAll()
	require.ErrorContains(t, m.Save(io.Discard), "has no value, its graph has been unbound")
}

// TestSaveWritesEveryWeight reads a saved model with the format's own library.
func TestSaveWritesEveryWeight(t *testing.T) {
	for name, c := range arrangements() {
		t.Run(name, func(t *testing.T) {
			m, err := New(G.NewGraph(), c)
			require.NoError(t, err)
			want := make(map[string][]float32)
			for _, w := range m.Learnables() {
				want[w.Name()] = w.Value().Data().([]float32)
			}
			for i, b := range batchNorms(m) {
				b.RunningMean().Float32s()[0], b.RunningVar().Float32s()[1] = float32(i+1), float32(-i)
				want[b.Name()+".running_mean"] = b.RunningMean().Float32s()
				want[b.Name()+".running_var"] = b.RunningVar().Float32s()
			}
			var b bytes.Buffer
			require.NoError(t, m.Save(&b))
			st, err := safetensors.Deserialize(b.Bytes())
			require.NoError(t, err)
			want[headWeight] = want[wteWeight]
			for _, b := range batchNorms(m) {
				v, ok := st.Tensor(b.Name() + ".num_batches_tracked")
				require.True(t, ok)
				require.Equal(t, safetensors.I64, v.DType())
				require.Empty(t, v.Shape())
				require.Equal(t, make([]byte, 8), v.Data())
			}
			require.Equal(t, len(want)+len(batchNorms(m)), st.Len())
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
