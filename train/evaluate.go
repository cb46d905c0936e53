package train

import (
	"context"
	"errors"
	"fmt"

	"gorgonorm/internal/portable"
	"gorgonorm/layers"
	"gorgonorm/models/transformer"
)

// Evaluation is the quality of a model's predictions of a text.
type Evaluation struct {
	Loss   float64 // mean cross-entropy, in nats per token
	Tokens int     // predicted tokens
}

// Perplexity returns exp(loss), the number of equally likely tokens among which a guess
// would have the same loss.
func (e Evaluation) Perplexity() float64 { return portable.Exp(e.Loss) }

// evaluatedTokens is about how many tokens one run of a graph evaluates: nanoGPT's batch
// of 12 sequences of 64.
const evaluatedTokens = 12 * 64

// Evaluate computes the model's loss on a text of token ids, in evaluation mode. It cuts
// the text into windows of the model's context, which do not overlap; the last one may be
// shorter. It predicts each token except the first once, from the tokens before it in its
// window. A loss that is not finite is a result, not an error.
//
// Evaluate calls onProgress, if not nil, with the number of tokens predicted so far and
// their total. If ctx is cancelled, the error wraps ctx.Err(). No graph of the model may
// run at the same time.
func Evaluate[ID int | int32](
	ctx context.Context, m *transformer.Model, ids []ID, onProgress func(done, all int),
) (Evaluation, error) {
	if m == nil || m.Config().Context == 0 {
		return Evaluation{}, errors.New("train: evaluating: the model is nil or a zero value")
	}
	return evaluateInBatches(ctx, m, ids, max(1, evaluatedTokens/m.Config().Context), onProgress)
}

// evaluateInBatches is Evaluate with batch windows in each run of a graph.
func evaluateInBatches[ID int | int32](
	ctx context.Context, m *transformer.Model, ids []ID, batch int, onProgress func(done, all int),
) (e Evaluation, err error) {
	all := len(ids) - 1
	if all < 1 {
		return e, fmt.Errorf("train: evaluating: the text has length %d, want 2 tokens or more", len(ids))
	}
	vocab := m.Config().Vocab
	for i, id := range ids {
		if id < 0 || int(id) >= vocab {
			return e, fmt.Errorf("train: evaluating: token %d of the text is %d, want an id from 0 to %d", i, id, vocab-1)
		}
	}
	var sum float64
	part := func(s shape) error {
		p, err := passOn(m, layers.Evaluation, s.batch, s.context)
		if err != nil {
			return err
		}
		defer p.close()
		for range s.times {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("stopped after %d of %d tokens: %w", e.Tokens, all, err)
			}
			// consecutive windows are one piece of the text
			widen(p.ids, ids[e.Tokens:])
			widen(p.targets, ids[e.Tokens+1:])
			loss, err := p.run()
			if err != nil {
				return err
			}
			sum += float64(float64(loss) * float64(len(p.ids)))
			e.Tokens += len(p.ids)
			if onProgress != nil {
				onProgress(e.Tokens, all)
			}
		}
		return nil
	}
	for _, s := range shapes(all, m.Config().Context, batch) {
		if err := part(s); err != nil {
			return Evaluation{}, fmt.Errorf("train: evaluating: %w", err)
		}
	}
	e.Loss = sum / float64(all)
	return e, nil
}

// shape is the shape of a graph's ids, and how often the graph runs.
type shape struct{ batch, context, times int }

// shapes returns the shapes that cover the tokens: full batches of windows, a batch of the
// remaining windows, and the last, shorter window.
func shapes(tokens, context, batch int) (s []shape) {
	whole := tokens / context
	for _, p := range []shape{
		{batch, context, whole / batch},
		{whole % batch, context, 1},
		{1, tokens % context, 1},
	} {
		if p.batch*p.context*p.times > 0 {
			s = append(s, p)
		}
	}
	return s
}
