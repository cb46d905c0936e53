package transformer

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestEveryTypeIsSaved: counts are scalars of int64 in PyTorch's files.
func TestEveryTypeIsSaved(t *testing.T) {
	for want, d := range map[string]*tensor.Dense{
		`{"dtype":"I64","shape":[],"data_offsets":[0,8]}`:     tensor.New(tensor.FromScalar(int64(1<<60 + 1))),
		`{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}`:  tensor.New(tensor.WithShape(2, 1), tensor.WithBacking([]float32{1, 2})),
		`{"dtype":"F64","shape":[1,2],"data_offsets":[0,16]}`: tensor.New(tensor.WithShape(1, 2), tensor.WithBacking([]float64{1, 2})),
		`{"dtype":"F64","shape":[1],"data_offsets":[0,8]}`:    tensor.New(tensor.WithShape(1), tensor.WithBacking([]float64{1})),
	} {
		b, err := safetensors.Serialize(map[string]view{"x": {d}}, nil)
		require.NoError(t, err)
		require.Equal(t, `{"x":`+want+`}`, strings.TrimSpace(string(b[8:8+binary.LittleEndian.Uint64(b)])))
		var elements bytes.Buffer
		require.NoError(t, binary.Write(&elements, binary.LittleEndian, d.Data()))
		require.True(t, bytes.HasSuffix(b, elements.Bytes()))
	}
}

func TestAnUnboundModelIsNotSaved(t *testing.T) {
	g := G.NewGraph()
	m, err := New(g, tiny("layer"))
	require.NoError(t, err)
	g.UnbindAll()
	require.ErrorContains(t, m.Save(io.Discard), "has no value, its graph has been unbound")
}

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
			for i, b := range batchNorms(m) {
				b.RunningMean().Float32s()[0], b.RunningVar().Float32s()[1] = float32(i+1), float32(-i)
				want[b.Name()+".running_mean"], want[b.Name()+".running_var"] = b.RunningMean().Float32s(), b.RunningVar().Float32s()
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
