package claims

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
)

// TestDriftsOfARun has a run whose inputs drift only where and when a claim looks: after
// warm-up, from one probe to the next.
func TestDriftsOfARun(t *testing.T) {
	t.Parallel()
	loss := runlog.Float(2)
	r := runlog.Run{
		Config:  runlog.Config{Warmup: 10, ProbeEvery: 10},
		Summary: runlog.Summary{InitVal: 4, LastVal: 5, PreciseVal: &loss},
	}
	for step, drift := range map[int]runlog.Float{1: 100, 10: 100, 20: 100, 30: 1, 40: 3} {
		r.Probes = append(r.Probes, runlog.Probe{Step: step, Norms: []runlog.NormProbe{
			{Name: "a", Drift: &runlog.Drift{Shift: drift, LogRatio: 1}},
			{Name: "b", Drift: &runlog.Drift{Shift: 2 * drift, LogRatio: 0}},
		}})
	}
	around := func(gradient runlog.Float) *runlog.Landscape {
		along := make([]runlog.Along, len(runlog.LandscapeTimes))
		for i := range along {
			along[i] = runlog.Along{Gradient: gradient, Loss: -gradient}
		}
		return &runlog.Landscape{
			Along: along, Blocks: []runlog.BlockChange{{Gradient: gradient, Cosine: 1}, {Gradient: gradient, Cosine: 0}},
		}
	}
	r.Steps = []runlog.Step{{Step: 10, Landscape: around(100)}, {Step: 20, Landscape: around(1)}, {Step: 30},
		{Step: 40, Landscape: around(2)}, {Step: 50, Landscape: around(6)}}
	var a shiftArm
	a.add(r)
	require.Equal(t, []placeDrift{{"a", []float64{3}}, {"b", []float64{4}}}, a.Places)
	require.Equal(t, series{3.5}, a.Drift)
	require.Equal(t, series{2}, a.Loss)
	require.Equal(t, series{4}, a.LastVal, "a loss above that of guessing counts as guessing")
	require.Equal(t, series{2}, a.Change)
	require.Equal(t, series{0.5}, a.Cosine)
	require.Equal(t, alongStep{Times: 4, Gradient: []float64{2}, Loss: []float64{-2}}, a.Along[3])
}

// TestShiftQuickForm trains the tiny models of every arm.
func TestShiftQuickForm(t *testing.T) {
	if testing.Short() {
		t.Skip("training takes seconds")
	}
	t.Parallel()
	b := &Bench{Settings: Settings{Seeds: []uint64{1, 2}, Quick: true}, Dir: t.TempDir()}
	d, err := measureShift(t.Context(), b)
	require.NoError(t, err)
	for _, a := range d.Arms {
		require.Len(t, a.Places, 9, a.Name)
		require.Len(t, a.Along, len(runlog.LandscapeTimes))
		for _, values := range [][]float64{
			a.Loss, a.LastVal, a.Drift, a.Change, a.Cosine, a.Places[8].Drift, a.Along[0].Loss,
		} {
			require.Len(t, values, 2, a.Name)
		}
	}
	require.Len(t, judgeShift(d), 2)
	require.Len(t, drawShift(d), 4)
}
