package benchmark

import (
	"fmt"

	"gorgonorm/train"
)

// sizes has the sizes of everything that is measured.
type sizes struct {
	inCache, outOfCache matrixSize // of the tensors that copying compares
	norms               []matrixSize
	gorgonia            matrixSize
	squares             []int        // of the square matrix products
	model               train.Config // of the training step
	vocabulary          int
	growing             matrixSize   // of the smallest norm
	growingModel        train.Config // of the smallest training step
	factors             []int        // of their growth
}

type matrixSize struct{ rows, cols int }

var full = sizes{
	inCache:      matrixSize{2048, 256},
	outOfCache:   matrixSize{32768, 1024},
	norms:        []matrixSize{{768, 128}, {2048, 256}, {8192, 768}},
	gorgonia:     matrixSize{2048, 256},
	squares:      []int{128, 256, 512, 1024},
	model:        model(4, 4, 128, 64, 12),
	vocabulary:   65, // nanoGPT's Shakespeare
	growing:      matrixSize{512, 256},
	growingModel: model(1, 1, 16, 64, 4),
	factors:      []int{1, 4, 16, 64},
}

// tiny are sizes for a test of the program.
var tiny = sizes{
	inCache:      matrixSize{64, 16},
	outOfCache:   matrixSize{128, 16},
	norms:        []matrixSize{{16, 8}},
	gorgonia:     matrixSize{16, 8},
	squares:      []int{16},
	model:        model(1, 2, 8, 8, 2),
	vocabulary:   9,
	growing:      matrixSize{16, 8},
	growingModel: model(1, 1, 4, 8, 2),
	factors:      []int{1, 2},
}

// model returns the default configuration in another size, without validation.
func model(layers, heads, channels, context, batch int) train.Config {
	c := train.Defaults()
	c.Layers, c.Heads, c.Channels, c.Context, c.Batch = layers, heads, channels, context, batch
	c.Steps = 1 << 30 // more steps than a benchmark takes
	c.EvalEvery, c.EvalBatches, c.ProbeEvery = c.Steps, 1, 0
	return c
}

func (s matrixSize) String() string { return fmt.Sprintf("%d×%d", s.rows, s.cols) }
