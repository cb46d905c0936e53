package report

import (
	"testing"

	"github.com/stretchr/testify/assert"

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
		{"apart", variants(f{3, 3.1}, f{2, 2.1}, f{1, 1.1}), `By it: 1 "c", 2 "b", 3 "a".`},
		{"all overlap", variants(f{2, 2.3}, f{2.1, 2.15}, f{2.12, 2.2}), `By it: 1–3 "b", "a" and "c".`},
		{
			"two, then one, then one", variants(f{5, 5}, f{4, 4.1}, f{2, 2.2}, f{2.1, 2}),
			`By it: 1–2 "d" and "c", 3 "b", 4 "a".`,
		},
		{"overlap in a chain", variants(f{1, 2}, f{1.5, 3}, f{2.5, 4}), `By it: 1–2 "a", 1–3 "b", 2–3 "c".`},
		{"the same values", variants(f{2, 2}, f{2, 2}), `By it: 1–2 "a" and "b".`},
		{"a lost seed comes last", variants(f{1, nan}, f{2, 3}), `By it: 1–2 "b" and "a".`},
		{"one lost altogether", variants(f{nan, nan}, f{2, 3}, f{1, 1}), `By it: 1 "c", 2 "b"; no place for "a".`},
		{
			"one seed", variants(f{2}, f{1}, f{3}),
			`By it: "b" 1.000, "a" 2.000, "c" 3.000; one seed cannot show whether they differ.`,
		},
		{"one of one seed", variants(f{2, 2}, f{1}, f{3, 3}), `By it: 1 "a", 2 "c"; no place for "b".`},
		{"one alone", variants(f{2, 3}), `By it: "a" 2.500.`},
		{"no value", variants(f{nan, nan}, nil), ""},
	} {
		assert.Equal(t, c.want, ranking("By it", results.Results{Variants: c.vs}.ByLoss()), c.name)
	}
}
