package transformer

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	format "github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
	"gorgonorm/internal/safetensors"
	"gorgonorm/layers"
)

// The names of the embeddings' weights and of the head's, which is the same tensor as wteWeight.
const (
	wteWeight  = "transformer.wte.weight"
	wpeWeight  = "transformer.wpe.weight"
	headWeight = "lm_head.weight"
)

// weights holds the tensors of an open file by nanoGPT's names.
type weights struct {
	*safetensors.File
	path       string
	notes      notes             // from the file's metadata
	names      map[string]string // from nanoGPT's names to the file's
	conv1D     bool              // linear layers' weights have the shape (in, out)
	duplicates Faults
}

// wrappers lists the names under which PyTorch's wrapper modules hold the wrapped one: those of
// torch.compile, (Distributed)DataParallel, FSDP and activation checkpointing.
var wrappers = []string{"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

// unwrapped returns a tensor's name without the names of wrappers.
func unwrapped(name string) string {
	parts := strings.Split(name, ".")
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return slices.Contains(wrappers, s) }), ".")
}

// openWeights opens a file with nanoGPT's names, with or without PyTorch's wrappers, or with the
// names of GPT-2 as published. It skips attention masks and the tensors of SaveWith, which are not
// weights.
func openWeights(path string) (*weights, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	w := &weights{File: f, path: path, notes: notesOf(f.Metadata), names: make(map[string]string)}
	for _, name := range slices.Sorted(maps.Keys(f.Tensors)) {
		known := unwrapped(name)
		if strings.HasPrefix(name, ExtraPrefix) {
			continue
		}
		if strings.HasSuffix(known, ".attn.bias") || strings.HasSuffix(known, ".attn.masked_bias") {
			continue
		}
		if known != headWeight && !strings.HasPrefix(known, "transformer.") {
			known = "transformer." + known
		}
		if first, ok := w.names[known]; ok {
			w.duplicates = append(w.duplicates, Fault{name, "duplicates " + plain(first)})
		}
		w.names[known] = name
	}
	if _, ok := w.names[wteWeight]; !ok { // save_model keeps one of two tensors that share memory
		if head, ok := w.names[headWeight]; ok {
			w.names[wteWeight] = head
		}
	}
	for name := range w.names {
		if s := w.shape(name); strings.HasSuffix(name, ".attn.c_attn.weight") && len(s) == 2 && s[1] == 3*s[0] {
			w.conv1D = true
			break
		}
	}
	return w, nil
}

// tensor returns the tensor with nanoGPT's name, and whether the file has it.
func (w *weights) tensor(name string) (t safetensors.Tensor, ok bool) {
	inFile, ok := w.names[name]
	return w.Tensors[inFile], ok
}

// crop drops the positions beyond a context.
func (w *weights) crop(context int) {
	if t, _ := w.tensor(wpeWeight); len(t.Shape) == 2 && t.Shape[0] > context {
		w.Tensors[w.names[wpeWeight]] = t.Rows(context)
	}
}

// uncounted reports whether name is a count of batches that is missing although the file has its
// running statistics, as in files from Keras, Flax and early versions of PyTorch. The count is
// then 0.
func (w *weights) uncounted(name string) bool {
	_, given := w.names[name]
	statistics, _ := strings.CutSuffix(name, "num_batches_tracked")
	_, variance := w.names[statistics+"running_var"]
	return safetensors.IsCount(name) && !given && variance
}

// transposed reports whether the file stores a weight as GPT-2's Conv1D does.
func (w *weights) transposed(name string) bool {
	ends := func(suffix string) bool { return strings.HasSuffix(name, suffix) }
	return w.conv1D && (ends(".c_attn.weight") || ends(".c_fc.weight") || ends(".c_proj.weight"))
}

// shape returns the shape that a tensor of the file has in the model.
func (w *weights) shape(name string) tensor.Shape {
	t, _ := w.tensor(name)
	s := slices.Clone(t.Shape)
	switch {
	case w.transposed(name):
		slices.Reverse(s)
	case len(s) == 0 && safetensors.IsCount(name):
		s = []int{1}
	}
	return s
}

