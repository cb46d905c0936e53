package train

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMemoryIsEstimated compares estimates with the memory that a loop holds, which lacks the last pass
// over the validation text, and the copies of probes and of saving.
func TestMemoryIsEstimated(t *testing.T) {
	if testing.Short() {
		t.Skip("needs hundreds of megabytes")
	}
	text := corpus(t, verse)
	text.Train, text.Val = make([]int32, 20_000), make([]int32, 20_000)
	for name, change := range map[string]func(*Config){
		"small":           func(*Config) {},
		"a large batch":   func(c *Config) { c.Batch *= 3 },
		"a long context":  func(c *Config) { c.Context, c.Batch = 1024, 1 },
		"wide":            func(c *Config) { c.Channels = 384 },
		"deep":            func(c *Config) { c.Layers = 12 },
		"few long heads":  func(c *Config) { c.Context, c.Batch, c.Heads, c.Layers = 2048, 1, 2, 2 },
		"many long heads": func(c *Config) { c.Context, c.Batch, c.Heads, c.Layers = 1024, 1, 16, 2 },
	} {
		c := Defaults()
		change(&c)
		held := func() float64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return float64(m.HeapAlloc)
		}
		before := held()
		l, err := newLoop(c, text)
		require.NoError(t, err)
		var run Run
		_, err = l.step(&run)
		require.NoError(t, err)
		_, err = l.evaluate(&l.eval)
		require.NoError(t, err)
		took, estimated := held()-before, Memory(c, len(text.Vocabulary))-Memory(Config{}, 0)
		l.close()
		t.Logf("%s: %.0f MB held, %.0f MB estimated", name, took/1e6, estimated/1e6)
		require.InDelta(t, 1.5, estimated/took, 0.5, name)
	}
}

func TestMoreMemoryThanThereIsIsAnError(t *testing.T) {
	t.Parallel()
	text := corpus(t, verse)
	text.Train, text.Val = make([]int32, 120_000), make([]int32, 120_000)
	c := Defaults()
	c.Batch, c.Heads, c.Context = 100, 2, 100_000
	require.ErrorContains(t, Check(c, text), "train: batch 100 of context 100000 with 4 layers, 2 heads and 128 channels "+
		"needs about 9.8e+04 GB of memory, more than the ")
	_, _, err := Train(t.Context(), c, text, nil)
	require.ErrorContains(t, err, " of memory, more than the ")
}
