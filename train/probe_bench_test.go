package train

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/transformer"
)

// BenchmarkProbes trains the default model and reports the time of a probe, alone and
// relative to the steps between two probes.
func BenchmarkProbes(b *testing.B) {
	path, err := DefaultText()
	require.NoError(b, err)
	text, err := ReadCorpus(path)
	require.NoError(b, err)
	for _, norm := range transformer.Norms {
		b.Run(norm.Name, func(b *testing.B) {
			c := Defaults()
			c.Norm, c.Steps, c.EvalEvery = norm.Name, 1<<30, 1<<30
			every := c.ProbeEvery
			c.ProbeEvery = 0
			l, err := newLoop(c, text)
			require.NoError(b, err)
			defer l.close()
			var run Run
			var steps, probes time.Duration
			for b.Loop() {
				began := time.Now()
				for range every {
					s, err := l.step(&run)
					require.NoError(b, err)
					run.Steps = append(run.Steps, s)
				}
				steps += time.Since(began)
				began = time.Now()
				l.prober.before()
				p := l.prober.read(len(run.Steps))
				l.prober.readUpdates(&p)
				probes += time.Since(began)
			}
			n := float64(len(run.Steps))
			b.ReportMetric(100*probes.Seconds()/steps.Seconds(), "%-of-steps")
			b.ReportMetric(1e3*probes.Seconds()/n*float64(every), "ms/probe")
			b.ReportMetric(1e3*steps.Seconds()/n, "ms/step")
			b.ReportMetric(0, "ns/op")
		})
	}
}
