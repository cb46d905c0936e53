package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"

	format "github.com/nlpodyssey/safetensors"
)

// Float is what numbers are read as.
type Float interface{ float32 | float64 }

// blockBytes is how much is read at a time.
const blockBytes = 1 << 16

// Holds says whether numbers of a file's type are such of T too, every one.
func Holds[T Float](d format.DType) bool { return decoder[T](d) != nil }

// Read gives a tensor's numbers to visit, block after block, each with the place of
// its first. The block is the caller's until the next. T holds the tensor's type.
func Read[T Float](f *File, name string, visit func(at int, block []T) error) error {
	t, ok := f.Tensors[name]
	if !ok {
		return fmt.Errorf("there is no tensor %s", name)
	}
	decode := decoder[T](t.DType)
	if decode == nil {
		return fmt.Errorf("%s is of type %v", name, t.DType)
	}
	buffer, size := make([]byte, blockBytes), int(t.DType.Size())
	block := make([]T, blockBytes/size)
	for at := int64(0); at < t.size; at += blockBytes {
		raw := buffer[:min(blockBytes, t.size-at)]
		if err := f.read(raw, t.at+at); err != nil {
			return err
		}
		numbers := block[:len(raw)/size]
		decode(numbers, raw)
		if err := visit(int(at/int64(size)), numbers); err != nil {
			return err
		}
	}
	return nil
}

// Int64 reads a tensor of one int64.
func (f *File) Int64(name string) (int64, error) {
	var b [8]byte
	if t := f.Tensors[name]; t.DType != format.I64 || t.Len() != 1 {
		return 0, fmt.Errorf("%s is no int64", name)
	}
	err := f.read(b[:], f.Tensors[name].at)
	return int64(binary.LittleEndian.Uint64(b[:])), err
}

// decoder gives the function that turns a type's bytes into numbers, nil where T
// does not hold them.
func decoder[T Float](d format.DType) func(x []T, b []byte) {
	var z T
	_, wide := any(z).(float64)
	switch {
	case d == format.F16:
		return func(x []T, b []byte) {
			for i := range x {
				x[i] = T(half(binary.LittleEndian.Uint16(b[2*i:])))
			}
		}
	case d == format.BF16: // the upper half of a float32
		return func(x []T, b []byte) {
			for i := range x {
				x[i] = T(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16))
			}
		}
	case d == format.F32:
		return func(x []T, b []byte) {
			for i := range x {
				x[i] = T(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
			}
		}
	case d == format.F64 && wide:
		return func(x []T, b []byte) {
			for i := range x {
				x[i] = T(math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])))
			}
		}
	}
	return nil
}

// half widens an IEEE 754 binary16: a sign, 5 bits of exponent with a bias of 15,
// 10 of fraction.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch exponent {
	case 0: // fraction·2⁻²⁴, which float32 has exactly
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 31: // infinity and NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