// compare returns the names of the model's tensors that the file has in the same shape and in a
// type that the model's can hold, and the faults of all other tensors on either side.
func (w *weights) compare(own layers.State) (matched []string, faults Faults) {
	faults = slices.Clone(w.duplicates)
	fault := func(name, format string, args ...any) {
		faults = append(faults, Fault{name, fmt.Sprintf(format, args...)})
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		t, ok := w.tensor(name)
		n := len(faults)
		switch d := own[name]; {
		case w.uncounted(name):
			continue
		case !ok:
			fault(name, "is missing")
		case d == nil || d.Dtype().Type == nil:
			fault(name, "has no memory in the model, whose graph has been unbound")
		default:
			if got := w.shape(name); !slices.Equal(got, d.Shape()) {
				fault(w.names[name], "has shape %v, want %v", got, d.Shape())
			}
			switch {
			case holds(d.Dtype(), t.DType):
			case d.Dtype() == tensor.Int64:
				fault(w.names[name], "is of type %v, want %v", t.DType, format.I64)
			default:
				fault(w.names[name], "is of type %v, which %v does not hold", t.DType, d.Dtype())
			}
		}
		if len(faults) == n {
			matched = append(matched, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.names)) {
		if _, ok := own[name]; !ok && name != headWeight {
			fault(w.names[name], "is unexpected")
		}
	}
	return matched, byBlock(faults)
}

func holds(own tensor.Dtype, d format.DType) bool {
	switch own {
	case tensor.Float32:
		return safetensors.Holds[float32](d)
	case tensor.Float64:
		return safetensors.Holds[float64](d)
	default:
		return d == format.I64
	}
}

// examine reads tensors and returns the faults of those whose numbers cannot be a weight's. The
// error is one of reading.
func (w *weights) examine(names []string) (Faults, error) {
	var faults Faults
	for _, name := range names {
		examine := w.examineFloats
		if t, _ := w.tensor(name); t.DType == format.I64 {
			examine = w.examineCount
		}
		found, err := examine(name)
		if err != nil {
			return nil, err
		}
		faults = append(faults, found...)
	}
	if head, ok := w.names[headWeight]; ok && slices.Contains(names, wteWeight) {
		same, err := w.Equal(head, w.names[wteWeight])
		if err != nil {
			return nil, err
		}
		if !same {
			faults = append(faults, Fault{head,
				"differs from " + plain(w.names[wteWeight]) + ", which the model uses as its head"})
		}
	}
	return byBlock(faults), nil
}

func (w *weights) examineCount(name string) (Faults, error) {
	count, err := w.Int64(w.names[name])
	if err != nil || count >= 0 {
		return nil, err
	}
	return Faults{{w.names[name], fmt.Sprintf("is %d, want 0 or more", count)}}, nil
}

func (w *weights) examineFloats(name string) (faults Faults, err error) {
	wrong, negative, first := 0, 0, -1
	err = safetensors.Read(w.File, w.names[name], func(at int, block []float64) error {
		for i, v := range block {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				if wrong == 0 {
					first = at + i
				}
				wrong++
			} else if v < 0 {
				negative++
			}
		}
		return nil
	})
	if wrong > 0 {
		reason := fmt.Sprintf("holds NaN or infinity, %d in all, the first at index %d", wrong, first)
		faults = append(faults, Fault{w.names[name], reason})
	}
	if negative > 0 && strings.HasSuffix(name, ".running_var") {
		faults = append(faults, Fault{w.names[name], fmt.Sprintf("holds %d negative variances", negative)})
	}
	return faults, err
}

// read copies a tensor of the file into one of the model, whatever the order of its memory.
func (w *weights) read(name string, d *tensor.Dense) error {
	switch {
	case !op.InOrder(d):
		c := op.Clone(d)
		err := w.read(name, c)
		op.Copy(d, c)
		return err
	case !w.transposed(name):
		return safetensors.Fill(w.File, w.names[name], d)
	case d.Dtype() == tensor.Float32:
		return readTransposed(w, name, d.Shape(), d.Float32s())
	default:
		return readTransposed(w, name, d.Shape(), d.Float64s())
	}
}

// readTransposed reads a weight that the file stores in the shape (in, out).
func readTransposed[T op.Float](w *weights, name string, shape tensor.Shape, into []T) error {
	out, in := shape[0], shape[1]
	return safetensors.Read(w.File, w.names[name], func(at int, block []T) error {
		for i, v := range block {
			into[(at+i)%out*in+(at+i)/out] = v
		}
		return nil
	})
}

// list returns the names of the file's tensors, those of several blocks merged, and at most 20.
func (w *weights) list() string {
	const most = 20
	var all Faults
	for _, name := range slices.Sorted(maps.Keys(w.Tensors)) {
		all = append(all, Fault{Name: name})
	}
	var names []string
	for _, f := range byBlock(all) {
		if len(names) == most {
			return fmt.Sprintf("%s and so on, %d in all", strings.Join(names, ", "), len(all))
		}
		names = append(names, plain(f.Name))
	}
	return strings.Join(names, ", ")
}

// errorf returns an error that lists the faults of the file.
func (w *weights) errorf(faults []string) error {
	return fmt.Errorf("transformer: cannot load %s: %s", filepath.Clean(w.path), strings.Join(faults, "; "))
}
