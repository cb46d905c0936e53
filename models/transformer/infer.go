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

// ReadConfig returns what a safetensors file, or the index of several, tells of its model
// by names, shapes and metadata. Load says what these can be. A size that the file does
// not reveal is 0.
func ReadConfig(path string) (Config, error) {
	w, err := openWeights(path)
	if err != nil {
		return Config{}, err
	}
	defer w.Close()
	c, faults := w.tells()
	if err := w.room(c); err != nil {
		faults = append(faults, err.Error())
	}
	if len(faults) > 0 {
		return Config{}, w.errorf(faults)
	}
	return c, nil
}

// tells is what the file tells, and what is wrong with that.
func (w *weights) tells() (c Config, faults []string) {
	c = Config{
		Vocab:    w.dim(wteWeight, 0),
		Context:  w.dim(wpeWeight, 0),
		Layers:   w.layers(),
		Channels: cmp.Or(w.dim(wteWeight, 1), w.dim(wpeWeight, 1)),
		Bias:     w.some(".c_", ".bias"),
		QKNorm:   w.some(".attn.", "_norm.weight"),
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
	if t, _ := w.of(wteWeight); t.DType == format.F64 {
		c.Dtype = tensor.Float64
	}
	return c, faults
}

// config is what is given and, for the rest, what the file tells. Sizes of which
// nothing tells, for the tensors that would are missing, are 1.
func (w *weights) config(given Config) (c Config, faults []string) {
	found, faults := w.tells()
	wrong := len(faults) > 0
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	size := func(what string, given, found int) int {
		if given != 0 && found != 0 && given != found {
			fault("%s: it has %d, want %d", what, found, given)
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
			fault("its names and shapes leave open how many heads attention has: give Config.Heads")
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
	says := func(key, want string) {
		if got, ok := w.notes[key]; ok && !wrong && got != want {
			fault("its metadata have the %s %q, want %q", key, got, want)
		}
	}
	says(normKey, c.Norm.Name)
	says(placementKey, string(c.Placement))
	says(geluKey, string(c.GELU))
	return c, faults
}

// room refuses a model that is far larger than the file, before time and memory are
// taken for it.
func (w *weights) room(c Config) error {
	if c.Channels == 0 {
		return fmt.Errorf("it holds no transformer by nanoGPT's names or GPT-2's: neither %s nor %s is a matrix in it (it has %s)",
			wteWeight, wpeWeight, cmp.Or(w.list(), "no tensors"))
	}
	numbers := 0.0
	for name := range w.names {
		t, _ := w.of(name)
		numbers += float64(t.Len())
	}
	if want := c.parameters(); want > 2*numbers+1e6 {
		return fmt.Errorf("it holds %.0f numbers, and by its names and shapes the model has %.0f", numbers, want)
	}
	if c.Layers > len(w.names) {
		return fmt.Errorf("it holds %d tensors, too few for a model of %d blocks", len(w.names), c.Layers)
	}
	return nil
}

// some says whether a tensor's name holds the one and ends in the other: of a kind that
// a model has one is enough to miss the others.
func (w *weights) some(part, end string) bool {
	for name := range w.names {
		if strings.Contains(name, part) && strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// dim is the size of a matrix along an axis, 0 where there is no matrix.
func (w *weights) dim(name string, axis int) int {
	if t, _ := w.of(name); len(t.Shape) == 2 {
		return t.Shape[axis]
	}
	return 0
}

var ownBlock = regexp.MustCompile(`^transformer\.h\.(0|[1-9]\d{0,8})\.`)

// layers is one more than the largest number of a block.
func (w *weights) layers() (n int) {
	for name := range w.names {
		if at := ownBlock.FindStringSubmatch(name); at != nil {
			i, _ := strconv.Atoi(at[1]) // of digits
			n = max(n, i+1)
		}
	}
	return n
}

// heads is as the metadata say or the size of the norms of queries and keys, or 0.
func (w *weights) heads(channels int) (int, error) {
	if _, ok := w.notes[headsKey]; ok {
		return w.notes.heads()
	}
	for _, name := range slices.Sorted(maps.Keys(w.names)) {
		t, _ := w.of(name)
		if strings.HasSuffix(name, ".attn.q_norm.weight") && len(t.Shape) == 1 && t.Shape[0] > 0 {
			return channels / t.Shape[0], nil
		}
	}
	return 0, nil
}

// norm returns the kind that the metadata name, or the one that has such tensors.
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
		if n.mark != nil && n.mark(w) {
			return n
		}
	}
	for _, n := range Norms {
		if n.lack != nil && n.lack(w, bias) {
			return n
		}
	}
	n, _ := NormByName("layer")
	return n
}

// placement is where norms stand by the names of those that there are. That the last
// one is missing makes no post-norm model of a file: it would hide a fault.
func (w *weights) placement() Placement {
	if w.some(normEntry, "_post.weight") {
		return Peri
	}
	return Pre
}

// gelu is the form that whoever made the file has: nanoGPT torch.nn.GELU(), GPT-2, by
// the way it holds weights, the other.
func (w *weights) gelu() GELU {
	if w.conv1D {
		return Tanh
	}
	return Exact
}
