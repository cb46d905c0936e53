package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"gorgonorm/internal/text"
)

// IndexSuffix is the suffix of the name of an index: a JSON object whose weight_map maps each tensor
// of a model to a file in the same directory.
const IndexSuffix = ".safetensors.index.json"

// Paths returns the paths of the files that Open reads: the path itself and, if it is that of an
// index, the files that the index names.
func Paths(path string) ([]string, error) {
	if !strings.HasSuffix(path, IndexSuffix) {
		return []string{path}, nil
	}
	parts, err := readIndex(path)
	if err != nil {
		return nil, err
	}
	paths := []string{path}
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		paths = append(paths, filepath.Join(filepath.Dir(path), part))
	}
	return paths, nil
}

// index is the JSON of an index. Its metadata, the total size, is not needed.
type index struct {
	WeightMap map[string]string `json:"weight_map"` // file of each tensor
}

// readIndex returns the names of the tensors in each part.
func readIndex(path string) (parts map[string][]string, err error) {
	file, err := text.ReadFile(path, maxHeader)
	if err != nil {
		return nil, err
	}
	var x index
	if file, err = text.JSON(file); err == nil {
		err = json.Unmarshal(file, &x)
	}
	if err != nil {
		return nil, indexError(path, err.Error())
	}
	if len(x.WeightMap) == 0 {
		return nil, indexError(path, "its weight_map is missing or empty")
	}
	parts = make(map[string][]string)
	for name, part := range x.WeightMap {
		parts[part] = append(parts[part], name)
	}
	var faults []string
	for part, names := range parts {
		slices.Sort(names)
		if !filepath.IsLocal(part) || strings.ContainsAny(part, `/\`) || strings.ContainsFunc(part, unprintable) {
			faults = append(faults, fmt.Sprintf("%q is not the name of a file in its directory", part))
		}
	}
	if len(faults) > 0 {
		slices.Sort(faults)
		return nil, indexError(path, faults...)
	}
	return parts, nil
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// openIndex opens the parts that an index names as one file, or returns an error that lists all
// faults.
func openIndex(path string) (*File, error) {
	parts, err := readIndex(path)
	if err != nil {
		return nil, err
	}
	all := &File{Tensors: make(map[string]Tensor), Metadata: make(map[string]string)}
	var faults []string
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		f, err := openFile(filepath.Join(filepath.Dir(path), part))
		if err != nil {
			faults = append(faults, err.Error())
			continue
		}
		for _, name := range parts[part] {
			if _, ok := f.Tensors[name]; !ok {
				faults = append(faults, fmt.Sprintf("%q is not in %s", name, part))
			}
		}
		faults = append(faults, all.add(f)...)
	}
	if len(faults) > 0 {
		return nil, errors.Join(indexError(path, faults...), all.Close())
	}
	return all, nil
}

// add adds the tensors and metadata of another file. Its faults are the tensors that f has already.
func (f *File) add(other *File) (faults []string) {
	f.files = append(f.files, other.files...)
	for _, name := range slices.Sorted(maps.Keys(other.Tensors)) {
		t := other.Tensors[name]
		if first, ok := f.Tensors[name]; ok {
			a, b := filepath.Base(first.file.Name()), filepath.Base(t.file.Name())
			faults = append(faults, fmt.Sprintf("%q is in %s and in %s", name, a, b))
		}
		f.Tensors[name] = t
	}
	for key, value := range other.Metadata {
		if first, ok := f.Metadata[key]; ok && first != value {
			value = first + ", " + value
		}
		f.Metadata[key] = value
	}
	return faults
}

// indexError returns an error that lists the faults of an index, at most 100 of them.
func indexError(path string, faults ...string) error {
	const most = 100
	if n := len(faults); n > most {
		faults = append(faults[:most:most], fmt.Sprintf("and so on, %d in all", n))
	}
	return fmt.Errorf("the index %s: %s", path, strings.Join(faults, "; "))
}
