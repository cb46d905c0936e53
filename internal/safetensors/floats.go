package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	format "github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// blockBytes is the number of bytes that are read at a time.
const blockBytes = 1 << 16

// Holds reports whether T represents every number of a file's type exactly.
func Holds[T op.Float](d format.DType) bool { return decoder[T](d) != nil }

// Read calls visit with a tensor's numbers, block by block, where at is the index of the block's
// first number. A block is valid until the next call. T must hold the tensor's type.
func Read[T op.Float](f *File, name string, visit func(at int, block []T) error) error {
	t, ok := f.Tensors[name]
	if !ok {
		return fmt.Errorf("there is no tensor %s", name)
	}
	decode := decoder[T](t.DType)
	if decode == nil {
		return fmt.Errorf("%s is of type %v", name, t.DType)
	}
	buffer, size := make([]byte, min(blockBytes, t.size)), int(t.DType.Size())
	block := make([]T, len(buffer)/size)
	for at := int64(0); at < t.size; at += blockBytes {
		raw := buffer[:min(blockBytes, t.size-at)]
		if err := t.read(raw, at); err != nil {
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

// Fill copies a tensor of the file to d, which must have the same number of elements and be in
// row-major order. It reads float32 and float64 like Read, and an int64 like Int64.
func Fill(f *File, name string, d *tensor.Dense) error {
	switch d.Dtype() {
	case tensor.Float32:
		return fill(f, name, d.Float32s())
	case tensor.Float64:
		return fill(f, name, d.Float64s())
	default:
		n, err := f.Int64(name)
		d.Int64s()[0] = n
		return err
	}
}

func fill[T op.Float](f *File, name string, into []T) error {
	return Read(f, name, func(at int, block []T) error {
		copy(into[at:], block)
		return nil
	})
}

// Equal reports whether two tensors have the same shape and numbers. Types and the signs of zeros may
// differ.
func (f *File) Equal(a, b string) (bool, error) {
	x, y := f.Tensors[a], f.Tensors[b]
	decodeX, decodeY := decoder[float64](x.DType), decoder[float64](y.DType)
	if decodeX == nil || decodeY == nil || !slices.Equal(x.Shape, y.Shape) {
		return false, nil
	}
	const most = blockBytes / 8
	var p, q [blockBytes]byte
	var v, w [most]float64
	for at := 0; at < x.Len(); at += most {
		n := min(most, x.Len()-at)
		sizeX, sizeY := int(x.DType.Size()), int(y.DType.Size())
		rawX, rawY := p[:n*sizeX], q[:n*sizeY]
		err := errors.Join(x.read(rawX, int64(at)*int64(sizeX)), y.read(rawY, int64(at)*int64(sizeY)))
		if err != nil {
			return false, err
		}
		if x.DType == y.DType && bytes.Equal(rawX, rawY) {
			continue
		}
		decodeX(v[:n], rawX)
		decodeY(w[:n], rawY)
		for i := range n {
			if v[i] != w[i] && !(math.IsNaN(v[i]) && math.IsNaN(w[i])) {
				return false, nil
			}
		}
	}
	return true, nil
}

// Int64 reads a tensor of one int64.
func (f *File) Int64(name string) (int64, error) {
	var b [8]byte
	t := f.Tensors[name]
	if t.DType != format.I64 || t.Len() != 1 {
		return 0, fmt.Errorf("%s is not a single int64", name)
	}
	err := t.read(b[:], 0)
	return int64(binary.LittleEndian.Uint64(b[:])), err
}

// Bytes reads a tensor of bytes.
func (f *File) Bytes(name string) ([]byte, error) {
	t, ok := f.Tensors[name]
	if !ok || t.DType != format.U8 {
		return nil, fmt.Errorf("there is no tensor %s of bytes", name)
	}
	b := make([]byte, t.size) // the file has them, as addTensors has checked
	return b, t.read(b, 0)
}

// decoder returns the function that converts a type's bytes to numbers, or nil if T does not hold the
// type.
func decoder[T op.Float](d format.DType) func(x []T, b []byte) {
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

// half converts an IEEE 754 binary16: a sign, 5 bits of exponent with a bias of 15, and 10 bits of
// fraction.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch exponent {
	case 0: // fraction·2⁻²⁴, which float32 represents exactly
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 31: // infinity and NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
