package transformer

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	format "github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"
)

// ReadConfig returns the configuration that the names, shapes and metadata of a safetensors file,
// or of the index of several, reveal. Load documents what these can be. A size that the file
// does not reveal is 0.
func ReadConfig(path string) (Config, error) {
	w, err := openWeights(path)
	if err != nil {
		return Config{}, err
	}
	defer w.Close()
	c, faults := w.infer()
	if err := w.checkSize(c); err != nil {
		faults = append(faults, err.Error())
	}
	if len(faults) > 0 {
		return Config{}, w.errorf(faults)
	}
	return c, nil
}

// infer returns the configuration that the file reveals, and the faults that it found there.
func (w *weights) infer() (c Config, faults []string) {
	c = Config{
		Vocab:    w.dim(wteWeight, 0),
		Context:  w.dim(wpeWeight, 0),
		Layers:   w.layers(),
		Channels: cmp.Or(w.dim(wteWeight, 1), w.dim(wpeWeight, 1)),
		Bias:     w.has(".c_", ".bias"),
		QKNorm:   w.has(".attn.", "_norm.weight"),
	}
	keep := func(err error) {
		if err != nil {
			faults = append(faults, err.Error())
		}
	}
	var err error
	c.Heads, err = w.heads(c.Channels)
	keep(err)
	c.Norm, err = w.norm(c.Bias)
	keep(err)
	placement, err := oneOf(w.notes, placementKey, Placements)
	keep(err)
	c.Placement = cmp.Or(placement, w.placement())
	gelu, err := oneOf(w.notes, geluKey, GELUs)
	keep(err)
	c.GELU = cmp.Or(gelu, w.gelu())
	if t, _ := w.tensor(wteWeight); t.DType == format.F64 {
		c.Dtype = tensor.Float64
	}
	return c, faults
}

// complete fills the zero fields of given with what the file reveals. A size that the file does
// not reveal, because its tensor is missing, becomes 1. The faults include every disagreement
// between given and the file.
func (w *weights) complete(given Config) (c Config, faults []string) {
	found, faults := w.infer()
	wrong := len(faults) > 0
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	size := func(name string, given, found int) int {
		if given != 0 && found != 0 && given != found {
			fault("%s is %d, want %d", name, found, given)
		}
		return cmp.Or(given, found)
	}
	c = given
	c.Vocab = cmp.Or(size("vocabulary", given.Vocab, found.Vocab), 1)
	c.Context = cmp.Or(size("context", given.Context, found.Context), 1)
	c.Channels = size("channels", given.Channels, found.Channels)
	c.Layers = cmp.Or(size("layers", given.Layers, found.Layers), 1)
	c.Heads = size("heads", given.Heads, found.Heads)
	if c.Heads == 0 {
		c.Heads = 1
		if !wrong {
			fault("the file does not reveal the number of heads: set Config.Heads")
		}
	}
	c.Bias, c.QKNorm = given.Bias || found.Bias, given.QKNorm || found.QKNorm
	if c.Norm.New == nil {
		c.Norm = found.Norm
	}
	c.Placement = cmp.Or(given.Placement, found.Placement)
	c.GELU = cmp.Or(given.GELU, found.GELU)
	if c.Dtype.Type == nil {
		c.Dtype = found.Dtype
	}
	checkNote := func(key, want string) {
		if got, ok := w.notes[key]; ok && !wrong && got != want {
			fault("its metadata has %s %q, want %q", key, got, want)
		}
	}
	checkNote(normKey, c.Norm.Name)
	checkNote(placementKey, string(c.Placement))
	checkNote(geluKey, string(c.GELU))
	return c, faults
}

// checkSize returns an error if the model is far larger than the file, so that nobody spends time
// and memory on building it.
func (w *weights) checkSize(c Config) error {
	if c.Channels == 0 {
		return fmt.Errorf("it holds no transformer with nanoGPT's or GPT-2's names: it has no matrix %s or %s (its "+
			"tensors: %s)",
			wteWeight, wpeWeight, cmp.Or(w.list(), "none"))
	}
	numbers := 0.0
	for name := range w.names {
		t, _ := w.tensor(name)
		numbers += float64(t.Len())
	}
	if want := c.parameters(); want > 2*numbers+1e6 {
		return fmt.Errorf("it holds %.0f numbers, but its names and shapes describe a model of %.0f", numbers, want)
	}
	if c.Layers > len(w.names) {
		return fmt.Errorf("it holds %d tensors, too few for a model of %d blocks", len(w.names), c.Layers)
	}
	return nil
}

// has reports whether any tensor's name contains part and ends in suffix. One tensor of a kind is
// enough to conclude that the model has that kind; the others are then reported as missing.
func (w *weights) has(part, suffix string) bool {
	for name := range w.names {
		if strings.Contains(name, part) && strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// dim returns the size of a matrix along an axis, or 0 if there is no such matrix.
func (w *weights) dim(name string, axis int) int {
	if t, _ := w.tensor(name); len(t.Shape) == 2 {
		return t.Shape[axis]
	}
	return 0
}

var ownBlock = regexp.MustCompile(`^transformer\.h\.(0|[1-9]\d{0,8})\.`)

// layers returns the largest number of a block plus 1.
func (w *weights) layers() (n int) {
	for name := range w.names {
		if at := ownBlock.FindStringSubmatch(name); at != nil {
			i, _ := strconv.Atoi(at[1]) // only digits match
			n = max(n, i+1)
		}
	}
	return n
}

// heads returns the number of heads in the metadata, or else the one that follows from the size of
// the norms of queries and keys, or else 0.
func (w *weights) heads(channels int) (int, error) {
	if _, ok := w.notes[headsKey]; ok {
		return w.notes.heads()
	}
	for _, name := range slices.Sorted(maps.Keys(w.names)) {
		t, _ := w.tensor(name)
		if strings.HasSuffix(name, ".attn.q_norm.weight") && len(t.Shape) == 1 && t.Shape[0] > 0 {
			return channels / t.Shape[0], nil
		}
	}
	return 0, nil
}

// norm returns the norm that the metadata names, or else the one that the tensors suggest.
func (w *weights) norm(bias bool) (n Norm, err error) {
	if name, ok := w.notes[normKey]; ok {
		if n, err = NormByName(name); err == nil {
			return n, nil
		}
		err = fmt.Errorf("its metadata: %s", strings.TrimPrefix(err.Error(), "transformer: "))
	}
	return w.normByTensors(bias), err
}

func (w *weights) normByTensors(bias bool) Norm {
	for _, n := range Norms {
		if n.identifiedBy != nil && n.identifiedBy(w) {
			return n
		}
	}
	for _, n := range Norms {
		if n.suggestedBy != nil && n.suggestedBy(w, bias) {
			return n
		}
	}
	n, _ := NormByName("layer")
	return n
}

// placement returns the placement that the names of the norms suggest. It never returns Post or
// Open: a missing last norm is more likely a fault, which they would hide. Nor does it return Scaled,
// whose tensors are those of Pre.
func (w *weights) placement() Placement {
	if w.has(normEntry, "_post.weight") {
		return Peri
	}
	return Pre
}

// gelu returns the form of the activation that the layout of the weights suggests: GPT-2, which
// stores transposed weights, uses the tanh form, and nanoGPT uses torch.nn.GELU().
func (w *weights) gelu() GELU {
	if w.conv1D {
		return Tanh
	}
	return Exact
}
