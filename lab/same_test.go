package lab

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

// outcome trains a run and returns its weights, without the header that names the placement, and
// what it measured at each step.
func outcome(t *testing.T, c runlog.Config, text *train.Corpus) (weights, steps []byte) {
	t.Helper()
	model, run, err := train.Train(t.Context(), c, text, nil)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, model.Save(&b))
	steps, err = json.Marshal(run.Steps)
	require.NoError(t, err)
	return b.Bytes()[8+binary.LittleEndian.Uint64(b.Bytes()):], steps
}

// TestRunsThatAreNotRunWouldBeTheSame trains runs of every kind for a few steps: those that stand
// for others have the same weights and losses to the bit, and no others do.
func TestRunsThatAreNotRunWouldBeTheSame(t *testing.T) {
	t.Parallel()
	text := corpus(t, verse)
	g := grid(6)
	g.Norms, g.LRs, g.Seeds = []string{"none", "batch", "layer"}, []float64{0.01}, 1
	g.Placements = []transformer.Placement{
		transformer.Pre, transformer.Post, transformer.Peri, transformer.Scaled, transformer.Open,
	}
	g.QKNorms, g.NormNoises = []bool{false, true}, []float64{0, 0.5}
	if testing.Short() {
		g.Norms, g.QKNorms = []string{"none"}, []bool{false}
	}
	type result struct{ weights, steps string }
	seen := make(map[result]string)
	for _, c := range g.Configs() {
		weights, steps := outcome(t, c, text)
		r := result{string(weights), string(steps)}
		if first, ok := seen[r]; ok {
			require.Equal(t, first, computes(c).ID(), c.ID())
		} else {
			require.Equal(t, c.ID(), computes(c).ID())
			seen[r] = c.ID()
		}
	}
}

func TestWhatIsTheSameIsRunOnce(t *testing.T) {
	t.Parallel()
	g := grid(6)
	g.Norms, g.LRs, g.Seeds = []string{"none", "layer"}, []float64{0.01}, 1
	g.QKNorms = []bool{false}
	g.Placements = []transformer.Placement{transformer.Post, transformer.Peri, transformer.Scaled}
	ids := func(known *runlog.Plan) (runs, same []string) {
		configs, others := once(g.Configs(), known)
		for _, c := range configs {
			runs = append(runs, c.ID())
		}
		for _, p := range others {
			same = append(same, p.ID+" as "+p.SameAs)
		}
		return runs, same
	}
	runs, same := ids(nil)
	require.Equal(t, []string{
		"none-post-lr0.01-seed1", "layer-post-lr0.01-seed1", "layer-peri-lr0.01-seed1",
		"none-scaled-lr0.01-seed1", "layer-scaled-lr0.01-seed1",
	}, runs)
	require.Equal(t, []string{"none-peri-lr0.01-seed1 as none-post-lr0.01-seed1"}, same)

	known := runlog.Planned{Norm: "none", Placement: "pre", LR: 0.01, Seed: 1}
	known.ID = known.Config().ID()
	runs, same = ids(&runlog.Plan{Runs: []runlog.Planned{known}})
	require.Equal(t, "none-pre-lr0.01-seed1", runs[0], "the run of an earlier command")
	require.Len(t, runs, 5)
	require.Equal(t, []string{
		"none-post-lr0.01-seed1 as none-pre-lr0.01-seed1", "none-peri-lr0.01-seed1 as none-pre-lr0.01-seed1",
	}, same)
}

// TestPlanIsAFile: the directory has a plan of the whole grid, also from a share of it, and a later
// command adds to it.
func TestPlanIsAFile(t *testing.T) {
	t.Parallel()
	text := corpus(t, verse)
	dir := t.TempDir()
	prepare := func(shard Shard, lrs ...float64) *Plan {
		g := grid(2)
		g.Norms, g.LRs, g.Seeds = []string{"none", "layer"}, lrs, 1
		g.QKNorms = []bool{false}
		p, err := NewPlan(&Options{Grid: g, Data: text.Path, Out: dir, Shard: shard})
		require.NoError(t, err)
		require.NoError(t, p.Prepare())
		require.NoFileExists(t, filepath.Join(dir, ReportFile))
		require.NoError(t, p.record()) // as Run does
		return p
	}
	p := prepare(Shard{1, 2}, 0.01)
	require.Contains(t, p.String(), "4 runs of 2 steps: 2 norms (none, layer) × 2 placements (pre, post)\n"+
		"not run: 1 that would compute the same as others, because without a norm there is nothing to place\n"+
		"share 1/2: 2 runs")
	first, err := runlog.ReadPlan(dir)
	require.NoError(t, err)
	require.Len(t, first.Runs, 4)
	require.Equal(t, "none-pre-lr0.01-seed1", first.Runs[0].SameAs)
	require.Equal(t, "none-post-lr0.01-seed1", first.Runs[0].ID)
	require.NotEmpty(t, first.Command)
	require.NotEmpty(t, first.Go)
	require.NotZero(t, first.Threads)
	require.False(t, first.Date.IsZero())

	prepare(Shard{}, 0.1)
	second, err := runlog.ReadPlan(dir)
	require.NoError(t, err)
	require.Equal(t, first.Runs, second.Runs[:4])
	require.Len(t, second.Runs, 8)

	records, err := train.ReadRuns(dir)
	require.NoError(t, err)
	require.Len(t, records.Missing(), 6)
	require.FileExists(t, filepath.Join(dir, runlog.PlanFile))
}
