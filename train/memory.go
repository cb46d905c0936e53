package train

import (
	"fmt"

	"gorgonorm/internal/host"
)

// Memory estimates the bytes that a run needs, with a vocabulary of this size. It counts the weights
// with their gradients and moments, the values of all nodes in the graphs of training and evaluation,
// and the attention matrices, which grow with the square of the context. Estimates and the memory that
// runs were seen to take differ by less than a quarter.
func Memory(c Config, vocabulary int) float64 {
	const (
		perWeight    = 6  // itself, its gradient, two moments, and copies of probes and of saving
		perFeature   = 96 // numbers of a block for each feature of a token, in four passes
		perLogit     = 6
		perAttention = 3
		size, rest   = 4, 40e6 // of a float32, and of a program without a model
	)
	product := func(factors ...float64) float64 { // with no sum, which some compilers would fuse with it
		p := 1.0
		for _, f := range factors {
			p *= f
		}
		return p
	}
	layers, channels, context := float64(c.Layers), float64(c.Channels), float64(c.Context)
	tokens := product(float64(c.Batch), context)
	weights := product(12, layers, channels, channels) + product(float64(vocabulary)+context, channels)
	numbers := product(perWeight, weights) + product(perFeature, layers, tokens, channels) +
		product(perLogit, tokens, float64(vocabulary)) + product(perAttention, layers, float64(c.Heads), tokens, context)
	return rest + product(size, numbers)
}

// checkMemory returns an error if a run needs more memory than the machine has.
func checkMemory(c Config, vocabulary int) error {
	have, known := host.Memory()
	if need := Memory(c, vocabulary); known && need > have {
		return fmt.Errorf("train: batch %d of context %d with %d layers, %d heads and %d channels needs about %s of memory, "+
			"more than the %s that there are", c.Batch, c.Context, c.Layers, c.Heads, c.Channels, gigabytes(need), gigabytes(have))
	}
	return nil
}

func gigabytes(n float64) string { return fmt.Sprintf("%.3g GB", n/1e9) }
