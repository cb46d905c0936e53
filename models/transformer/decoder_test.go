package transformer

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
	"gorgonorm/layers"
)

// perturbed returns a model whose weights and running statistics are random and larger than those
// that training starts from, so that the logits depend on every token.
func perturbed(t *testing.T, c Config) *Model {
	t.Helper()
	m, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	state, rng := m.State(), rand.New(rand.NewPCG(1, 1))
	for _, name := range slices.Sorted(maps.Keys(state)) {
		switch v := state[name].Data().(type) {
		case []float32:
			for i := range v {
				v[i] = v[i]*3 + float32(rng.Float64()-0.5)
			}
		case []float64:
			for i := range v {
				v[i] = v[i]*3 + rng.Float64() - 0.5
			}
		}
	}
	require.NoError(t, m.Load(state))
	return m
}

// uncached decodes without a cache: it runs a forward pass of the whole window for each token, on
// one graph per length.
type uncached struct {
	t      *testing.T
	m      *Model
	passes map[int]uncachedPass
}

type uncachedPass struct {
	ids    []int
	logits *G.Node
	vm     G.VM
}

func newUncached(t *testing.T, m *Model) *uncached {
	return &uncached{t, m, make(map[int]uncachedPass)}
}

// windowStart returns the start of the window from which the token with index n is drawn.
func windowStart(n, context int) (start int) {
	half := max(1, context/2)
	for n-start > context {
		start += half
	}
	return start
}

// logits returns the logits of the next token.
func (u *uncached) logits(tokens []int) []float64 {
	window := tokens[windowStart(len(tokens), u.m.config.Context):]
	p, ok := u.passes[len(window)]
	if !ok {
		g := G.NewGraph()
		placed, err := u.m.On(g, layers.Evaluation)
		require.NoError(u.t, err)
		p.ids = make([]int, len(window))
		p.logits, err = placed.Logits(ints(g, "ids", golden.Ints{Shape: []int{1, len(window)}, Data: p.ids}))
		require.NoError(u.t, err)
		p.vm = G.NewTapeMachine(g)
		u.t.Cleanup(func() { p.vm.Close() })
		u.passes[len(window)] = p
	}
	copy(p.ids, window)
	require.NoError(u.t, p.vm.RunAll())
	p.vm.Reset()
	all := make([]float64, len(window)*u.m.config.Vocab)
	(&step{logits: p.logits}).copyLogits(all)
	return all[len(all)-u.m.config.Vocab:]
}

// requireUncached reads a prompt and then single tokens, and compares the logits after each of
// them to the last bit with those of uncached decoding. The tokens include the prompt.
func requireUncached(t *testing.T, m *Model, prompt, tokens int) {
	t.Helper()
	d, err := newDecoder(m)
	require.NoError(t, err)
	defer d.close()
	u, rng := newUncached(t, m), rand.New(rand.NewPCG(2, 2))
	sequence := make([]int, tokens)
	for i := range sequence {
		sequence[i] = rng.IntN(m.config.Vocab)
	}
	for n := prompt; n <= tokens; n++ {
		next := sequence[n-1 : n]
		if n == prompt {
			next = sequence[:n]
		}
		got, err := d.read(next...)
		require.NoError(t, err)
		require.Equal(t, u.logits(sequence[:n]), got, "after %d tokens", n)
	}
}

// TestDecoderEqualsForward compares cached decoding with forward passes over three windows, for
// every norm and placement, with and without QKNorm, in both types.
func TestDecoderEqualsForward(t *testing.T) {
	for name, c := range arrangements() {
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			t.Run(fmt.Sprint(name, "/", dt), func(t *testing.T) {
				c := c
				c.Dtype, c.Bias = dt, true
				requireUncached(t, perturbed(t, c), 1, 3*c.Context+1)
			})
		}
	}
}

// TestDecoderEqualsForwardAtSizesOfKernels uses rows with and without a remainder, products whose
// sums are longer than one pass of Gemm, and more tokens than one block of attention.
func TestDecoderEqualsForwardAtSizesOfKernels(t *testing.T) {
	if testing.Short() {
		t.Skip("large models take seconds")
	}
	for _, s := range []struct{ context, channels, heads, vocab int }{
		{70, 40, 2, 37}, {20, 268, 4, 65}, {9, 272, 1, 64},
	} {
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			t.Run(fmt.Sprintf("%+v/%v", s, dt), func(t *testing.T) {
				c := tiny("layer")
				c.Context, c.Channels, c.Heads, c.Vocab, c.Dtype = s.context, s.channels, s.heads, s.vocab, dt
				requireUncached(t, perturbed(t, c), 1, c.Context*2)
			})
		}
	}
}

