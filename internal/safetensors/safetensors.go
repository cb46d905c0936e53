// Package safetensors reads and writes files in the safetensors format
// (github.com/huggingface/safetensors). It reads a block of numbers at a time. It does not trust
// headers: it checks a header before it uses it.
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
	"strings"

	format "github.com/nlpodyssey/safetensors"

	"gorgonorm/internal/text"
)

// File is an open file, or all the files that an index names.
type File struct {
	Tensors  map[string]Tensor
	Metadata map[string]string // if parts disagree about a key, the values of all of them
	files    []*os.File
}

// Tensor is a header's description of a tensor, whose elements are row-major and little-endian.
type Tensor struct {
	DType format.DType
	Shape []int
	file  *os.File
	at    int64 // offset of the first byte in the file
	size  int64 // in bytes
}

// Len returns the number of elements.
func (t Tensor) Len() int { return int(t.size / int64(t.DType.Size())) }

// Rows returns the first n rows of a tensor that has more.
func (t Tensor) Rows(n int) Tensor {
	t.size = t.size / int64(t.Shape[0]) * int64(n)
	t.Shape = append([]int{n}, t.Shape[1:]...)
	return t
}

// maxHeader is the format's own limit.
const maxHeader = 100_000_000

// Open opens a file and reads its header. If the path ends in IndexSuffix, it opens the files that the
// index names.
func Open(path string) (*File, error) {
	if strings.HasSuffix(path, IndexSuffix) {
		return openIndex(path)
	}
	return openFile(path)
}

func openFile(path string) (*File, error) {
	file, err := text.Open(path, math.MaxInt64) // it is read in blocks
	if err != nil {
		return nil, err
	}
	f := &File{files: []*os.File{file}, Tensors: make(map[string]Tensor)}
	if err := f.readHeader(file); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is not a safetensors file: %w", path, err), f.Close())
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() (err error) {
	for _, file := range f.files {
		err = errors.Join(err, file.Close())
	}
	return err
}

// readHeader reads the length of the header, and the header.
func (f *File) readHeader(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	var length [8]byte
	if _, err := file.ReadAt(length[:], 0); err != nil {
		return fmt.Errorf("it has %d bytes, want at least 8 for the length of the header", info.Size())
	}
	n := binary.LittleEndian.Uint64(length[:])
	if rest := info.Size() - 8; n > maxHeader || int64(n) > rest {
		return fmt.Errorf("its header should have %d bytes, but the file has %d (the limit is %d)", n, rest, maxHeader)
	}
	text := make([]byte, n)
	if _, err := file.ReadAt(text, 8); err != nil {
		return fmt.Errorf("reading its header: %w", err)
	}
	var header format.Metadata
	if err := json.Unmarshal(text, &header); err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	f.Metadata = header.Metadata()
	return f.addTensors(file, header.Tensors(), 8+int64(n), info.Size())
}

// addTensors adds the tensors, or returns an error unless they fill the file from the end of the
// header to the end of the file without gaps or overlaps.
func (f *File) addTensors(file *os.File, all map[string]*format.TensorInfo, from, size int64) error {
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
				return fmt.Errorf("%s has shape %v, but the file has only %d bytes of tensors", name, info.Shape, data)
			}
			shape[i] = int(n)
			bytes *= n
		}
		if bytes/info.DType.Size() > math.MaxInt { // possible if an int has 32 bits
			return fmt.Errorf("%s of shape %v has more than %d elements", name, info.Shape, math.MaxInt)
		}
		if bytes != end-begin {
			return fmt.Errorf("%s of shape %v and type %v has %d bytes, want %d",
				name, info.Shape, info.DType, end-begin, bytes)
		}
		f.Tensors[name] = Tensor{
			DType: info.DType, Shape: shape, file: file, at: from + int64(begin), size: int64(bytes),
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := f.Tensors[a], f.Tensors[b]
		return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.size, y.size))
	})
	for _, name := range names {
		t := f.Tensors[name]
		if t.at != from {
			return fmt.Errorf("%s starts at byte %d of the file, want %d, the end of the data before it", name, t.at,
				from)
		}
		from += t.size
	}
	if from != size {
		return fmt.Errorf("%d bytes follow the last tensor", size-from)
	}
	return nil
}

// read reads a tensor's bytes, starting at byte from.
func (t Tensor) read(b []byte, from int64) error {
	if _, err := t.file.ReadAt(b, t.at+from); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // the file has been truncated
		}
		return fmt.Errorf("reading %s: %w", t.file.Name(), err)
	}
	return nil
}
