package train

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkProbes trains the default model and tells what share of a run's time
// its probes take, at the default distance between them.
func BenchmarkProbes(b *testing.B) {
	path, err := DefaultText()
	require.NoError(b, err)
	text, err := ReadCorpus(path)
	require.NoError(b, err)
	for _, norm := range []string{"none", "batch", "layer", "rms"} {
		b.Run(norm, func(b *testing.B) {
			c := Defaults()
			c.Norm, c.EvalEvery = norm, 1<<30
			var took [2]time.Duration
			var loops [2]*loop
			for i, every := range []int{0, c.ProbeEvery} {
				c.ProbeEvery = every
				loops[i], err = newLoop(c, text)
				require.NoError(b, err)
				defer loops[i].close()
			}
			runs := [2]Run{{Steps: make([]Step, 1)}, {Steps: make([]Step, 1)}}
			for b.Loop() {
				for i, l := range loops { // in turn, so that both have the same machine
					began := time.Now()
					for range c.ProbeEvery {
						s, err := l.step(&runs[i])
						require.NoError(b, err)
						runs[i].Steps = append(runs[i].Steps, s)
					}
					took[i] += time.Since(began)
				}
			}
			b.ReportMetric(100*(took[1].Seconds()/took[0].Seconds()-1), "%-more-time")
			b.ReportMetric(took[0].Seconds()*1e3/float64(len(runs[0].Steps)-1), "ms/step")
			b.ReportMetric(0, "ns/op")
		})
	}
}