// TestDecoderReadsPromptsOfEveryLength uses prompts that end before, at and after the end of a
// chunk and of a window, for odd and even contexts, with one or several chunks in half a context.
func TestDecoderReadsPromptsOfEveryLength(t *testing.T) {
	for _, context := range []int{1, 2, 3, 6, 7} {
		c := tiny("rms")
		c.Context = context
		m := perturbed(t, c)
		for prompt := 1; prompt <= 3*context+2; prompt++ {
			requireUncached(t, m, prompt, prompt+context+1)
		}
	}
	c := tiny("rms")
	c.Context = 161
	m, chunk := perturbed(t, c), chunkLen(80)
	for _, prompt := range []int{
		2*chunk - 1, 2 * chunk, 2*chunk + 1, 4*chunk + 7, c.Context, c.Context + 1, 2 * c.Context,
	} {
		requireUncached(t, m, prompt, prompt+1)
	}
}

// TestDecoderReadsByChunks checks that only what does not fill a chunk is read token by token.
func TestDecoderReadsByChunks(t *testing.T) {
	for half, chunk := range map[int]int{1: 1, 3: 3, 32: 32, 33: 16, 48: 24, 64: 32, 100: 25, 512: 32} {
		require.Equal(t, chunk, chunkLen(half), "half a context of %d", half)
	}
	c := tiny("rms")
	c.Context = 96
	d, err := newDecoder(perturbed(t, c))
	require.NoError(t, err)
	defer d.close()
	for _, s := range []struct{ tokens, chunk, single int }{ // positions of the last chunk and last single token
		{50, 24, 49},
		{23, 24, 72}, // no full chunk
		{24, 24, 48}, // the window moves
	} {
		_, err := d.read(make([]int, s.tokens)...)
		require.NoError(t, err)
		require.Equal(t, s.chunk, d.chunk.positions[0])
		require.Equal(t, s.single, d.one.positions[0])
	}
}

// TestWindowOfAToken checks that windowStart is what Generate documents, and that a window is
// longer than half the context.
func TestWindowOfAToken(t *testing.T) {
	for context := 1; context <= 9; context++ {
		half := max(1, context/2)
		for n := context + 1; n < 5*context; n++ {
			s := windowStart(n, context)
			require.Zero(t, s%half)
			require.LessOrEqual(t, n-s, context)
			require.Greater(t, n-s+half, context)
			require.Greater(t, 2*(n-s), context)
		}
	}
}

// TestDecoderContinuesAfterAnError as if the failed run had not happened, whichever layer failed.
func TestDecoderContinuesAfterAnError(t *testing.T) {
	c := tiny("layer")
	c.Context = 4
	m := perturbed(t, c)
	d, err := newDecoder(m)
	require.NoError(t, err)
	defer d.close()
	u := newUncached(t, m)

	_, err = d.read(1, 7) // fails in the first layer
	require.ErrorContains(t, err, "transformer: ")
	require.ErrorContains(t, err, "Embedding transformer.wte forward: id 0 is 7, want it in [0, 7)")
	got, err := d.read(3)
	require.NoError(t, err)
	require.Equal(t, u.logits([]int{1, 3}), got)

	small, err := newDecoder(m)
	require.NoError(t, err)
	defer small.close()
	small.one.close()
	small.caches[1], err = layers.NewKVCache(2)
	require.NoError(t, err)
	small.one, err = newStep(m, small.caches, 1, true)
	require.NoError(t, err)
	_, err = small.read(1)
	require.NoError(t, err)
	_, err = small.read(2)
	require.NoError(t, err)
	for range 2 { // fails in the second block, after the first has cached the token
		_, err = small.read(3)
		require.ErrorContains(t, err, "the cache holds 2 of at most 2 tokens")
		require.Equal(t, 2, small.caches[0].Tokens())
		require.Equal(t, []int{1, 2}, small.window)
	}
}
