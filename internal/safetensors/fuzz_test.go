package safetensors

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"gorgonorm/internal/hostile"
)

// FuzzOpen opens any file, and reads the tensors of one that has none of the faults.
func FuzzOpen(f *testing.F) {
	for _, header := range []string{
		"{}", "[]", `{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`,
		`{"x":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"__metadata__":{"a":"b"}}`,
		`{"x":{"dtype":"BF16","shape":[2,0],"data_offsets":[0,0]},` +
			`"num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}`,
		`{"x":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`,
	} {
		f.Add(file(header, 4))
		f.Add(file(header, 8))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		require.NoError(t, os.WriteFile(path, b, 0o666))
		hostile.Allocates(t, len(b), func() {
			x, err := Open(path)
			if err != nil {
				return
			}
			defer func() { require.NoError(t, x.Close()) }()
			bytes := 0
			for name, of := range x.Tensors {
				bytes += int(of.size)
				_, err := x.Bytes(name)
				_ = err // of another type
				_, err = x.Int64(name)
				_ = err
				if Holds[float64](of.DType) {
					d := tensor.New(tensor.WithShape(of.Len()), tensor.Of(tensor.Float64))
					if of.Len() > 0 {
						require.NoError(t, Fill(x, name, d))
					}
				}
				for other := range x.Tensors {
					_, err := x.Equal(name, other)
					require.NoError(t, err)
				}
			}
			require.LessOrEqual(t, bytes, len(b))
		})
	})
}

// FuzzIndex opens any index of parts, with a part beside it.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"weight_map":{"x":"part.safetensors"}}`))
	f.Add([]byte(`{"metadata":{},"weight_map":{"x":"../part.safetensors","y":"."}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "x"+IndexSuffix)
		require.NoError(t, os.WriteFile(path, b, 0o666))
		part := file(`{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "part.safetensors"), part, 0o666))
		hostile.Allocates(t, len(b), func() {
			if x, err := Open(path); err == nil {
				require.NoError(t, x.Close())
			}
			_, err := Paths(path)
			_ = err
		})
	})
}
