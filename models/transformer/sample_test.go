package transformer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// probabilities returns softmax(logits/temperature) over the vocabulary, with nanoGPT's top-k.
func probabilities(logits []float64, s Sampling) []float64 {
	p, sum := make([]float64, len(logits)), 0.0
	if s.Vocab > 0 {
		logits = logits[:s.Vocab]
	}
	for i, v := range logits {
		larger := 0
		for _, w := range logits {
			if w > v {
				larger++
			}
		}
		if s.TopK == 0 || larger < s.TopK {
			p[i] = math.Exp(v / s.Temperature)
		}
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

var someLogits = []float64{0.3, -1.2, 2.1, 2.1, 0, -3.5, 1.7, 2.1}

// TestSamplerDrawsByItsFormula counts draws. The sum Σ(n−Np)²/Np over tokens has a chi-square
// distribution; its degrees of freedom, which are its mean, are the number of tokens minus 1. For
// 2 or more degrees, 0.001 of its values exceed mean + 5·√(2·mean).
func TestSamplerDrawsByItsFormula(t *testing.T) {
	const draws = 100_000
	for _, c := range []struct {
		Sampling
		tokens []int // those that can be drawn
	}{
		{Sampling{Temperature: 1}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{Sampling{Temperature: 3}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{Sampling{Temperature: 0.5}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{Sampling{Temperature: 1, TopK: 8}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{Sampling{Temperature: 1, TopK: 100}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{Sampling{Temperature: 1, TopK: 7}, []int{0, 1, 2, 3, 4, 6, 7}},
		{Sampling{Temperature: 2, TopK: 4}, []int{2, 3, 6, 7}},
		{Sampling{Temperature: 2, TopK: 3}, []int{2, 3, 7}},
		{Sampling{Temperature: 2, TopK: 2}, []int{2, 3, 7}}, // a tie
		{Sampling{Temperature: 2, TopK: 1}, []int{2, 3, 7}},
		{Sampling{Temperature: 2, Vocab: 8}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{Sampling{Temperature: 2, Vocab: 2}, []int{0, 1}},
		{Sampling{Temperature: 2, Vocab: 6, TopK: 3}, []int{0, 2, 3}},
	} {
		t.Run(fmt.Sprintf("%+v", c.Sampling), func(t *testing.T) {
			want, counts := probabilities(someLogits, c.Sampling), make([]float64, len(someLogits))
			s := newSampler(c.Sampling)
			for range draws {
				id, err := s.draw(slices.Clone(someLogits))
				require.NoError(t, err)
				counts[id]++
			}
			chi := 0.0
			for i, n := range counts {
				require.Equal(t, slices.Contains(c.tokens, i), want[i] > 0)
				if want[i] == 0 {
					require.Zero(t, n, "token %d", i)
					continue
				}
				chi += (n - draws*want[i]) * (n - draws*want[i]) / (draws * want[i])
			}
			freedom := float64(len(c.tokens) - 1)
			require.Less(t, chi, freedom+5*math.Sqrt(2*freedom), "%v of %v", counts, want)
		})
	}
}

// TestSamplerInvertsTheDistribution: the sampler draws the first token with Σp > u, where u is the
// random source's next number.
func TestSamplerInvertsTheDistribution(t *testing.T) {
	c := Sampling{Temperature: 0.7, TopK: 6, Seed: 9}
	s, rng, p := newSampler(c), rand.New(rand.NewPCG(9, 0)), probabilities(someLogits, c)
	for range 1000 {
		u, want := rng.Float64(), 0
		for sum := p[0]; sum <= u; sum += p[want] {
			want++
		}
		id, err := s.draw(slices.Clone(someLogits))
		require.NoError(t, err)
		require.Equal(t, want, id, "%v", u)
	}
}

// largest is a random source that returns only the largest number.
type largest struct{}

func (largest) Uint64() uint64 { return math.MaxUint64 }

// TestSamplerDrawsNoTokenWithoutWeight at the end of the cumulative sum, which rounding may place
// behind all tokens.
func TestSamplerDrawsNoTokenWithoutWeight(t *testing.T) {
	s, rng := newSampler(Sampling{Temperature: 1, TopK: 5}), rand.New(rand.NewPCG(1, 1))
	s.rng = rand.New(largest{})
	for range 1000 {
		logits := make([]float64, 12)
		for i := range logits {
			logits[i] = rng.NormFloat64()
		}
		p := probabilities(logits, s.Sampling)
		id, err := s.draw(logits)
		require.NoError(t, err)
		require.Positive(t, p[id])
		require.Zero(t, slices.Max(append(p[id+1:], 0)), "it is the last")
	}
}

// TestSamplerAtExtremeTemperatures: near 0 the sampler draws the token with the largest logit, near
// ∞ all tokens are equally likely.
func TestSamplerAtExtremeTemperatures(t *testing.T) {
	logits := []float64{1, 5, 4.9, 5, -1e30}
	for _, temperature := range []float64{0, 5e-324, 1e-300, 1e-3} {
		s := newSampler(Sampling{Temperature: temperature})
		for range 100 {
			id, err := s.draw(slices.Clone(logits))
			require.NoError(t, err)
			if temperature == 0 {
				require.Equal(t, 1, id, "the first one in a tie")
			}
			require.Contains(t, []int{1, 3}, id)
		}
	}
	s, counts := newSampler(Sampling{Temperature: math.MaxFloat64}), make([]int, 5)
	for range 10_000 {
		id, err := s.draw(slices.Clone(logits))
		require.NoError(t, err)
		counts[id]++
	}
	for _, n := range counts {
		require.InDelta(t, 2000, n, 200) // five standard deviations
	}
}

// take returns the first ids of a text, and the error that ended it.
func take(m *Model, prompt []int, s Sampling, tokens int) (ids []int, err error) {
	for id, err := range m.Generate(prompt, s) {
		if err != nil {
			return ids, err
		}
		if ids = append(ids, id); len(ids) == tokens {
			break
		}
	}
	return ids, nil
}

// TestGenerateEqualsSamplingWithoutACache compares tokens over three windows.
func TestGenerateEqualsSamplingWithoutACache(t *testing.T) {
	for _, norm := range []string{"layer", "batch"} {
		c := tiny(norm)
		c.Context, c.QKNorm = 8, true
		m := perturbed(t, c)
		u := newUncached(t, m)
		seen := make(map[string]bool)
		for seed := range uint64(4) {
			s := Sampling{Temperature: 0.9, TopK: 5, Seed: seed}
			prompt := []int{1, 6, 2}
			got, err := take(m, prompt, s, 3*c.Context)
			require.NoError(t, err)
			tokens, draws := slices.Clone(prompt), newSampler(s)
			for range got {
				id, err := draws.draw(u.logits(tokens))
				require.NoError(t, err)
				tokens = append(tokens, id)
			}
			require.Equal(t, tokens[len(prompt):], got, "seed %d", seed)
			seen[fmt.Sprint(got)] = true

			again, err := take(m, prompt, s, len(got))
			require.NoError(t, err)
			require.Equal(t, got, again)
		}
		require.Len(t, seen, 4, "each seed produces another text")
	}
}

// TestGenerateIsTheSameOnAnyNumberOfThreads uses a model whose products are large enough for several
// threads.
func TestGenerateIsTheSameOnAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	c := tiny("layer")
	c.Context, c.Channels, c.Vocab = 32, 256, 300
	m := perturbed(t, c)
	var want []int
	for _, threads := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(threads)
		got, err := take(m, make([]int, 20), Sampling{Temperature: 1}, 40)
		require.NoError(t, err)
		if want == nil {
			want = got
		}
		require.Equal(t, want, got, "%d threads", threads)
	}
}

// TestGenerateDoesNotChangeTheModel or its graph, so that training can continue on it.
func TestGenerateDoesNotChangeTheModel(t *testing.T) {
	m := perturbed(t, tiny("batch"))
	before, nodes := m.State(), len(m.g.AllNodes())
	_, err := take(m, []int{1}, Sampling{Temperature: 1}, 20)
	require.NoError(t, err)
	require.Len(t, m.g.AllNodes(), nodes)
	for name, d := range m.State() {
		require.Equal(t, before[name].Data(), d.Data(), name)
	}
}

func TestGenerateErrors(t *testing.T) {
	nan := math.NaN()
	broken := func(weight float32) *Model {
		m := perturbed(t, tiny("none"))
		s := m.State()
		s["transformer.wte.weight"].Float32s()[5*8] = weight // token 5's
		require.NoError(t, m.Load(s))
		return m
	}
	unbound := perturbed(t, tiny("layer"))
	unbound.g.UnbindAll()
	for _, c := range []struct {
		m      *Model
		prompt []int
		s      Sampling
		want   string
	}{
		{nil, []int{1}, Sampling{Temperature: -1}, "transformer: temperature is -1, want a finite number, 0 or more"},
		{nil, []int{1}, Sampling{Temperature: nan}, "transformer: temperature is NaN, want a finite number, 0 or more"},
		{nil, []int{1}, Sampling{Temperature: math.Inf(1)},
			"transformer: temperature is +Inf, want a finite number, 0 or more"},
		{nil, []int{1}, Sampling{TopK: -2}, "transformer: top-k is -2, want 0 (all) or more"},
		{nil, nil, Sampling{}, "transformer: the prompt is empty, want a token or more"},
		{nil, []int{0, 6, 7}, Sampling{}, "transformer: token 2 of the prompt is 7, want it in [0, 7)"},
		{nil, []int{-1}, Sampling{}, "transformer: token 0 of the prompt is -1, want it in [0, 7)"},
		{unbound, []int{0}, Sampling{},
			"transformer: layers: Embedding transformer.wte: transformer.wte.weight has no memory: the layer's graph " +
				"has been unbound"},
		{broken(float32(nan)), []int{1, 2}, Sampling{Temperature: 1},
			"transformer: token 2: the logit of 5 is NaN, want a finite number"},
		{broken(float32(math.Inf(1))), []int{1, 2, 3}, Sampling{},
			"transformer: token 3: the logit of 5 is +Inf, want a finite number"},
	} {
		m := c.m
		if m == nil {
			m = perturbed(t, tiny("layer"))
		}
		calls := 0
		for id, err := range m.Generate(c.prompt, c.s) {
			calls++
			require.EqualError(t, err, c.want)
			require.Zero(t, id)
		}
		require.Equal(t, 1, calls, "%s", c.want)
	}
	require.NoError(t, Sampling{}.Validate())
}

// TestGenerateReleasesItsMemory, here 6 MB of keys and values, when the caller stops or panics.
func TestGenerateReleasesItsMemory(t *testing.T) {
	c := tiny("layer")
	c.Context, c.Channels = 4000, 64
	m := perturbed(t, c)
	stop := errors.New("stop")
	for _, end := range []func(){
		func() { _, _ = take(m, []int{1}, Sampling{}, 3) },
		func() {
			defer func() { require.Equal(t, stop, recover()) }()
			for range m.Generate([]int{1}, Sampling{}) {
				panic(stop)
			}
		},
	} {
		heap := func() int64 {
			var s runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&s)
			return int64(s.HeapAlloc)
		}
		heap() // collect what finalizers of earlier tests release
		before := heap()
		end()
		require.Less(t, heap()-before, int64(1<<20))
	}
}

// TestAllocationsPerToken are Gorgonia's, a few objects per operation, and do not grow with the
// model: 8 channels allocate as much as 64.
func TestAllocationsPerToken(t *testing.T) {
	count := func(channels int) float64 {
		c := tiny("layer")
		c.Context, c.Channels, c.Vocab, c.Dtype = 200, channels, 10*channels, tensor.Float32
		m, err := New(G.NewGraph(), c)
		require.NoError(t, err)
		d, err := newDecoder(m)
		require.NoError(t, err)
		defer d.close()
		s := newSampler(Sampling{Temperature: 1, TopK: 5})
		next := func() {
			logits, err := d.read(1)
			if err == nil {
				_, err = s.draw(logits)
			}
			if err != nil {
				t.Error(err)
			}
		}
		for range 2*c.Context + 1 { // through several windows
			next()
		}
		operations := 0
		for _, n := range d.one.logits.Graph().AllNodes() {
			if n.Op() != nil {
				operations++
			}
		}
		return testing.AllocsPerRun(50, next) / float64(operations)
	}
	small, large := count(8), count(64)
	require.InDelta(t, small, large, 0.2)
	require.Less(t, large, 8.0)
}
