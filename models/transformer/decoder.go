package transformer

import (
	"fmt"
	"runtime"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// decoder reads a sequence token by token and gives the logits of the next one. It is
// the model itself, placed on two graphs: one takes a token, the other a chunk of them,
// without a head. Only attention differs, which keeps the keys and values of the tokens
// before. So the logits are, to the last bit, those of Forward on the tokens that are
// seen.
//
// Positions are learned: beyond the context there are none, and the keys of a token
// hold its position. So the tokens that are seen, the window, begin at a multiple of
// half the context: when they are more than the context, the older half is dropped and
// what is left is read again, from position 0. What the n-th token sees depends on n
// alone, and is more than half of the context; the time a token takes is flat. (nanoGPT
// crops to the last context tokens, and so has to compute all of them anew for each.)
type decoder struct {
	context, half int
	caches        []*layers.KVCache // of the blocks; all hold as many tokens
	one, chunk    *step
	window        []int
	logits        []float64
}

// maxChunk is how many tokens a chunk has at most: with more, products of matrices hardly
// get faster, and the rest of a prompt, which is read singly, gets longer.
const maxChunk = 32

// chunkOf divides half a context into as many equal chunks as that takes.
func chunkOf(half int) int { return half / ((half + maxChunk - 1) / maxChunk) }

func newDecoder(m *Model) (*decoder, error) {
	c := m.config
	d := &decoder{
		context: c.Context,
		half:    max(1, c.Context/2),
		window:  make([]int, 0, c.Context+1),
		logits:  make([]float64, c.Vocab),
	}
	for range m.blocks {
		cache, err := layers.NewKVCache(c.Context)
		if err != nil {
			return nil, fmt.Errorf("transformer: %w", err)
		}
		d.caches = append(d.caches, cache)
	}
	var err error
	if d.one, err = newStep(m, d.caches, 1, true); err != nil {
		return nil, err
	}
	if d.chunk, err = newStep(m, d.caches, chunkOf(d.half), false); err != nil {
		d.one.close()
		return nil, err
	}
	return d, nil
}

func (d *decoder) close() {
	d.one.close()
	d.chunk.close()
}

// read takes tokens in and gives the logits of what follows them, which are valid until
// the next call. After an error it is as if only those before the failing run had been
// read.
func (d *decoder) read(tokens ...int) ([]float64, error) {
	d.window = append(d.window, tokens...)
	if over := len(d.window) - d.context; over > 0 {
		drop := (over + d.half - 1) / d.half * d.half
		d.window = d.window[:copy(d.window, d.window[drop:])]
		d.truncate(0)
	}
	for at := d.caches[0].Tokens(); at < len(d.window); at = d.caches[0].Tokens() {
		s := d.one // has the head, and so the last token
		if len(d.window)-at > len(d.chunk.ids) {
			s = d.chunk
		}
		if err := s.run(d.window[at:], at); err != nil {
			d.truncate(at)
			d.window = d.window[:at]
			return nil, err
		}
	}
	d.one.copyLogits(d.logits)
	return d.logits, nil
}

func (d *decoder) truncate(tokens int) {
	for _, c := range d.caches {
		c.Truncate(tokens)
	}
}

// step is a machine that takes so many tokens as there are ids.
type step struct {
	ids, positions []int
	logits         *G.Node // nil without a head
	vm             G.VM
}

func newStep(m *Model, caches []*layers.KVCache, tokens int, head bool) (*step, error) {
	g := G.NewGraph()
	placed, err := m.On(g, layers.Evaluation)
	if err != nil {
		return nil, err
	}
	for i := range placed.blocks {
		attention := &placed.blocks[i].attention
		*attention = (*attention).(*layers.CausalSelfAttention).Cached(caches[i])
	}
	s := &step{ids: make([]int, tokens), positions: make([]int, tokens)}
	shape := tensor.Shape{1, tokens}
	f := placed.forward()
	x := placed.stream(f, placed.input("ids", shape, s.ids), placed.input("transformer.positions", shape, s.positions))
	if head {
		placed.head(f, x)
	}
	if f.err != nil {
		return nil, fmt.Errorf("transformer: %w", f.err)
	}
	s.logits = f.Logits
	s.vm = G.NewTapeMachine(g)
	return s, nil
}

// run takes the first of the tokens in, the first one at the given position.
func (s *step) run(tokens []int, position int) error {
	copy(s.ids, tokens)
	for i := range s.positions {
		s.positions[i] = position + i
	}
	defer s.vm.Reset()
	if err := s.vm.RunAll(); err != nil {
		return fmt.Errorf("transformer: %w", err)
	}
	return nil
}

func (s *step) copyLogits(logits []float64) {
	v := s.logits.Value().(*tensor.Dense)
	if v.Dtype() == tensor.Float64 {
		copy(logits, v.Float64s())
		return
	}
	for i, x := range v.Float32s() {
		logits[i] = float64(x)
	}
}

// close ends the machine. Gorgonia has set a finalizer on it, which does nothing
// but keep all that the machine holds through one more garbage collection.
func (s *step) close() {
	s.vm.Close()
	runtime.SetFinalizer(s.vm, nil)
}
