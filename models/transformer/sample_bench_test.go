package transformer

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// BenchmarkGenerate draws tokens from the tiny model and reports how many a second, and
// what one takes while the window grows through the first and the last quarter of the
// context, and when it moves. Run it with -cpu 1 for one core.
func BenchmarkGenerate(b *testing.B) {
	for _, norm := range Norms {
		b.Run(fmt.Sprintf("layers=4/channels=128/context=64/norm=%s", norm.Name), func(b *testing.B) {
			benchmarkGenerate(b, Config{Vocab: 92, Context: 64, Layers: 4, Heads: 4, Channels: 128, Norm: norm, Bias: true})
		})
	}
}

func benchmarkGenerate(b *testing.B, c Config) {
	m, err := New(G.NewGraph(), c)
	require.NoError(b, err)
	d, err := newDecoder(m)
	require.NoError(b, err)
	defer d.close()
	s := newSampler(Sampling{Temperature: 0.8, TopK: 40})
	b.ReportAllocs()
	parts := map[string][]time.Duration{}
	id := 0
	for b.Loop() {
		begun, seen := time.Now(), len(d.window)
		logits, err := d.read(id)
		require.NoError(b, err)
		id, err = s.draw(logits)
		require.NoError(b, err)
		took := time.Since(begun)
		switch {
		case seen < c.Context/4:
			parts["ns/first-quarter"] = append(parts["ns/first-quarter"], took)
		case seen == c.Context:
			parts["ns/move"] = append(parts["ns/move"], took)
		case seen >= c.Context*3/4:
			parts["ns/last-quarter"] = append(parts["ns/last-quarter"], took)
		}
		if seen == c.Context && b.N%2 == 0 { // for the first quarter to be there again
		}
	}
	for name, all := range parts {
		var sum time.Duration
		for _, v := range all {
			sum += v
		}
		b.ReportMetric(float64(sum)/float64(len(all)), name)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}
