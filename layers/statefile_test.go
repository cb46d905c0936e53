package layers

import (
	"bytes"
	"encoding/gob"
	"io"
	"os"
	"path/filepath"
	"testing"

	format "github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// inFile saves to a file and returns its path.
func inFile(t *testing.T, s interface{ Save(io.Writer) error }) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.safetensors")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, s.Save(f))
	require.NoError(t, f.Close())
	return path
}

// TestStatesSurviveEncoding by gob, in a user's struct too, and as a file.
func TestStatesSurviveEncoding(t *testing.T) {
	t.Parallel()
	type checkpoint struct {
		Step  int
		Norms map[string]*tensor.Dense
	}
	for kind, build := range everyAndQKNorm() {
		for name, dt := range dtypes {
			t.Run(kind+"/"+name, func(t *testing.T) {
				var opts []Option
				if stateNames[kind] != nil {
					opts = []Option{WithDtype(dt)}
				}
				l, err := build(G.NewGraph(), opts...)
				require.NoError(t, err)
				randomize(l, 1)
				if b, ok := l.(*BatchNorm); ok {
					b.running.batches.Int64s()[0] = 1<<60 + 1
				}
				want := contents(l.State())

				var buffer bytes.Buffer
				var state State
				require.NoError(t, gob.NewEncoder(&buffer).Encode(l.State()))
				require.NoError(t, gob.NewDecoder(&buffer).Decode(&state))
				require.Equal(t, want, contents(state))

				var c checkpoint
				require.NoError(t, gob.NewEncoder(&buffer).Encode(checkpoint{7, l.State()}))
				require.NoError(t, gob.NewDecoder(&buffer).Decode(&c))
				other, err := build(G.NewGraph(), opts...)
				require.NoError(t, err)
				require.NoError(t, other.Load(c.Norms))
				require.Equal(t, want, contents(other.State()))

				path := inFile(t, l.(interface{ Save(io.Writer) error }))
				read, err := ReadState(path)
				require.NoError(t, err)
				require.Equal(t, want, contents(read))
				other, err = build(G.NewGraph(), opts...)
				require.NoError(t, err)
				require.NoError(t, other.(interface{ LoadFile(string) error }).LoadFile(path))
				require.Equal(t, want, contents(other.State()))
			})
		}
	}
}

func TestAStacksStateSurvivesAFile(t *testing.T) {
	t.Parallel()
	a, b := newStack(t, 6), newStack(t, 7)
	require.NoError(t, b.LoadFile(inFile(t, a)))
	require.Equal(t, stackValues(a), stackValues(b))
}

// TestCountsInFilesAreScalars, as PyTorch's load_state_dict requires.
func TestCountsInFilesAreScalars(t *testing.T) {
	t.Parallel()
	l, err := NewBatchNorm(G.NewGraph(), 4)
	require.NoError(t, err)
	b, err := os.ReadFile(inFile(t, l))
	require.NoError(t, err)
	st, err := format.Deserialize(b)
	require.NoError(t, err)
	v, ok := st.Tensor("num_batches_tracked")
	require.True(t, ok)
	require.Equal(t, format.I64, v.DType())
	require.Empty(t, v.Shape())
}

// file describes a tensor of a handmade file.
type file struct {
	dtype format.DType
	shape []uint64
	data  []byte
}

func (f file) DType() format.DType { return f.dtype }
func (f file) Shape() []uint64     { return f.shape }
func (f file) Data() []byte        { return f.data }
func (f file) DataLen() uint64     { return uint64(len(f.data)) }

func writeFile(t *testing.T, tensors map[string]file) string {
	t.Helper()
	b, err := format.Serialize(tensors, nil)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, os.WriteFile(path, b, 0o666))
	return path
}

func TestNumbersOfFilesAreWidened(t *testing.T) {
	t.Parallel()
	path := writeFile(t, map[string]file{
		"weight": {format.F16, []uint64{2}, []byte{0, 0x3c, 0, 0xc0}},     // 1, −2
		"bias":   {format.BF16, []uint64{2}, []byte{0x80, 0x3f, 0, 0xc0}}, // 1, −2
	})
	for name, dt := range dtypes {
		t.Run(name, func(t *testing.T) {
			l, err := NewLayerNorm(G.NewGraph(), 2, WithDtype(dt))
			require.NoError(t, err)
			require.NoError(t, l.LoadFile(path))
			for _, d := range l.State() {
				require.Equal(t, []float64{1, -2}, float64s(d))
			}
		})
	}
	s, err := ReadState(path)
	require.NoError(t, err)
	require.Equal(t, []float32{1, -2}, s["weight"].Data())
}

func TestFilesWithFaultsAreRefused(t *testing.T) {
	t.Parallel()
	double := file{format.F64, []uint64{2}, make([]byte, 16)}
	for _, c := range []struct {
		tensors map[string]file
		want    string // with PATH for the file's path
	}{
		{map[string]file{"weight": double, "bias": double},
			"layers: LayerNorm: cannot load the state: bias is of type float64, want float32; " +
				"weight is of type float64, want float32 (in PATH)"},
		{map[string]file{"weight": {format.U8, []uint64{2}, []byte{1, 2}}, "bias": {format.F32, []uint64{0}, nil},
			"n": {format.I64, []uint64{2}, make([]byte, 16)}},
			"layers: cannot read PATH: bias of type F32 has the shape [0]; n of type I64 has the shape [2]; " +
				"weight is of type U8, want F16, BF16, F32, F64 or, for a count, I64"},
		{nil, "layers: LayerNorm: cannot load the state: bias is missing; weight is missing (in PATH)"},
	} {
		l, err := NewLayerNorm(G.NewGraph(), 2)
		require.NoError(t, err)
		path := writeFile(t, c.tensors)
		require.EqualError(t, l.LoadFile(path), string(bytes.ReplaceAll([]byte(c.want), []byte("PATH"), []byte(path))))
		require.Equal(t, []float32{1, 1}, l.State()["weight"].Data())
	}
	err := gob.NewEncoder(io.Discard).Encode(State{"weight": nil})
	require.EqualError(t, err, "layers: encoding a state: weight has no value, its graph has been unbound")
	_, err = ReadState("nowhere")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.EqualError(t, State{"weight": nil}.Save(io.Discard),
		"layers: saving a state: weight has no value, its graph has been unbound")
}
