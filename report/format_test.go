package report

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

var inf = runtest.Inf

func TestFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want string }{
		{diverged(runlog.Summary{}), "no"},
		{diverged(runlog.Summary{DivergedAt: 57, Divergence: runlog.NonFinite}), "step 57"},
		{
			diverged(runlog.Summary{DivergedAt: 200, Divergence: runlog.NotLearning}),
			"step 200, no better than its start",
		},
		{rate(0.3), "0.3"},
		{rate(3e-5), "3e-05"},
		{rate(nan), "–"},
		{plusMinus(1.5, 0.0125), "1.500 ± 0.013"},
		{plusMinus(1.5, nan), "1.500"},
		{plusMinus(nan, nan), "–"},
		{pair(0.001, 0.25), "0.1 / 25.0"},
		{pair(nan, 0.25), "– / 25.0"},
		{pair(nan, nan), "–"},
		{place(runlog.Place{}), "–"},
		{place(runlog.Place{Best: 3, Worst: 3}), "3"},
		{place(runlog.Place{Best: 1, Worst: 3}), "1–3"},
		{span(results.Range{Lo: 1, Hi: 1}, rate), "1"},
		{span(results.Range{Lo: 1, Hi: 2}, rate), "1 to 2"},
		{significant(inf), "inf"},
		{thousands(1_234_567), "1,234,567"},
	} {
		assert.Equal(t, c.want, c.got)
	}
}
