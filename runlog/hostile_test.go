package runlog

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/hostile"
)

// TestNoPanics calls every exported function and method with what nobody means to give.
func TestNoPanics(t *testing.T) {
	r := finished()
	dir := filepath.Join(t.TempDir(), r.Config.ID())
	require.NoError(t, Write(dir, r, weights, model))
	records, err := ReadAll(filepath.Dir(dir), model)
	require.NoError(t, err)
	records.Plan = &Plan{Runs: []Planned{PlannedOf(r.Config)}}
	value := Float(1)
	t.Chdir(t.TempDir()) // some of the paths are names of files to write
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{
			"AddToPlan": AddToPlan, "Below": Below, "CheckCheckpoint": CheckCheckpoint, "RemoveStale": RemoveStale,
			"SameRun": SameRun, "Spikes": Spikes, "Write": Write, "WriteFile": WriteFile, "WriteConfig": WriteConfig,
			"Pending":       Pending,
			"LRSensitivity": LRSensitivity, "Largest": Largest, "LargestRate": LargestRate, "MeanStd": MeanStd,
			"Median": Median, "Places": Places, "ReadPlan": ReadPlan, "PlannedOf": PlannedOf, "ReadAll": ReadAll,
			"Finished": Finished, "Read": Read,
		},
		Values: []any{
			dir, r.Config, &r, r, Divergence("x"), PlannedOf(r.Config), *records.Plan, records, r.Steps[0], value, &value,
			ModelCheck(model), ModelCheck(nil), weights, Provenance{Date: time.Unix(0, 0)}, []byte("x"), []byte(`"NaN"`),
		},
		Tries: 10, Most: 30,
	})
}
