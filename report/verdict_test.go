package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

func TestStability(t *testing.T) {
	t.Parallel()
	fine := runlog.Summary{Steps: 9, FirstLoss: 4, LastLoss: 2}
	worse := runlog.Summary{Steps: 9, FirstLoss: 4, LastLoss: 5}
	exploded := runlog.Summary{Steps: 9, FirstLoss: 4, LastLoss: nan, DivergedAt: 9}
	stuck := runlog.Summary{Steps: 9, FirstLoss: 4, LastLoss: 5, DivergedAt: 9, Divergence: runlog.NotLearning}
	lost := runlog.Summary{Steps: 2, FirstLoss: nan, LastLoss: nan}
	stopped := runlog.Summary{Steps: 5, FirstLoss: 4, LastLoss: 2, Interrupted: true}
	for want, s := range map[string][]runlog.Summary{
		`"none" stayed stable.`:     {fine},
		`All 2 runs stayed stable.`: {fine, fine},
		`"none" and "layer" stayed stable; "batch" diverged at step 9.`: {fine, exploded, fine},
		`"none" diverged: at step 9 it was no better than its start.`:   {stuck},
		`"none" did not diverge, but ended above the first loss.`:       {worse},
		`"none" stayed stable until stopped at step 5.`:                 {stopped},
		`"none" took no step; "batch" left no finite loss to judge by.`: {{}, lost},
	} {
		assert.Equal(t, want, stability(rowsOf(s)))
	}

	clipped := rowsOf([]runlog.Summary{fine})
	clipped[0].Steps = []runlog.Step{{Step: 1, Loss: 4}, {Step: 2, Loss: 2e8}, {Step: 3, Loss: nan}, {Step: 9, Loss: 2}}
	assert.Equal(t, `"none" did not diverge, but the loss rose to 2e+08 at step 2.`, stability(clipped))
}

func TestBest(t *testing.T) {
	t.Parallel()
	val := func(vs ...runlog.Float) (ss []runlog.Summary) {
		for _, v := range vs {
			ss = append(ss, runlog.Summary{BestVal: v})
		}
		return ss
	}
	diverged := val(1.5, 1.25)
	diverged[1].DivergedAt = 7
	const lowest = "The lowest best validation loss, 1.250 nats per token, is that of "
	for _, c := range []struct {
		runs []runlog.Summary
		want string
	}{
		{val(nan, inf), `No run has a validation loss.`},
		{val(nan, 1.5), `The only validation loss, 1.500 nats per token at best, is that of "batch".`},
		{val(1.5, 1.25), lowest + `"batch"; next is "none" with 1.500.`},
		{diverged, lowest + `"batch" (before it diverged); next is "none" with 1.500.`},
		{val(1.2501, 1.3, 1.25), lowest + `"layer" and "none"; next is "batch" with 1.300.`},
		{val(1.25, 1.25), lowest + `"none" and "batch".`},
	} {
		assert.Equal(t, c.want, bestOf(c.runs))
	}
}

func TestCaveat(t *testing.T) {
	t.Parallel()
	run := func(seed uint64, hash string) runlog.Run {
		return runlog.Run{Config: runlog.Config{Seed: seed, DataSHA256: hash}}
	}
	caveat := func(runs ...runlog.Run) string { return summary{Results: results.Results{Runs: runs}}.caveat() }
	assert.Contains(t, caveat(run(1, "a"), run(1, "a")), "One seed")
	assert.Contains(t, caveat(run(1, "a"), run(2, "a")), "2 seeds")
	assert.Contains(t, caveat(run(1, "a"), run(1, "b")), "different texts")
}

// bestOf returns the sentence about the best of runs with the summaries.
func bestOf(ss []runlog.Summary) string {
	s := summary{Rows: rowsOf(ss)}
	for _, r := range s.Rows {
		s.Runs = append(s.Runs, r.Run)
	}
	return s.best()
}

// rowsOf names the summaries after the norms, in their order.
func rowsOf(ss []runlog.Summary) (rows []row) {
	for i, s := range ss {
		rows = append(rows, row{runlog.Norms[i], runlog.Run{Summary: s}})
	}
	return rows
}

