package transformer

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
	"gorgonorm/layers"
)

// decoder reads a sequence token by token and returns the logits of the next token. It places
// the model on two graphs: one reads a single token, the other reads a chunk of tokens and has no
// head. Only attention differs from Forward: it caches the keys and values of earlier tokens.
// The logits therefore equal, to the last bit, those of Forward on the visible tokens.
//
// Positions are learned, so none exist beyond the context, and a token's keys contain its
// position. The window of visible tokens therefore starts at a multiple of half the context:
// when it outgrows the context, the older half is dropped and the rest is read again from
// position 0. What the n-th token sees depends only on n and is always more than half of the
// context, and the amortized time of a token is constant. (nanoGPT crops to the last context
// tokens, and therefore recomputes all of them for each token.)
type decoder struct {
	context, half int
	caches        []*layers.KVCache // one per block; all hold the same number of tokens
	one, chunk    *step
	window        []int
	logits        []float64
}

// maxChunk is the maximum number of tokens in a chunk. Larger chunks hardly make matrix products
// faster, but lengthen the rest of a prompt, which is read token by token.
const maxChunk = 32

// chunkLen returns the length of the equal chunks into which half a context is divided.
func chunkLen(half int) int { return half / ((half + maxChunk - 1) / maxChunk) }

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
	if d.chunk, err = newStep(m, d.caches, chunkLen(d.half), false); err != nil {
		d.one.close()
		return nil, err
	}
	return d, nil
}

func (d *decoder) close() {
	d.one.close()
	d.chunk.close()
}

// read appends tokens to the sequence and returns the logits of the token after them, which are
// valid until the next call. After an error, the decoder holds only the tokens before the run
// that failed.
func (d *decoder) read(tokens ...int) ([]float64, error) {
	d.window = append(d.window, tokens...)
	if over := len(d.window) - d.context; over > 0 {
		drop := (over + d.half - 1) / d.half * d.half
		d.window = d.window[:copy(d.window, d.window[drop:])]
		d.truncate(0)
	}
	for at := d.caches[0].Tokens(); at < len(d.window); at = d.caches[0].Tokens() {
		s := d.one // has the head, so it reads the last token
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

// step is a machine that reads len(ids) tokens at a time.
type step struct {
	ids, positions []int
	logits         *G.Node // nil if there is no head
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
	placed.stream(f, placed.input("ids", shape, s.ids), placed.input("transformer.positions", shape, s.positions))
	if head {
		placed.head(f)
	}
	if f.err != nil {
		return nil, fmt.Errorf("transformer: %w", f.err)
	}
	s.logits = f.Logits
	s.vm = G.NewTapeMachine(g)
	return s, nil
}

// run reads the first len(s.ids) tokens, starting at the given position.
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

func (s *step) close() { op.Close(s.vm) }
