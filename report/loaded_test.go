package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// tuned returns a run of a grid that starts from loaded weights, with a loss of 7 without a
// norm and of 2 with one.
func tuned(norm string, lr, last float64) runlog.Run {
	r := residual(norm, "pre", 1, sizes{1, 1.5, 1.9}, sizes{1, 5, 40})
	r.Config.LR = lr
	r.Config.Init = "/somewhere/layer-pre-lr0.003-seed1/model.safetensors"
	r.Config.InitSHA256 = strings.Repeat("abcd", 16)
	r.Config.Vocabulary = "abcdefghijklmnopqrst" // ln 20 = 2.996
	r.Summary.InitVal, r.Summary.LastVal = 2, runlog.Float(last)
	if norm == "none" {
		r.Summary.InitVal = 7
	}
	return r
}

func TestRunsFromLoadedWeights(t *testing.T) {
	t.Parallel()
	lost := tuned("none", 0.1, 3.5)
	lost.Summary.DivergedAt, lost.Summary.Divergence = 20, runlog.Guessing
	runs := []runlog.Run{tuned("layer", 0.01, 1.5), tuned("layer", 0.1, 2), tuned("none", 0.01, 2.5), lost}
	s, err := summarize(runlog.Records{Runs: runs})
	require.NoError(t, err)

	const from = `"layer-pre-lr0.003-seed1/model.safetensors"`
	for _, f := range s.Facts {
		require.Equal(t, cannotBeJudged, f.Outcome, f.Claim)
		require.Equal(t, "It is about training from random weights, and these runs start from "+from+".", f.Found)
	}
	require.Contains(
		t, s.Notes,
		`The runs start from loaded weights, `+from+
			`. Validation loss before the first step: "none" 7.000, "layer" 2.000. `+
			`Runs that did not end below it: "layer" 1 of 2.`,
	)
	require.Contains(
		t, s.Notes,
		"Diverged: a loss or the gradient norm was not finite, or the last validation loss was not below that of "+
			"guessing among the vocabulary's characters, which is near that of random weights.",
	)
	require.Contains(t, strings.Join(s.Notes, "\n"), "min(loss, loss of guessing)")
	require.Contains(t, s.Verdict[len(s.Verdict)-1], "the losses show how each continues from them")

	// (2.5 + ln 20)/2 − 2.5: a loss above that of guessing counts as guessing, not as the first one, 7
	none := s.Variants[0]
	require.Equal(t, results.Kind{Norm: "none", Placement: "pre"}, none.Kind)
	require.InDelta(t, 0.2479, float64(none.Sensitivity), 1e-4)

	html := render(t, runs)
	has(t, html, "<dt>init</dt><dd>layer-pre-lr0.003-seed1/model.safetensors</dd>",
		"<dt>init sha256</dt><dd>abcdabcdabcd</dd>", "</svg> guessing</li>", "no better than guessing")
	hasNot(t, html, "init except")
}

// TestRunsFromRandomWeights: their report does not mention loaded ones.
func TestRunsFromRandomWeights(t *testing.T) {
	t.Parallel()
	a, b := tuned("layer", 0.01, 1.5), tuned("layer", 0.1, 1)
	for _, r := range []*runlog.Run{&a, &b} {
		r.Config.Init, r.Config.InitSHA256 = "", ""
	}
	html := render(t, []runlog.Run{a, b})
	hasNot(t, html, "loaded", "guessing", ">init<", "init sha256", "random weights")
	has(t, html, "</svg> before training</li>", "not below that of the initial weights.")
}

// TestOneRunEachFromLoadedWeights: runs from loaded weights without a grid.
func TestOneRunEachFromLoadedWeights(t *testing.T) {
	t.Parallel()
	lost := tuned("none", 0.01, 3.5)
	lost.Summary.DivergedAt, lost.Summary.Divergence, lost.Summary.BestVal = 20, runlog.Guessing, 3
	layer := tuned("layer", 0.01, 1.5)
	layer.Summary.BestVal = 1.5
	require.Equal(t, "none, no better than guessing", trace{row: row{"none", lost}}.label())
	var b bytes.Buffer
	require.NoError(t, Table(&b, runlog.Records{Runs: []runlog.Run{layer, lost}}, 110))
	words := strings.Join(strings.Fields(b.String()), " ")
	require.Contains(t, words, "step 20, no better than guessing")
	require.Contains(t, words, `"none" diverged: at step 20 it was no better than guessing`)
	require.Contains(t, words, `next is "none" (though it ended no better than guessing) with 3.000`)
	require.Contains(t, words, `Validation loss before the first step: "none" 7.000, "layer" 2.000.`)
}
