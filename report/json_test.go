package report

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

// TestJSONHasTheResultsOfTheTable, what is missing and what is broken.
func TestJSONHasTheResultsOfTheTable(t *testing.T) {
	t.Parallel()
	runs := runtest.Grid()
	records := runlog.Records{
		Runs: runs, Broken: []runlog.Broken{{Name: "<x>", Reason: "it is cut short"}},
		Plan: planOf(runs, planned("layer", "pre", 1, 1)),
	}
	var b bytes.Buffer
	require.NoError(t, JSON(&b, records))
	var got struct {
		Answer   string
		Complete bool
		Missing  []struct{ ID string }
		Broken   []runlog.Broken
		Variants []struct {
			Name        string
			BestLoss    runlog.Float   `json:"best_loss"`
			BySeed      []runlog.Float `json:"best_loss_by_seed"`
			TopLR       runlog.Float   `json:"top_lr"`
			UnstableLRs []runlog.Float `json:"unstable_lrs"`
			Diverged    int
		}
		Predictions []struct{ Outcome string }
		Runs        []struct {
			ID      string
			LR      float64
			Summary runlog.Summary
		}
	}
	require.NoError(t, json.Unmarshal(b.Bytes(), &got))
	s, err := summarize(records)
	require.NoError(t, err)
	assert.Equal(t, s.title(), got.Answer)
	assert.False(t, got.Complete)
	require.Len(t, got.Missing, 2, "one that was never run, and one that was interrupted")
	assert.Equal(t, records.Broken, got.Broken)
	require.Len(t, got.Variants, len(s.Variants))
	for i, v := range s.Variants {
		assert.Equal(t, v.Name, got.Variants[i].Name)
		assert.Equal(t, v.Best, got.Variants[i].BestLoss)
		assert.Equal(t, v.Lowest, got.Variants[i].BySeed)
		assert.Equal(t, v.LargestLR, got.Variants[i].TopLR)
		assert.Equal(t, v.Diverged, got.Variants[i].Diverged)
	}
	assert.Equal(t, []runlog.Float{0.1}, got.Variants[0].UnstableLRs)
	assert.Len(t, got.Predictions, len(s.Facts))
	require.Len(t, got.Runs, len(runs))
	assert.Equal(t, "none-pre-lr0.001-seed1", got.Runs[0].ID)
	assert.Equal(t, runs[0].Summary.LastVal, got.Runs[0].Summary.LastVal)

	var again bytes.Buffer
	require.NoError(t, JSON(&again, records))
	assert.Equal(t, b.String(), again.String())
	require.ErrorIs(t, JSON(full{}, records), errFull)
}

// TestJSONOfEdges: whatever was measured, programs can read it, and no list is null.
func TestJSONOfEdges(t *testing.T) {
	t.Parallel()
	for name, runs := range runtest.Edges() {
		var b bytes.Buffer
		require.NoError(t, JSON(&b, runlog.Records{Runs: runs}), name)
		require.True(t, json.Valid(b.Bytes()), name)
		for _, list := range []string{"missing", "broken", "variants", "predictions", "runs", "unstable_lrs"} {
			require.NotContains(t, b.String(), `"`+list+`": null`, name)
		}
	}
}
