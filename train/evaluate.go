package train

import (
	"context"
	"errors"
	"fmt"
	"math"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
)

// Evaluation is how well a model predicts a text.
type Evaluation struct {
	Loss   float64 // mean cross-entropy, in nats a token
	Tokens int     // that were predicted
}

// Perplexity is exp(loss): the number of tokens that a guess among equals would be
// as unsure of.
func (e Evaluation) Perplexity() float64 { return math.Exp(e.Loss) }

// evaluatedTokens are about as many as one run of a graph evaluates, nanoGPT's batch
// of 12 sequences of 64.
const evaluatedTokens = 12 * 64

// Evaluate computes the model's loss on a text of token ids, in evaluation mode. The
// text is cut into windows of the model's context, one after the other without
// overlap, the last of what is left: each token but the first is predicted once, from
// those before it in its window. A loss that is not finite is a result and no error.
//
// onProgress, if not nil, is told of the tokens that are done and of all. A cancelled
// context is an error that is ctx.Err(). No graph that the model stands on may run
// meanwhile.
func Evaluate[ID int | int32](ctx context.Context, m *transformer.Model, ids []ID, onProgress func(done, all int)) (Evaluation, error) {
	if m == nil {
		return Evaluation{}, errors.New("train: evaluating: the model is nil")
	}
	return evaluateInBatches(ctx, m, ids, max(1, evaluatedTokens/m.Config().Context), onProgress)
}

// evaluateInBatches evaluates so many windows in one run of a graph.
func evaluateInBatches[ID int | int32](ctx context.Context, m *transformer.Model, ids []ID, batch int, onProgress func(done, all int)) (e Evaluation, err error) {
	all := len(ids) - 1
	if all < 1 {
		return e, fmt.Errorf("train: evaluating: the text has the length %d, want 2 tokens or more", len(ids))
	}
	vocab := m.Config().Vocab
	for i, id := range ids {
		if id < 0 || int(id) >= vocab {
			return e, fmt.Errorf("train: evaluating: token %d of the text is %d, want an id from 0 to %d", i, id, vocab-1)
		}
	}
	var sum float64
	part := func(s shape) error {
		p, err := placed(m, layers.Evaluation, s.batch, s.context)
		if err != nil {
			return err
		}
		defer p.close()
		for range s.times {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("stopped after %d of %d tokens: %w", e.Tokens, all, err)
			}
			// windows that follow each other are one piece of the text
			widen(p.ids, ids[e.Tokens:])
			widen(p.targets, ids[e.Tokens+1:])
			loss, err := p.run()
			if err != nil {
				return err
			}
			sum += float64(loss) * float64(len(p.ids))
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

// shape is that of a graph's ids, and how often it runs.
type shape struct{ batch, context, times int }

// shapes part tokens into full batches of windows, the windows that are left and the
// last, shorter one.
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
