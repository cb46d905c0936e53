package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
)

// class is a language, or a dialect of one, and the names of its files.
type class struct {
	name     string
	patterns []string
}

// classes are languages with many files in the source of every Go distribution.
var classes = []class{
	{"Go", []string{"*.go"}},
	{"C", []string{"*.c", "*.h"}},
	{"amd64 assembly", []string{"*_amd64.s"}},
	{"arm64 assembly", []string{"*_arm64.s"}},
	{"riscv64 assembly", []string{"*_riscv64.s"}},
	{"s390x assembly", []string{"*_s390x.s"}},
}

const (
	snippetBytes = 256
	minFiles     = 20 // fewer files do not represent a class
	maxFiles     = 80
	byteValues   = 256 // features: the count of each value of a byte in the snippet
)

// file is a file from which snippets are cut.
type file struct {
	path string
	text []byte
}

// data has the files of each class, a quarter of them for testing. No file is used for both
// training and testing.
type data struct {
	train, test [][]file // by class
}

// readData reads the source folder of a Go distribution. The result depends only on the
// distribution.
func readData(src fs.FS) (*data, error) {
	paths, err := find(src)
	if err != nil {
		return nil, err
	}
	d := &data{}
	for i, c := range classes {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		rng.Shuffle(len(paths[i]), func(a, b int) { paths[i][a], paths[i][b] = paths[i][b], paths[i][a] })
		var files []file
		for _, p := range paths[i][:min(maxFiles, len(paths[i]))] {
			text, err := fs.ReadFile(src, p)
			if err != nil {
				return nil, err
			}
			files = append(files, file{p, text})
		}
		if len(files) < minFiles {
			return nil, fmt.Errorf("it has %d files of %s (%s) of %d bytes or more, want %d: "+
				"some packages of Go leave out parts of its source; "+
				"unpack a distribution from https://go.dev/dl and give its folder as -src go/src",
				len(files), c.name, strings.Join(c.patterns, ", "), snippetBytes, minFiles)
		}
		d.test = append(d.test, files[:len(files)/4])
		d.train = append(d.train, files[len(files)/4:])
	}
	return d, nil
}

// find returns the paths of the files of each class that are long enough. It skips test
// data, which some distributions lack, and vendored files.
func find(src fs.FS) ([][]string, error) {
	paths := make([][]string, len(classes))
	err := fs.WalkDir(src, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if d.Name() == "testdata" || d.Name() == "vendor" {
				return fs.SkipDir
			}
			return nil
		}
		for i, c := range classes {
			for _, pattern := range c.patterns {
				if ok, _ := path.Match(pattern, d.Name()); !ok {
					continue
				}
				info, err := d.Info()
				if err != nil {
					return err
				}
				if info.Size() >= snippetBytes {
					paths[i] = append(paths[i], p)
				}
			}
		}
		return nil
	})
	return paths, err
}

// draw cuts a random snippet for each row. It writes the counts of its bytes to x, of shape
// (rows, 256), and its class to y. All classes are equally likely, and so are all files of a
// class and all places in a file.
func draw(rng *rand.Rand, files [][]file, x []float32, y []int) {
	clear(x)
	for row := range y {
		y[row] = rng.IntN(len(files))
		text := files[y[row]][rng.IntN(len(files[y[row]]))].text
		from := rng.IntN(len(text) - snippetBytes + 1)
		for _, b := range text[from : from+snippetBytes] {
			x[row*byteValues+int(b)]++
		}
	}
}
