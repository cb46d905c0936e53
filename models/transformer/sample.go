package transformer

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
)

// Sampling says how a next token is drawn from the logits, as in nanoGPT's generate:
//
//	p = softmax(logits/temperature), over the TopK largest logits
type Sampling struct {
	Temperature float64 // 0: always the likeliest token, the first of equals
	TopK        int     // tokens to draw from, with more where the last ones are equal; 0: all
	Seed        uint64  // of the draws
}

// Validate finds the first thing in the way of sampling so.
func (s Sampling) Validate() error {
	if !(s.Temperature >= 0 && s.Temperature <= math.MaxFloat64) {
		return fmt.Errorf("transformer: temperature is %g, want a finite number, 0 or more", s.Temperature)
	}
	if s.TopK < 0 {
		return fmt.Errorf("transformer: top-k is %d, want 0 (all) or more", s.TopK)
	}
	return nil
}

// Generate continues a prompt: it gives the ids of the tokens drawn, without end, until
// the caller stops. An error is the last that it gives. The same model, prompt and
// Sampling give the same ids, on any number of threads and with every range over the
// result, which begins anew. The model must not change meanwhile.
//
// A token is drawn from what Forward, in Evaluation, gives of the tokens before it: of
// all, up to the context. Where there are more, the older half of the context is
// dropped, and again as soon as there are too many: the token of index n in prompt and
// text sees those from s to n−1, s being the smallest multiple of half the context,
// rounded down but not to 0, with n−s up to the context.
func (m *Model) Generate(prompt []int, s Sampling) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		if err := m.generate(prompt, s, func(id int) bool { return yield(id, nil) }); err != nil {
			yield(0, err)
		}
	}
}

func (m *Model) generate(prompt []int, s Sampling, yield func(id int) bool) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if len(prompt) == 0 {
		return fmt.Errorf("transformer: the prompt is empty, want a token or more")
	}
	for i, id := range prompt {
		if id < 0 || id >= m.config.Vocab {
			return fmt.Errorf("transformer: token %d of the prompt is %d, want it in [0, %d)", i, id, m.config.Vocab)
		}
	}
	d, err := newDecoder(m)
	if err != nil {
		return err
	}
	defer d.close()
	draws := newSampler(s)
	logits, err := d.read(prompt...)
	for n := len(prompt); err == nil; n++ {
		var id int
		if id, err = draws.draw(logits); err != nil {
			return fmt.Errorf("transformer: token %d: %w", n, err)
		}
		if !yield(id) {
			return nil
		}
		logits, err = d.read(id)
	}
	return err
}

// sampler draws tokens. It computes in float64.
type sampler struct {
	Sampling
	rng    *rand.Rand
	sorted []float64
}

func newSampler(s Sampling) *sampler {
	return &sampler{Sampling: s, rng: rand.New(rand.NewPCG(s.Seed, 0))}
}

// draw gives a token's id and leaves weights in the place of the logits.
func (s *sampler) draw(logits []float64) (id int, err error) {
	for i, v := range logits {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, fmt.Errorf("the logit of %d is %g, want a finite number", i, v)
		}
		if v > logits[id] {
			id = i
		}
	}
	if s.Temperature == 0 {
		return id, nil
	}
	top, least, sum := logits[id], s.least(logits), 0.0
	for i, v := range logits {
		logits[i] = 0
		if v >= least {
			logits[i] = math.Exp((v - top) / s.Temperature)
		}
		sum += logits[i]
	}
	// The first token whose weight and those before it exceed a part of the sum; where
	// rounding has left none, the last that has a weight.
	at := s.rng.Float64() * sum
	for i, w := range logits {
		if w > 0 {
			id = i
			if at -= w; at < 0 {
				break
			}
		}
	}
	return id, nil
}

// least is the smallest logit to draw from.
func (s *sampler) least(logits []float64) float64 {
	if s.TopK == 0 || s.TopK >= len(logits) {
		return math.Inf(-1)
	}
	s.sorted = append(s.sorted[:0], logits...)
	slices.Sort(s.sorted)
	return s.sorted[len(logits)-s.TopK]
}
