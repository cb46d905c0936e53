package transformer

import (
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
	"gorgonorm/layers"
)

// Load builds a model on the graph from a safetensors file that Save or PyTorch wrote. Its names
// are those of nanoGPT's state_dict(), with or without the names of PyTorch's wrappers (module,
// _orig_mod), or those of GPT-2 as published, whose linear layers store transposed weights. If
// path is an index (model.safetensors.index.json), Load reads the parts that it names. Load
// widens float16, bfloat16 and float32 numbers but never narrows: float64 is an error for a
// float32 model. lm_head.weight is optional, and may replace transformer.wte.weight; if both are
// present, they must be equal.
//
// Names and shapes determine the configuration, which has the type float64 if the embedding has.
// The rest comes from the metadata that Save writes, under keys with the prefix "gorgonorm.":
// n_head, the number of heads; norm, because a norm with only a weight can be LayerNorm or
// RMSNorm; placement, because Pre and Scaled have the same tensors; and gelu. Nonzero fields of given
// override all this, and the file must agree with them. The seed has no effect. The defaults are
// LayerNorm, the placement Pre, and nanoGPT's exact GELU, or GPT-2's tanh form if weights are
// transposed. The number of heads has no default: if it is unknown, Load returns an error.
//
// Load reads the file in blocks, twice: first to check it, with one error that lists all faults,
// then to fill the model.
func Load(g *G.ExprGraph, path string, given Config) (*Model, error) {
	if err := op.CheckGraph(g); err != nil {
		return nil, fmt.Errorf("transformer: the graph %w", err)
	}
	w, err := openWeights(path)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	c, faults := w.complete(given)
	if err := w.checkSize(c); err != nil {
		return nil, w.errorf(append(faults, err.Error()))
	}
	m, err := build(G.NewGraph(), c, blank)
	if err != nil {
		return nil, w.errorf(append(faults, strings.TrimPrefix(err.Error(), "transformer: ")))
	}
	if err := m.fill(w, faults); err != nil {
		return nil, err
	}
	return m.On(g, layers.Training)
}

// LoadFile loads the weights of a file, in any format that Load reads, into the model and thereby
// into all its placements. If the file has faults, LoadFile returns one error that lists them all
// and leaves the model unchanged. If the file changes between the two passes over it, the model
// may be loaded in part, and the error says so. No graph of the model may run during the call.
func (m *Model) LoadFile(path string) error {
	if err := m.check(); err != nil {
		return err
	}
	w, err := openWeights(path)
	if err != nil {
		return err
	}
	defer w.Close()
	_, faults := w.complete(Config{
		Heads: m.config.Heads, Norm: m.config.Norm, Placement: m.config.Placement, GELU: m.config.GELU,
	})
	return m.fill(w, faults)
}

// Matching is the result of LoadMatching.
type Matching struct {
	Loaded []string // names of the model's tensors that were loaded, sorted
	Left   Faults   // why the other tensors, of the model or of the file, were not loaded
}

// LoadMatching loads those weights of a file whose names and shapes match the model's, apart from
// the names in except. From a file with a longer context it takes the first positions, as
// nanoGPT's crop_block_size does. If the file has another format or a matching weight is not
// finite, LoadMatching returns an error and leaves the model unchanged.
func (m *Model) LoadMatching(path string, except ...string) (found Matching, err error) {
	if err := m.check(); err != nil {
		return found, err
	}
	w, err := openWeights(path)
	if err != nil {
		return found, err
	}
	defer w.Close()
	w.crop(m.config.Context)
	own := m.tensors()
	for _, name := range except {
		delete(w.names, name)
		delete(own, name)
	}
	found.Loaded, found.Left = w.compare(own)
	faults, err := w.examine(found.Loaded)
	if err != nil {
		return Matching{}, fmt.Errorf("transformer: %w", err)
	}
	if len(faults) > 0 {
		return Matching{}, w.errorf(faults.sentences())
	}
	return found, m.readAll(w, found.Loaded)
}

// fill loads all weights of the file into the model, unless there are faults.
func (m *Model) fill(w *weights, faults []string) error {
	own := m.tensors()
	matched, found := w.compare(own)
	more, err := w.examine(matched)
	if err != nil {
		return fmt.Errorf("transformer: %w", err)
	}
	if faults = append(faults, append(found, more...).sentences()...); len(faults) > 0 {
		return w.errorf(faults)
	}
	return m.readAll(w, matched)
}

// tensors returns the model's own tensors by name, except that BatchNorm's are copies.
func (m *Model) tensors() layers.State {
	all := make(layers.State)
	for _, l := range m.stateful() {
		if n, ok := l.(*layers.BatchNorm); ok {
			for name, d := range n.State() {
				all[n.Name()+"."+name] = d
			}
			continue
		}
		for _, n := range l.Learnables() {
			all[n.Name()], _ = n.Value().(*tensor.Dense)
		}
	}
	return all
}

// readAll reads the model's tensors that have these names.
func (m *Model) readAll(w *weights, names []string) error {
	if err := m.stateful().Rejoin(); err != nil {
		return fmt.Errorf("transformer: %w", err)
	}
	own := m.tensors()
	for _, name := range names {
		if err := w.read(name, own[name]); err != nil {
			return fmt.Errorf("transformer: the model is loaded in part: %w", err)
		}
	}
	for _, l := range m.stateful() {
		n, ok := l.(*layers.BatchNorm)
		if !ok {
			continue
		}
		state := make(layers.State)
		for name := range n.State() {
			if full := n.Name() + "." + name; !w.uncounted(full) {
				state[name] = own[full]
			}
		}
		if err := n.Load(state); err != nil {
			return fmt.Errorf("transformer: %w", err)
		}
	}
	return nil
}
