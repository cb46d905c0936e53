package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	format "github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"

	"gorgonorm/internal/op"
)

// written writes bytes to a file and returns its path.
func written(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, os.WriteFile(path, b, 0o666))
	return path
}

// file returns a file with a header and zeroed data.
func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func TestHeadersAreNotTrusted(t *testing.T) {
	tensor := func(dtype, shape string, from, to uint64) string {
		return fmt.Sprintf(`{"dtype":%q,"shape":[%s],"data_offsets":[%d,%d]}`, dtype, shape, from, to)
	}
	one := func(dtype, shape string, from, to uint64, data int) []byte {
		return file(`{"x":`+tensor(dtype, shape, from, to)+`}`, data)
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":       {nil, "it has 0 bytes, want at least 8 for the length of the header"},
		"seven bytes": {[]byte("1234567"), "it has 7 bytes, want at least 8 for the length of the header"},
		"a text": {[]byte("a text, not a file of weights"),
			"its header should have 2318355968635969633 bytes, but the file has 21 (the limit is 100000000)"},
		"longer than the file": {append(file("{}", 0), 0)[:9],
			"its header should have 2 bytes, but the file has 1 (the limit is 100000000)"},
		"no JSON": {file("{", 0), "its header: unexpected end of JSON input"},
		"no object": {file("[]", 0),
			"its header: failed to unmarshal Metadata: json: cannot unmarshal array into Go value of type " +
				"map[string]map[string]interface {}"},
		"unknown type": {one("F8_E4M3", "1", 0, 1, 1),
			`its header: failed to JSON-decode tensor "x": invalid DType string value "F8_E4M3"`},
		"negative size": {one("F32", "-1", 0, 4, 4),
			`its header: failed to JSON-decode tensor "x": invalid "shape" value: expected array of natural numbers, ` +
				`actual []interface {}{"-1"}: strconv.ParseUint: parsing "-1": invalid syntax`},
		"beyond the file": {one("F32", "2", 0, 8, 4), "x is at bytes 0 to 8 of 4"},
		"backwards":       {one("F32", "1", 4, 0, 4), "x is at bytes 4 to 0 of 4"},
		"size that wraps": {file(`{"x":`+tensor("F32", "4611686018427387904", 0, 0)+`,"y":`+
			tensor("U8", "4", 0, 4)+`}`, 4),
			"x has shape [4611686018427387904], but the file has only 4 bytes of tensors"},
		"product that wraps": {one("U8", "4294967296,4294967296", 0, 0, 4),
			"x has shape [4294967296 4294967296], but the file has only 4 bytes of tensors"},
		"size beyond int": {one("U8", "0,18446744073709551615", 0, 0, 0),
			"x has shape [0 18446744073709551615], but the file has only 0 bytes of tensors"},
		"too few bytes": {one("F32", "2", 0, 4, 8), "x of shape [2] and type F32 has 4 bytes, want 8"},
		"gap": {one("F32", "1", 4, 8, 8),
			"x starts at byte 66 of the file, want 62, the end of the data before it"},
		"overlap": {file(`{"a":`+tensor("F32", "2", 0, 8)+`,"b":`+tensor("F32", "1", 4, 8)+`}`, 8),
			"b starts at byte 119 of the file, want 123, the end of the data before it"},
		"rest": {one("F32", "1", 0, 4, 7), "3 bytes follow the last tensor"},
		"name given twice": {file(`{"x":`+tensor("F32", "1", 0, 4)+`,"x":`+tensor("F32", "1", 4, 8)+`}`, 8),
			"x starts at byte 119 of the file, want 115, the end of the data before it"},
		"metadata a number": {file(`{"__metadata__":{"n":1}}`, 0),
			`its header: __metadata__ "n" has value "1": expected string type, actual json.Number`},
	} {
		t.Run(name, func(t *testing.T) {
			path := written(t, c.file)
			f, err := Open(path)
			require.Nil(t, f)
			require.EqualError(t, err, path+" is not a safetensors file: "+c.want)
		})
	}
	_, err := Open(os.TempDir())
	require.EqualError(t, err, os.TempDir()+" is a directory, want a regular file")
	_, err = Open("nowhere")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestNothingPanics opens and reads files that are almost valid.
func TestNothingPanics(t *testing.T) {
	header := `{"__metadata__":{"n":"1"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},` +
		`"b":{"dtype":"F16","shape":[4],"data_offsets":[24,32]}}`
	whole := file(header, 32)
	rng := rand.New(rand.NewPCG(1, 2))
	opened := 0
	for range 1500 {
		b := slices.Clone(whole)
		for range 1 + rng.IntN(3) {
			at := rng.IntN(len(b))
			switch rng.IntN(3) {
			case 0:
				b[at] = byte(rng.Uint32())
			case 1:
				b = slices.Delete(b, at, at+1)
			case 2:
				b = slices.Insert(b, at, `0123456789[]{}",:`[rng.IntN(17)])
			}
		}
		if rng.IntN(2) == 0 && len(b) > 48 { // correct the header's length
			binary.LittleEndian.PutUint64(b, uint64(len(b)-8-32))
		}
		f, err := Open(written(t, b))
		if err != nil {
			continue
		}
		opened++
		for name, tensor := range f.Tensors {
			if Holds[float32](tensor.DType) {
				n := 0
				require.NoError(t, Read(f, name, func(_ int, block []float32) error { n += len(block); return nil }))
				require.Equal(t, tensor.Len(), n)
			}
		}
		require.NoError(t, f.Close())
	}
	require.Greater(t, opened, 20)
}

// numbers returns a file with a tensor x, and with a copy y that differs only in the last element.
func numbers(t *testing.T, d format.DType, n int, put func(b []byte, i int)) *File {
	size := int(d.Size())
	b := make([]byte, n*size)
	for i := range n {
		put(b[i*size:], i)
	}
	header := fmt.Sprintf(`{"x":{"dtype":%q,"shape":[%d],"data_offsets":[0,%d]},`+
		`"y":{"dtype":%q,"shape":[%d],"data_offsets":[%d,%d]}}`,
		d, n, len(b), d, n, len(b), 2*len(b))
	other := slices.Clone(b)
	if len(b) > 0 {
		other[len(b)-1] ^= 1
	}
	f, err := Open(written(t, slices.Concat(file(header, 0), b, other)))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func read[T op.Float](t *testing.T, f *File) (all []T) {
	t.Helper()
	require.NoError(t, Read(f, "x", func(at int, block []T) error {
		require.Len(t, all, at)
		all = append(all, block...)
		return nil
	}))
	return all
}

func TestReadVisitsEveryNumber(t *testing.T) {
	value := func(i int) float64 { return float64(i%251-100) / 8 } // exact in bfloat16
	for d, put := range map[format.DType]func([]byte, int){
		format.BF16: func(b []byte, i int) {
			binary.LittleEndian.PutUint16(b, uint16(math.Float32bits(float32(value(i)))>>16))
		},
		format.F32: func(b []byte, i int) { binary.LittleEndian.PutUint32(b, math.Float32bits(float32(value(i)))) },
		format.F64: func(b []byte, i int) { binary.LittleEndian.PutUint64(b, math.Float64bits(value(i))) },
	} {
		block := blockBytes / int(d.Size())
		for _, n := range []int{0, 1, block - 1, block, block + 1, 2*block + 7} {
			t.Run(fmt.Sprintf("%v/%d", d, n), func(t *testing.T) {
				f := numbers(t, d, n, put)
				got := read[float64](t, f)
				require.Len(t, got, n)
				for i, v := range got {
					require.Equal(t, value(i), v)
				}
				if d != format.F64 {
					for i, v := range read[float32](t, f) {
						require.Equal(t, float32(value(i)), v)
					}
				}
				same, err := f.Equal("x", "x")
				require.NoError(t, err)
				require.True(t, same)
				same, err = f.Equal("x", "y")
				require.NoError(t, err)
				require.Equal(t, n == 0, same)
			})
		}
	}
}

// TestHalfIsWidened compares every number of 16 bits with the standard's formula.
func TestHalfIsWidened(t *testing.T) {
	f := numbers(t, format.F16, 1<<16, func(b []byte, i int) { binary.LittleEndian.PutUint16(b, uint16(i)) })
	got := read[float32](t, f)
	for i, v := range got {
		exponent, fraction := i>>10&31, float64(i&1023)/1024
		want := math.Ldexp(1+fraction, exponent-15)
		switch exponent {
		case 0:
			want = math.Ldexp(fraction, -14)
		case 31:
			want = math.Inf(1)
			if fraction != 0 {
				require.True(t, v != v, "%#04x", i)
				continue
			}
		}
		if i>>15 == 1 {
			want = math.Copysign(want, -1)
		}
		require.Equal(t, math.Float32bits(float32(want)), math.Float32bits(v), "%#04x", i)
	}
}

// TestEqualComparesNumbersAndShape of all types, to the last element.
func TestEqualComparesNumbersAndShape(t *testing.T) {
	const n = 3*blockBytes/4 + 5
	value := func(i int) float64 { return float64(i%251-100) / 8 } // exact in all types
	put := map[format.DType]func(v float64) []byte{
		format.F16: func(v float64) []byte { // the values are 0 or normal
			if v == 0 {
				return []byte{0, byte(math.Float64bits(v) >> 56)}
			}
			fraction, exponent := math.Frexp(math.Abs(v))
			h := uint16((exponent+14)<<10) | uint16(fraction*2048)&1023
			if v < 0 {
				h |= 1 << 15
			}
			return binary.LittleEndian.AppendUint16(nil, h)
		},
		format.BF16: func(v float64) []byte {
			return binary.LittleEndian.AppendUint16(nil, uint16(math.Float32bits(float32(v))>>16))
		},
		format.F32: func(v float64) []byte {
			return binary.LittleEndian.AppendUint32(nil,
				math.Float32bits(float32(v)))
		},
		format.F64: func(v float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)) },
	}
	equal := func(x, y format.DType, shape string, last float64) bool {
		var data []byte
		for i := range n {
			data = append(data, put[x](value(i))...)
		}
		middle := len(data)
		for i := range n - 1 {
			v := value(i)
			if v == 0 {
				v = math.Copysign(0, -1)
			}
			data = append(data, put[y](v)...)
		}
		data = append(data, put[y](last)...)
		header := fmt.Sprintf(`{"x":{"dtype":%q,"shape":[%d],"data_offsets":[0,%d]},`+
			`"y":{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}}`, x, n, middle, y, shape, middle, len(data))
		f, err := Open(written(t, append(file(header, 0), data...)))
		require.NoError(t, err)
		defer f.Close()
		one, err := f.Equal("x", "y")
		require.NoError(t, err)
		other, err := f.Equal("y", "x")
		require.NoError(t, err)
		require.Equal(t, one, other)
		return one
	}
	line, matrix := fmt.Sprintf("[%d]", n), fmt.Sprintf("[%d,1]", n)
	for x := range put {
		for y := range put {
			require.True(t, equal(x, y, line, value(n-1)), "%v %v", x, y)
			require.False(t, equal(x, y, line, value(n)), "%v %v", x, y)
			require.False(t, equal(x, y, matrix, value(n-1)), "%v %v", x, y)
		}
	}

	tensor := `{"dtype":%q,"shape":[2],"data_offsets":[%d,%d]}`
	nan := math.Float32bits(float32(math.NaN()))
	f, err := Open(written(t,
		slices.Concat(file(fmt.Sprintf(`{"x":`+tensor+`,"same":`+tensor+`,"other":`+tensor+`,"whole":`+tensor+`}`,
			"F32", 0, 8, "F32", 8, 16, "F32", 16, 24, "I32", 24, 32), 0),
			binary.LittleEndian.AppendUint64(nil, uint64(nan)), binary.LittleEndian.AppendUint64(nil,
				uint64(nan)), make([]byte, 16))))
	require.NoError(t, err)
	defer f.Close()
	for name, want := range map[string]bool{"same": true, "other": false, "whole": false} {
		got, err := f.Equal("x", name)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
		got, err = f.Equal(name, "x")
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
}

func TestReadErrors(t *testing.T) {
	f := numbers(t, format.F64, 3, func(b []byte, i int) {})
	ignore := func(int, []float32) error { return nil }
	require.EqualError(t, Read(f, "x", ignore), "x is of type F64")
	require.EqualError(t, Read(f, "z", ignore), "there is no tensor z")
	_, err := f.Int64("x")
	require.EqualError(t, err, "x is not a single int64")
	_, err = f.Int64("z")
	require.EqualError(t, err, "z is not a single int64")
	_, err = numbers(t, format.I64, 2, func(b []byte, i int) {}).Int64("x")
	require.EqualError(t, err, "x is not a single int64")

	f = numbers(t, format.F32, 3, func(b []byte, i int) {})
	require.NoError(t, os.Truncate(f.Tensors["x"].file.Name(), f.Tensors["x"].at+4))
	require.ErrorContains(t, Read(f, "x", ignore), "unexpected EOF")
	_, err = f.Equal("x", "y")
	require.ErrorContains(t, err, "unexpected EOF")
}

func TestInt64(t *testing.T) {
	b := append(file(`{"__metadata__":{"a":"b"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}`, 0), 1, 0, 0, 0,
		0, 0, 0, 0x80)
	f, err := Open(written(t, b))
	require.NoError(t, err)
	defer f.Close()
	n, err := f.Int64("n")
	require.NoError(t, err)
	require.Equal(t, int64(math.MinInt64+1), n)
	require.Equal(t, map[string]string{"a": "b"}, f.Metadata)
	require.Empty(t, f.Tensors["n"].Shape)
	require.Equal(t, 1, f.Tensors["n"].Len())
}

// TestManyTensors uses a header that lists the tensors in another order than the data.
func TestManyTensors(t *testing.T) {
	var b strings.Builder
	const n = 20000
	for i := range n {
		fmt.Fprintf(&b, `,"%d":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}`, i*7919%n, i, i+1)
	}
	f, err := Open(written(t, file("{"+b.String()[1:]+"}", n)))
	require.NoError(t, err)
	require.Len(t, f.Tensors, n)
	require.NoError(t, f.Close())
}

// TestMoreElementsThanAnIntCounts uses a sparse file, which needs no space on the disk.
func TestMoreElementsThanAnIntCounts(t *testing.T) {
	if bits.UintSize > 32 {
		t.Skip("an int has 64 bits")
	}
	path := written(t, file(`{"x":{"dtype":"U8","shape":[65536,32768],"data_offsets":[0,2147483648]}}`, 0))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, info.Size()+1<<31))
	_, err = Open(path)
	require.EqualError(t, err,
		path+" is not a safetensors file: x of shape [65536 32768] has more than 2147483647 elements")
}
