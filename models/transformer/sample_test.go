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

// probabilities are the formula's: softmax(logits/temperature), with nanoGPT's top-k.
func probabilities(logits []float64, s Sampling) []float64 {
	p, sum := make([]float64, len(logits)), 0.0
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

// TestSamplerDrawsByItsFormula counts draws. The sum Σ(n−Np)²/Np over tokens is
// chi-square distributed, with as many degrees of freedom as there are tokens less one;
// 0.001 of its values are above mean + 5·√(2·mean) for 2 degrees and more.
func TestSamplerDrawsByItsFormula(t *testing.T) {
	const draws = 100_000
	for _, c := range []struct {
		Sampling
		tokens []int // that there are
	}{
		{Sampling{Temperature: 1}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{Sampling{Temperature: 3}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{Sampling{Temperature: 0.5}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{Sampling{Temperature: 1, TopK: 8}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{Sampling{Temperature: 1, TopK: 100}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{Sampling{Temperature: 1, TopK: 7}, []int{0, 1, 2, 3, 4, 6, 7}},
		{Sampling{Temperature: 2, TopK: 4}, []int{2, 3, 6, 7}},
		{Sampling{Temperature: 2, TopK: 3}, []int{2, 3, 7}},
		{Sampling{Temperature: 2, TopK: 2}, []int{2, 3, 7}}, // equal to the second
		{Sampling{Temperature: 2, TopK: 1}, []int{2, 3, 7}},
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

// TestSamplerInvertsTheDistribution: it draws the first token with Σp > u, u being the
// source's next number.
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

// largest is a source of the largest numbers.
type largest struct{}

func (largest) Uint64() uint64 { return math.MaxUint64 }

// TestSamplerDrawsNoTokenWithoutWeight where the last of the sum is drawn, which
// rounding may place behind all tokens.
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

// TestSamplerAtTheEndsOfTemperature: towards 0 it is the largest logit's token, towards
// ∞ all are as likely.
func TestSamplerAtTheEndsOfTemperature(t *testing.T) {
	logits := []float64{1, 5, 4.9, 5, -1e30}
	for _, temperature := range []float64{0, 5e-324, 1e-300, 1e-3} {
		s := newSampler(Sampling{Temperature: temperature})
		for range 100 {
			id, err := s.draw(slices.Clone(logits))
			require.NoError(t, err)
			if temperature == 0 {
				require.Equal(t, 1, id, "the first of equals")
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

// take is the first ids of a text, and the error that ended it.
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

// TestGenerateEqualsSamplingWithoutACache token for token, over three windows.
func TestGenerateEqualsSamplingWithoutACache(t *testing.T) {
	for _, norm := range []string{"layer", "batch"} {
		c := tiny(norm)
		c.Context, c.QKNorm = 8, true
		m := unlike(t, c)
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
		require.Len(t, seen, 4, "texts of as many seeds")
	}
}

// TestGenerateIsTheSameOnAnyNumberOfThreads, of a model with products large enough for
// several.
func TestGenerateIsTheSameOnAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	c := tiny("layer")
	c.Context, c.Channels, c.Vocab = 32, 256, 300
	m := unlike(t, c)
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

// TestGenerateLeavesTheModelAsItWas, and its graph, which may be trained on.
func TestGenerateLeavesTheModelAsItWas(t *testing.T) {
	m := unlike(t, tiny("batch"))
	before, nodes := m.State(), len(m.g.AllNodes())
	_, err := take(m, []int{1}, Sampling{Temperature: 1}, 20)
	require.NoError(t, err)
	require.Len(t, m.g.AllNodes(), nodes)
	for name, d := range m.State() {
		require.Equal(t, before[name].Data(), d.Data(), name)
	}
}

func TestWhatCannotBeGenerated(t *testing.T) {
	nan := math.NaN()
	broken := func(weight float32) *Model {
		m := unlike(t, tiny("none"))
		s := m.State()
		s["transformer.wte.weight"].Float32s()[5*8] = weight // token 5's
		require.NoError(t, m.Load(s))
		return m
	}
	unbound := unlike(t, tiny("layer"))
	unbound.g.UnbindAll()
	for _, c := range []struct {
		m      *Model
		prompt []int
		s      Sampling
		want   string
	}{
		{nil, []int{1}, Sampling{Temperature: -1}, "transformer: temperature is -1, want a finite number, 0 or more"},
		{nil, []int{1}, Sampling{Temperature: nan}, "transformer: temperature is NaN, want a finite number, 0 or more"},
		{nil, []int{1}, Sampling{Temperature: math.Inf(1)}, "transformer: temperature is +Inf, want a finite number, 0 or more"},
		{nil, []int{1}, Sampling{TopK: -2}, "transformer: top-k is -2, want 0 (all) or more"},
		{nil, nil, Sampling{}, "transformer: the prompt is empty, want a token or more"},
		{nil, []int{0, 6, 7}, Sampling{}, "transformer: token 2 of the prompt is 7, want it in [0, 7)"},
		{nil, []int{-1}, Sampling{}, "transformer: token 0 of the prompt is -1, want it in [0, 7)"},
		{unbound, []int{0}, Sampling{}, "transformer: layers: Embedding transformer.wte: transformer.wte.weight has no memory: the layer's graph has been unbound"},
		{broken(float32(nan)), []int{1, 2}, Sampling{Temperature: 1}, "transformer: token 2: the logit of 5 is NaN, want a finite number"},
		{broken(float32(math.Inf(1))), []int{1, 2, 3}, Sampling{}, "transformer: token 3: the logit of 5 is +Inf, want a finite number"},
	} {
		m := c.m
		if m == nil {
			m = unlike(t, tiny("layer"))
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

// TestGenerateReleasesItsMemory, 6 MB of keys and values here, to the next garbage
// collection, where the caller stops and where he panics.
func TestGenerateReleasesItsMemory(t *testing.T) {
	c := tiny("layer")
	c.Context, c.Channels = 4000, 64
	m := unlike(t, c)
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
		heap() // what earlier tests have left to finalizers
		before := heap()
		end()
		require.Less(t, heap()-before, int64(1<<20))
	}
}

// TestATokenAllocatesWhatGorgoniaDoes, a few objects an operation, and nothing that
// grows with the model: as much at a token's 8 channels as at 64.
func TestATokenAllocatesWhatGorgoniaDoes(t *testing.T) {
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
		for range 2*c.Context + 1 { // windows
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
