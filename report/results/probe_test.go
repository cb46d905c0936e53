package results

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

func TestMeasuresOfProbe(t *testing.T) {
	t.Parallel()
	p := runtest.Probed(runtest.Cell("batch", "pre", false, 1, 1, 2), []runlog.Float{1}, []runlog.Float{1, 5}).Probes[1]
	p.Norms = append(p.Norms,
		runlog.NormProbe{Drift: &runlog.Drift{Shift: 1.5}, Batch: &runlog.Batch{Mean: 0.3, Var: 0.4}},
		runlog.NormProbe{})
	for what, c := range map[string]struct {
		of   func(runlog.Probe) runlog.Float
		want float64
	}{
		"residual": {LastResidual, 5}, "attention": {Attention, 2}, "shift": {Shift, 1}, "update": {UpdateRatio, 0.02},
		"batch mean": {BatchMean, 0.2}, "batch variance": {BatchVar, 0.3},
	} {
		assert.InDelta(t, c.want, float64(c.of(p)), 1e-12, what)
		assert.False(t, c.of(runlog.Probe{}).Finite(), what)
	}
}

// TestProbeOfQKNorm: the probe of queries and keys counts as a norm.
func TestProbeOfQKNorm(t *testing.T) {
	t.Parallel()
	p := runtest.Probed(runtest.Cell("batch", "pre", true, 1, 1, 2), []runlog.Float{1}, []runlog.Float{1, 5}).Probes[1]
	assert.Equal(t, "h.0.attn.qk_norm", p.Norms[1].Name)
	assert.EqualValues(t, 1, Shift(p), "mean of 0.5 and 1.5")
	assert.EqualValues(t, 0.1, BatchMean(p), "it has no running statistics")
}
