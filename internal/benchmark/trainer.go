package benchmark

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"runtime"

	"gorgonorm/train"
)

// trainer is a training run that stops after each step until the next call.
type trainer struct {
	next func() (error, bool)
	stop func()
}

func newTrainer(c train.Config, vocabulary int) (*trainer, error) {
	t := &trainer{}
	t.next, t.stop = iter.Pull(func(yield func(error) bool) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_, _, err := train.Train(ctx, c, noise(c, vocabulary), func(train.Step) {
			if !yield(nil) {
				cancel()
			}
		})
		if err != nil {
			yield(err)
		}
	})
	return t, t.step() // the first step builds the model
}

func (t *trainer) step() error {
	err, ok := t.next()
	if !ok {
		return errors.New("training ended early")
	}
	return err
}

// noise returns a random text, because the time of a step does not depend on the text.
func noise(c train.Config, vocabulary int) *train.Corpus {
	rng := rand.New(rand.NewPCG(3, 4))
	text := &train.Corpus{Train: make([]int32, 100*c.Context), Val: make([]int32, 2*c.Context)}
	for id := range vocabulary {
		text.Vocabulary = append(text.Vocabulary, rune('!'+id))
	}
	for _, part := range [][]int32{text.Train, text.Val} {
		for i := range part {
			part[i] = int32(rng.IntN(vocabulary))
		}
	}
	return text
}

// allocated returns the bytes that a step allocates on the heap.
func (t *trainer) allocated() (float64, error) {
	const steps = 5
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range steps {
		if err := t.step(); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / steps, nil
}
