package transformer

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"

	"gorgonorm/internal/portable"
)

// Sampling holds the settings for drawing the next token from the logits, as in nanoGPT's generate:
//
//	p = softmax(logits/temperature), over the TopK largest logits
type Sampling struct {
	Temperature float64 // 0 means always the likeliest token, the first one in a tie
	TopK        int     // number of tokens to draw from, more if the last ones tie; 0 means all
	Vocab       int     // ids from Vocab on have no meaning and are not drawn; 0 means all are drawn
	Seed        uint64  // seed of the random source
}

// Validate returns an error that names the first invalid setting.
func (s Sampling) Validate() error {
	if !(s.Temperature >= 0 && s.Temperature <= math.MaxFloat64) {
		return fmt.Errorf("transformer: temperature is %g, want a finite number, 0 or more", s.Temperature)
	}
	if s.TopK < 0 {
		return fmt.Errorf("transformer: top-k is %d, want 0 (all) or more", s.TopK)
	}
	if s.Vocab < 0 {
		return fmt.Errorf("transformer: the vocabulary to draw from is %d, want 0 (all) or more", s.Vocab)
	}
	return nil
}

// Generate returns an iterator over the ids of tokens that continue the prompt. It does not end
// until the caller stops or an error occurs, which is its last pair. Every range over it starts
// again from the prompt. The same model, prompt and Sampling always produce the same ids, on any
// number of threads. The model must not change during an iteration.
//
// Each token is drawn from the logits that Forward computes, in Evaluation, from the tokens before
// it. When there are more tokens than the context, the older half of the context is dropped, as
// often as needed. The token with index n, counted from the start of the prompt, sees tokens s to
// n−1, where s is the smallest multiple of max(1, ⌊context/2⌋) with n−s ≤ context.
func (m *Model) Generate(prompt []int, s Sampling) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		if err := m.generate(prompt, s, func(id int) bool { return yield(id, nil) }); err != nil {
			yield(0, err)
		}
	}
}

func (m *Model) generate(prompt []int, s Sampling, yield func(id int) bool) error {
	if err := m.check(); err != nil {
		return err
	}
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

// sampler draws tokens, in float64.
type sampler struct {
	Sampling
	rng    *rand.Rand
	sorted []float64
}

func newSampler(s Sampling) *sampler {
	return &sampler{Sampling: s, rng: rand.New(rand.NewPCG(s.Seed, 0))}
}

// draw returns the id of a token. It overwrites the logits with the tokens' weights.
func (s *sampler) draw(logits []float64) (id int, err error) {
	if s.Vocab > 0 && s.Vocab < len(logits) {
		logits = logits[:s.Vocab]
	}
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
			logits[i] = portable.Exp((v - top) / s.Temperature)
		}
		sum += logits[i]
	}
	// Draw the first token at which the cumulative weight exceeds a random part of the sum. If
	// there is none, because of rounding, draw the last token that has a weight.
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

// least returns the smallest logit to draw from.
func (s *sampler) least(logits []float64) float64 {
	if s.TopK == 0 || s.TopK >= len(logits) {
		return math.Inf(-1)
	}
	s.sorted = append(s.sorted[:0], logits...)
	slices.Sort(s.sorted)
	return s.sorted[len(logits)-s.TopK]
}
