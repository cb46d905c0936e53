package transformer

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	format "github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"
)

// What a file's metadata tell, the number of heads under nanoGPT's name for it.
const (
	headsKey     = "n_head"
	normKey      = "norm"
	placementKey = "placement"
)

// config is what names, shapes and metadata tell of the model, on top of what is
// given, and what is wrong with them. Sizes of which nothing tells, for the tensors
// that would are missing, are 1.
func (w *weights) config(given Config) (c Config, faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	size := func(what string, field *int, found int) {
		if *field != 0 && found != 0 && *field != found {
			fault("%s: it has %d, want %d", what, found, *field)
		}
		*field = cmp.Or(*field, found)
	}
	flag := func(what string, field *bool, found bool) {
		if *field && !found {
			fault("it has no %s", what)
		}
		*field = found
	}
	c = given
	size("vocabulary", &c.Vocab, w.dim(wteWeight, 0))
	size("context", &c.Context, w.dim(wpeWeight, 0))
	size("channels", &c.Channels, cmp.Or(w.dim(wteWeight, 1), w.dim(wpeWeight, 1)))
	size("layers", &c.Layers, w.layers())
	flag("biases", &c.Bias, w.has("transformer.h.0.attn.c_attn.bias"))
	flag("norms of queries and keys", &c.QKNorm, w.has("transformer.h.0.attn.q_norm.weight"))

	heads, err := w.heads(c)
	if err != nil {
		fault("%v", err)
	}
	size("heads", &c.Heads, heads)
	if c.Heads == 0 && err == nil {
		fault("its names and shapes leave open how many heads attention has: give Config.Heads")
	}
	norm, err := w.norm(c.Bias)
	if err != nil {
		fault("its metadata: %s", strings.TrimPrefix(err.Error(), "transformer: "))
	}
	if c.Norm.New == nil {
		c.Norm = norm
	}
	c.Placement = cmp.Or(c.Placement, Placement(w.Metadata[placementKey]), w.placement())
	says := func(key, want string) {
		if got, ok := w.Metadata[key]; ok && err == nil && got != want {
			fault("its metadata have the %s %q, want %q", key, got, want)
		}
	}
	says(normKey, c.Norm.Name)
	says(placementKey, string(c.Placement))
	if t, _ := w.of(wteWeight); c.Dtype.Type == nil && t.DType == format.F64 {
		c.Dtype = tensor.Float64
	}
	for _, field := range []*int{&c.Vocab, &c.Context, &c.Layers, &c.Heads} {
		*field = cmp.Or(*field, 1)
	}
	return c, faults
}

// room refuses a model that is far larger than the file, before memory is taken for
// it.
func (w *weights) room(c Config) error {
	if c.Channels == 0 {
		return fmt.Errorf("it holds no transformer by nanoGPT's names or GPT-2's: neither %s nor %s is a matrix in it", wteWeight, wpeWeight)
	}
	numbers := 0
	for name := range w.names {
		t, _ := w.of(name)
		numbers += t.Len()
	}
	if want := c.parameters(); want > 2*float64(numbers)+1e6 {
		return fmt.Errorf("it holds %d numbers, and by its names and shapes the model has %.0f", numbers, want)
	}
	return nil
}

func (w *weights) has(name string) bool {
	_, ok := w.names[name]
	return ok
}

// dim is the size of a matrix along an axis, 0 where there is no matrix.
func (w *weights) dim(name string, axis int) int {
	if t, _ := w.of(name); len(t.Shape) == 2 {
		return t.Shape[axis]
	}
	return 0
}

// layers is one more than the largest number of a block.
func (w *weights) layers() (n int) {
	for name := range w.names {
		rest, ok := strings.CutPrefix(name, "transformer.h.")
		number, _, dot := strings.Cut(rest, ".")
		if i, err := strconv.Atoi(number); ok && dot && err == nil {
			n = max(n, i+1)
		}
	}
	return n
}

// heads is as the metadata or the norms of queries and keys say, or 0.
func (w *weights) heads(c Config) (int, error) {
	if text, ok := w.Metadata[headsKey]; ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return 0, fmt.Errorf("its metadata have %s %q, want a number from 1", headsKey, text)
		}
		return n, nil
	}
	if t, ok := w.of("transformer.h.0.attn.q_norm.weight"); ok && len(t.Shape) == 1 && t.Shape[0] > 0 {
		return c.Channels / t.Shape[0], nil
	}
	return 0, nil
}

// norm is the kind in the metadata, or the one that the first block's norm can be
// by what belongs to it.
func (w *weights) norm(bias bool) (n Norm, err error) {
	if name, ok := w.Metadata[normKey]; ok {
		if n, err = NormByName(name); err == nil {
			return n, nil
		}
	}
	const of = "transformer.h.0.ln_1."
	name := "layer"
	switch {
	case w.has(of + "running_mean"):
		name = "batch"
	case w.has(of + "shift"):
		name = "derf"
	case w.has(of + "alpha"):
		name = "dyt"
	case bias && w.has(of+"weight") && !w.has(of+"bias"): // which a LayerNorm would have, too
		name = "rms"
	case !w.anyNorm():
		name = "none"
	}
	n, _ = NormByName(name)
	return n, err
}

// anyNorm says whether there is a norm among the tensors, for one is enough to
// miss others.
func (w *weights) anyNorm() bool {
	for name := range w.names {
		if strings.Contains(name, ".ln_") {
			return true
		}
	}
	return false
}

// placement is where norms stand by the names of those that there are. That the last
// one is missing makes no post-norm model of a file: it would hide a fault.
func (w *weights) placement() Placement {
	if w.has("transformer.h.0.ln_1_post.weight") {
		return Peri
	}
	return Pre
}
