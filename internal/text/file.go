package text

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Limits of files that are read as a whole, far above the size of real ones. A file may say that it is
// larger than the memory without taking any of the disk.
const (
	MaxJSON = 256 << 20
	MaxText = 1 << 30
)

// Open opens a regular file of at most this many bytes. Other files, such as pipes and devices, can
// block or have no end.
func Open(path string, most int64) (*os.File, error) {
	info, err := os.Stat(path) // opening a pipe waits for a writer
	if failed := new(fs.PathError); errors.As(err, &failed) {
		failed.Op = "open"
	}
	if err != nil {
		return nil, err
	}
	if kind := kindOf(info.Mode()); kind != "" {
		return nil, fmt.Errorf("%s is %s, want a regular file", path, kind)
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%s has %d bytes, want at most %d", path, info.Size(), most)
	}
	return os.Open(path)
}

// kindOf describes files that are not regular.
func kindOf(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return ""
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a special file"
}

// ReadFile returns the contents of a regular file of at most this many bytes.
func ReadFile(path string, most int64) ([]byte, error) {
	f, err := Open(path, most)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1)) // it may have grown
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return b, err
}
