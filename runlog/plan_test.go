package runlog

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func plannedAt(lr float64) Planned {
	return PlannedOf(Config{Norm: "layer", Placement: "pre", LR: lr, Seed: 1})
}

// TestPlansOfSeveralProcessesAreOne: processes that add runs at the same time lose none.
func TestPlansOfSeveralProcessesAreOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const processes = 40
	errs := make([]error, processes)
	var all sync.WaitGroup
	for i := range processes {
		all.Go(func() {
			errs[i] = AddToPlan(dir, Provenance{Command: fmt.Sprint(i)}, []Planned{plannedAt(1), plannedAt(float64(2 + i))})
		})
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	plan, err := ReadPlan(dir)
	require.NoError(t, err)
	require.Len(t, plan.Runs, processes+1)
	require.Equal(t, plannedAt(1), plan.Runs[0])
}

// TestAPlanThatIsAddedCanBeRead also if it adds nothing.
func TestAPlanThatIsAddedCanBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, AddToPlan(dir, Provenance{Command: "none"}, nil))
	plan, err := ReadPlan(dir)
	require.NoError(t, err)
	require.Empty(t, plan.Runs)
	wrong := plannedAt(1)
	wrong.ID = "other"
	require.EqualError(t, AddToPlan(dir, Provenance{Command: "wrong"}, []Planned{plannedAt(2), wrong}),
		"adding to "+filepath.Join(dir, PlanFile)+`: the run "other" has the ID of another, want "`+plannedAt(1).ID+`"`)
	plan, err = ReadPlan(dir)
	require.NoError(t, err)
	require.Equal(t, "none", plan.Command, "nothing was written")
}

func TestAPlanIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none, err := ReadPlan(dir)
	require.NoError(t, err)
	require.Nil(t, none)

	c := Config{
		Norm: "rms", Placement: "post", QKNorm: true, Order: Blocks, TextShare: 0.5, NormNoise: 0.1, LR: 0.01, Seed: 7,
	}
	run := PlannedOf(c)
	require.Equal(t, c, run.Config())
	same := plannedAt(0.1)
	same.SameAs = run.ID
	from := Provenance{Command: "a", Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Go: "go1.26", Threads: 2}
	require.NoError(t, AddToPlan(dir, from, []Planned{run, same}))
	plan, err := ReadPlan(dir)
	require.NoError(t, err)
	require.Equal(t, &Plan{from, []Planned{run, same}}, plan)
	require.Equal(t, []Planned{run}, Records{Plan: plan}.Missing(), "what is the same as another is missing nowhere")
	finished := Run{Config: c}
	require.Empty(t, Records{Plan: plan, Runs: []Run{finished}}.Missing())
	finished.Summary.Interrupted = true
	require.Len(t, Records{Plan: plan, Runs: []Run{finished}}.Missing(), 1)
}

// TestABrokenPlanIsListed, does not hide the runs, and is replaced by the next command.
func TestABrokenPlanIsListed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"cut short":       {`{"command": "a", "runs": [{"id"`, "it is truncated"},
		"of another kind": {`{"a": 1}`, `unknown field "a"`},
		"with another's ID": {`{"command":"","date":"2026-01-02T03:04:05Z","go":"","system":"","threads":1,` +
			`"runs":[{"id":"x","norm":"layer","placement":"pre","qk_norm":false,"lr":1,"seed":1}]}`,
			`the run "x" has the ID of another`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, PlanFile), []byte(c.text), 0o666))
			records, err := ReadAll(dir, nil)
			require.NoError(t, err)
			require.Nil(t, records.Plan)
			require.Len(t, records.Broken, 1)
			require.Equal(t, PlanFile, records.Broken[0].Name)
			require.Contains(t, records.Broken[0].Reason, c.want)
			require.NotContains(t, records.Broken[0].Reason, dir)
			require.NoError(t, AddToPlan(dir, Provenance{}, []Planned{plannedAt(1)}))
			records, err = ReadAll(dir, nil)
			require.NoError(t, err)
			require.Empty(t, records.Broken)
			require.Len(t, records.Missing(), 1)
		})
	}
}
