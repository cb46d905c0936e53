// Package safetensors reads files of the format of that name
// (github.com/huggingface/safetensors), a block of numbers at a time. A header is
// not trusted: what it says is checked before anything is read by it.
package safetensors

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	format "github.com/nlpodyssey/safetensors"
)

// File is an open file.
type File struct {
	Tensors  map[string]Tensor
	Metadata map[string]string // its writer's remarks
	file     *os.File
}

// Tensor is what a header says of a tensor: row-major elements in little-endian
// order.
type Tensor struct {
	DType format.DType
	Shape []int
	at    int64 // of its first byte in the file
	size  int64 // in bytes
}

// Len is the number of elements.
func (t Tensor) Len() int { return int(t.size / int64(t.DType.Size())) }

// maxHeader is the format's own limit.
const maxHeader = 100_000_000

// Open opens a file and reads its header.
func Open(path string) (*File, error) {
	// Before it is opened: that waits for a writer where the file is a pipe.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no safetensors file: it is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{file: file, Tensors: make(map[string]Tensor)}
	if err := f.readHeader(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is no safetensors file: %w", path, err), file.Close())
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// readHeader reads the length of the header, and the header.
func (f *File) readHeader() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	var length [8]byte
	if _, err := f.file.ReadAt(length[:], 0); err != nil {
		return fmt.Errorf("it has %d bytes, and the length of a header takes 8", info.Size())
	}
	n := binary.LittleEndian.Uint64(length[:])
	if rest := info.Size() - 8; n > maxHeader || int64(n) > rest {
		return fmt.Errorf("its header would have %d bytes, of %d in the file, and %d at the most", n, rest, maxHeader)
	}
	text := make([]byte, n)
	if _, err := f.file.ReadAt(text, 8); err != nil {
		return fmt.Errorf("reading its header: %w", err)
	}
	var header format.Metadata
	if err := json.Unmarshal(text, &header); err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	f.Metadata = header.Metadata()
	return f.place(header.Tensors(), 8+int64(n), info.Size())
}

// place takes over the tensors, which have to fill the file from the end of its
// header to its own without gaps or overlaps.
func (f *File) place(all map[string]*format.TensorInfo, from, size int64) error {
	data := uint64(size - from)
	names := make([]string, 0, len(all))
	for name, info := range all {
		names = append(names, name)
		begin, end := info.DataOffsets[0], info.DataOffsets[1]
		if begin > end || end > data {
			return fmt.Errorf("%s is at bytes %d to %d of %d", name, begin, end, data)
		}
		shape, bytes := make([]int, len(info.Shape)), info.DType.Size()
		for i, n := range info.Shape {
			if n > math.MaxInt || n > 0 && bytes > data/n {
				return fmt.Errorf("%s has the shape %v, and the file %d bytes for all tensors", name, info.Shape, data)
			}
			shape[i] = int(n)
			bytes *= n
		}
		if bytes != end-begin {
			return fmt.Errorf("%s of shape %v and type %v has %d bytes, want %d", name, info.Shape, info.DType, end-begin, bytes)
		}
		f.Tensors[name] = Tensor{DType: info.DType, Shape: shape, at: from + int64(begin), size: int64(bytes)}
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := f.Tensors[a], f.Tensors[b]
		return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.size, y.size))
	})
	for _, name := range names {
		t := f.Tensors[name]
		if t.at != from {
			return fmt.Errorf("%s begins at byte %d of the file, want %d, where the one before it ends", name, t.at, from)
		}
		from += t.size
	}
	if from != size {
		return fmt.Errorf("%d bytes follow the last tensor", size-from)
	}
	return nil
}

func (f *File) read(b []byte, at int64) error {
	if _, err := f.file.ReadAt(b, at); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // the file has become shorter
		}
		return fmt.Errorf("reading %s: %w", f.file.Name(), err)
	}
	return nil
}
