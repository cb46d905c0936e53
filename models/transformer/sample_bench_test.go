package transformer

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// BenchmarkGenerate draws tokens. It reports the time of a token while the window grows through the
// first and the last quarter of the context, the time when the window moves, and the tokens per
// second of a long text. Run it with -cpu 1 for one core.
func BenchmarkGenerate(b *testing.B) {
	for _, norm := range Norms {
		c := Config{Vocab: 92, Context: 64, Layers: 4, Heads: 4, Channels: 128, Norm: norm, Bias: true}
		b.Run(fmt.Sprintf("layers=%d/channels=%d/context=%d/norm=%s", c.Layers, c.Channels, c.Context, norm.Name),
			func(b *testing.B) {
				benchmarkGenerate(b, c)
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
	var took [4]time.Duration // first quarter, third quarter, last quarter, moves
	var count [4]int
	id, text := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		if text == 4*c.Context {
			d.window, text = d.window[:0], 0
			d.truncate(0)
		}
		begun, seen := time.Now(), len(d.window)
		logits, err := d.read(id)
		require.NoError(b, err)
		id, err = s.draw(logits)
		require.NoError(b, err)
		text++
		part := 1
		switch {
		case seen < c.Context/4:
			part = 0
		case seen == c.Context:
			part = 3
		case seen >= c.Context*3/4:
			part = 2
		case seen <= c.Context/2:
			continue // occurs only at the start of a text
		}
		took[part] += time.Since(begun)
		count[part]++
	}
	per := func(parts ...int) float64 {
		var t time.Duration
		n := 0
		for _, p := range parts {
			t, n = t+took[p], n+count[p]
		}
		return float64(t) / float64(max(1, n))
	}
	b.ReportMetric(per(0), "ns/first-quarter")
	b.ReportMetric(per(2), "ns/last-quarter")
	b.ReportMetric(per(3), "ns/move")
	b.ReportMetric(1e9/per(1, 2, 3), "tokens/s")
}
