package report

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

// TestSameRunsSameReport: a report depends neither on the order of the runs nor on their
// speed.
func TestSameRunsSameReport(t *testing.T) {
	t.Parallel()
	twice := runtest.OneEach()
	twice = append(twice, runtest.Noisy("layer", 9), runtest.Noisy("layer", 8)) // equal in all settings
	for name, runs := range map[string][]runlog.Run{
		"one a norm": runtest.OneEach(), "grid": runtest.Grid(), "twice": twice,
		"edges": runtest.Edges()["all of them"],
	} {
		t.Run(name, func(t *testing.T) {
			var table, page bytes.Buffer
			require.NoError(t, Table(&table, runlog.Records{Runs: runs}, 110))
			require.NoError(t, HTML(&page, runlog.Records{Runs: runs}))
			random := rand.New(rand.NewPCG(1, 2))
			for range 5 {
				shuffled := slices.Clone(runs)
				random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				for i := range shuffled {
					shuffled[i].Speed = runlog.Speed{TokensPerSec: runlog.Float(random.Float64()), Seconds: nan}
				}
				given := slices.Clone(shuffled)
				var b bytes.Buffer
				require.NoError(t, Table(&b, runlog.Records{Runs: shuffled}, 110))
				require.Equal(t, table.String(), b.String())
				b.Reset()
				require.NoError(t, HTML(&b, runlog.Records{Runs: shuffled}))
				require.Equal(t, page.String(), b.String())
				for i := range given {
					require.Equal(t, given[i].Config, shuffled[i].Config, "the caller's runs were reordered")
				}
			}
		})
	}
}

func TestSpeed(t *testing.T) {
	t.Parallel()
	runs := []runlog.Run{
		runtest.Cell("layer", "pre", false, 0.01, 1, 2),
		runtest.Cell("layer", "pre", false, 0.01, 2, 2),
		runtest.Cell("layer", "pre", false, 0.01, 3, 2),
		runtest.Cell("none", "pre", false, 0.01, 1, 2),
		runtest.Cell("none", "pre", false, 0.1, 1, 2),
		runtest.Cell("rms", "pre", false, 0.01, 1, 2),
	}
	for i, v := range []runlog.Float{30_000, 10_000, 20_717.4, 15_000, 15_385, 0} {
		runs[i].Speed.TokensPerSec = v
	}
	var b bytes.Buffer
	require.NoError(t, Speed(&b, runs))
	assert.Equal(t, "Speed, tokens/s: none 15,193, layer 20,717, rms –\n", b.String())
	require.EqualError(t, Speed(&b, nil), "report: no runs")
	require.ErrorIs(t, Speed(full{}, runs), errFull)
}
