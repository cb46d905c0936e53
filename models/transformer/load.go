package transformer

import (
	"errors"
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// Load builds a model on the graph from a safetensors file that Save has written,
// or PyTorch: with the names of nanoGPT's state_dict(), as they are or with those of
// PyTorch's wrappers (module, _orig_mod) among them, or with those of GPT-2 as published,
// whose linear layers have their weights transposed. The path of an index
// (model.safetensors.index.json) loads the parts that it names. Numbers of float16,
// bfloat16 and float32 are widened; none are narrowed, so that float64 is an error for a
// model of float32. lm_head.weight may be there or not, or be there alone, but must have
// the numbers of transformer.wte.weight.
//
// The configuration is read from the names and shapes, and is of float64 if the
// embedding is. What these leave open is as Save has noted it in the file's metadata,
// under keys that begin with gorgonorm.: n_head, the number of heads; norm, for those
// that have only a weight can be LayerNorm or RMSNorm; placement; and gelu. Fields of given that are not zero go
// before all that, but for the seed, which has no effect, and the file must agree with
// them. Where nothing tells, norms are LayerNorm and stand before the branches, and
// GELU is exact, as nanoGPT has it, or of GPT-2's tanh form if weights are transposed
// as its are; a number of heads that nothing tells is an error.
//
// The file is read in blocks, once to find what is wrong with it, which is all told in
// one error, and once to fill the model.
func Load(g *G.ExprGraph, path string, given Config) (*Model, error) {
	if g == nil {
		return nil, errors.New("transformer: the graph is nil")
	}
	w, err := openWeights(path)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	c, faults := w.config(given)
	if err := w.room(c); err != nil {
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

// LoadFile gives the model, and thereby all its placements, the weights of a file,
// of which Load says what it can be. If anything is wrong with it, one error
// says all of that, and the model is as it was; but a file that changes between its
// two readings leaves it loaded in part, which the error says. No graph that the model
// stands on may run meanwhile.
func (m *Model) LoadFile(path string) error {
	w, err := openWeights(path)
	if err != nil {
		return err
	}
	defer w.Close()
	_, faults := w.config(Config{Heads: m.config.Heads, Norm: m.config.Norm, Placement: m.config.Placement, GELU: m.config.GELU})
	return m.fill(w, faults)
}

// Matching is what came of LoadMatching.
type Matching struct {
	Loaded []string // names of the model's tensors, in order
	Left   Faults   // why others, of the model or of the file, were not
}

// LoadMatching gives the model those weights of a file whose names and shapes are
// the model's, except those excepted. From a file with a longer context it takes the first
// positions, as nanoGPT's crop_block_size does. A file in another format, or a matching
// weight that is not finite, is an error, and the model is as it was.
func (m *Model) LoadMatching(path string, except ...string) (found Matching, err error) {
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

// fill gives the model all weights of the file, unless there are faults.
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

// tensors are those the model works with, but for BatchNorm's, of which they are
// copies.
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

// readAll reads the named ones of the model's tensors.
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