func TestRanking(t *testing.T) {
	t.Parallel()
	type f = []runlog.Float
	variants := func(values ...f) (vs []results.Variant) {
		names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		for i, v := range values {
			vs = append(vs, results.Variant{Name: names[i], Lowest: v})
		}
		return vs
	}
	for _, c := range []struct {
		name string
		vs   []results.Variant
		want string
	}{
		{"apart", variants(f{3, 3.1}, f{2, 2.1}, f{1, 1.1}), `By it: "c" before "b" before "a".`},
		{
			"all overlap", variants(f{2, 2.3}, f{2.1, 2.15}, f{2.12, 2.2}),
			`By it: "b", "a" and "c" (no difference between them: their seeds overlap).`,
		},
		{
			"two, then one, then one", variants(f{5, 5}, f{4, 4.1}, f{2, 2.2}, f{2.1, 2}),
			`By it: "d" and "c" (no difference between them: their seeds overlap) before "b" before "a".`,
		},
		{
			"overlap in a chain", variants(f{1, 2}, f{1.5, 3}, f{2.5, 4}),
			`By it: "a", "b" and "c" (their seeds overlap, except "a" before "c").`,
		},
		{
			"the same values", variants(f{2, 2}, f{2, 2}),
			`By it: "a" and "b" (no difference between them: their seeds overlap).`,
		},
		{
			"a long chain", variants(f{1, 2}, f{1.5, 3}, f{2.5, 4}, f{3.5, 5}, f{4.5, 6}, f{5.5, 7}, f{6.5, 8}),
			`By it: "a", "b", "c", "d", "e", "f" and "g" (many of their seeds overlap; see the places).`,
		},
		{
			"a lost seed comes last", variants(f{1, nan}, f{2, 3}),
			`By it: "b" and "a" (no difference between them: their seeds overlap).`,
		},
		{"one lost altogether", variants(f{nan, nan}, f{2, 3}, f{1, 1}), `By it: "c" before "b"; no place for "a".`},
		{
			"one seed", variants(f{2}, f{1}, f{3}),
			`By it: "b" 1.000, "a" 2.000, "c" 3.000; one seed cannot show whether they differ.`,
		},
		{"one of one seed", variants(f{2, 2}, f{1}, f{3, 3}), `By it: "a" before "c"; no place for "b".`},
		{"one alone", variants(f{2, 3}), `By it: "a" 2.500.`},
		{"no value", variants(f{nan, nan}, nil), ""},
	} {
		got, ordered := ranking("By it", results.Results{Variants: c.vs}.ByLoss())
		assert.Equal(t, c.want, got, c.name)
		assert.Equal(t, strings.Contains(got, "before"), ordered, c.name)
	}
}

func TestDivergence(t *testing.T) {
	t.Parallel()
	at := func(norm string, losses ...runlog.Float) (runs []runlog.Run) {
		for i, lr := range []float64{0.001, 0.01, 0.1, 1}[:len(losses)] {
			runs = append(runs, runtest.Cell(norm, "pre", false, lr, 1, losses[i]))
		}
		return runs
	}
	for _, c := range []struct {
		name string
		runs []runlog.Run
		want string
	}{
		{"never", append(at("layer", 2, 2), at("rms", 2, 2)...), `None of the 2 variants diverged.`},
		{
			"from a rate on", append(at("none", 2, 2, inf, 5), at("layer", 2, 2, 2, 2)...),
			`"none" diverged in 2 of 4 runs, from lr 0.1 on; "layer" never diverged.`,
		},
		{"at the last", at("none", 2, 2, 2, inf), `"none" diverged in 1 of 4 runs, at lr 1.`},
		{"with a gap", at("none", 2, inf, 2, inf), `"none" diverged in 2 of 4 runs, at lr 0.01 and 1.`},
		{"at a low rate alone", at("none", 5, 2, 2, 2), `"none" diverged in 1 of 4 runs, at lr 0.001.`},
		{"in every run", at("none", inf, inf), `"none" diverged in every run.`},
		{"one rate", runtest.Plain("none", map[float64][]runlog.Float{1: {2, inf}}), `"none" diverged in 1 of 2 runs.`},
		{
			"at every rate", runtest.Plain("none", map[float64][]runlog.Float{0.1: {2, inf}, 1: {inf, 3}}),
			`"none" diverged in 2 of 4 runs, at every learning rate.`,
		},
	} {
		s, err := summarize(runlog.Records{Runs: c.runs})
		assert.NoError(t, err)
		assert.Equal(t, c.want, divergence(s.Variants), c.name)
	}
}
