package safetensors

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

func TestEveryTypeIsWritten(t *testing.T) {
	t.Parallel()
	count := []int64{1<<60 + 1}
	for _, c := range []struct {
		name, want string
		d          *tensor.Dense
	}{
		{"num_batches_tracked", `{"dtype":"I64","shape":[],"data_offsets":[0,8]}`,
			tensor.New(tensor.WithShape(1), tensor.WithBacking(count))},
		{"bn.num_batches_tracked", `{"dtype":"I64","shape":[],"data_offsets":[0,8]}`,
			tensor.New(tensor.FromScalar(count[0]))},
		{"my_num_batches_tracked", `{"dtype":"I64","shape":[1],"data_offsets":[0,8]}`,
			tensor.New(tensor.WithShape(1), tensor.WithBacking(count))},
		{"x", `{"dtype":"I64","shape":[],"data_offsets":[0,8]}`, tensor.New(tensor.FromScalar(count[0]))},
		{"x", `{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}`,
			tensor.New(tensor.WithShape(2, 1), tensor.WithBacking([]float32{1, 2}))},
		{"x", `{"dtype":"F64","shape":[1,2],"data_offsets":[0,16]}`,
			tensor.New(tensor.WithShape(1, 2), tensor.WithBacking([]float64{1, 2}))},
		{"x", `{"dtype":"F64","shape":[1],"data_offsets":[0,8]}`,
			tensor.New(tensor.WithShape(1), tensor.WithBacking([]float64{1}))},
	} {
		var file bytes.Buffer
		require.NoError(t, Write(&file, map[string]*tensor.Dense{c.name: c.d}, nil))
		b := file.Bytes()
		require.Equal(t, `{"`+c.name+`":`+c.want+`}`, strings.TrimSpace(string(b[8:8+binary.LittleEndian.Uint64(b)])))
		var elements bytes.Buffer
		require.NoError(t, binary.Write(&elements, binary.LittleEndian, c.d.Data()))
		require.True(t, bytes.HasSuffix(b, elements.Bytes()))
	}
}

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]*tensor.Dense{
		"x has no value, its graph has been unbound":                    nil,
		"x is of type int, want float32, float64, int64 or uint8":       tensor.New(tensor.WithBacking([]int{1})),
		"x is of type complex64, want float32, float64, int64 or uint8": tensor.New(tensor.WithBacking([]complex64{1})),
	} {
		require.EqualError(t, Write(io.Discard, map[string]*tensor.Dense{"x": d}, nil), want)
	}
}
