package report

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// checks of a fact on hand-made runs.
type checks []struct {
	name    string
	runs    []runlog.Run
	outcome outcome
	found   string // in part
}

const (
	asPredicted    = outcome(results.AsPredicted)
	notAsPredicted = outcome(results.NotAsPredicted)
	noDifference   = outcome(results.NoDifference)
	cannotBeJudged = outcome(results.CannotBeJudged)
)

// The indices of the facts.
const (
	growth = iota
	preNorm
	postNorm
	qkNorm
	layerRMS
	gap
)

func (cs checks) run(t *testing.T, fact int) {
	t.Helper()
	for _, c := range cs {
		t.Run(c.name, func(t *testing.T) {
			s, err := summarize(runlog.Records{Runs: c.runs})
			require.NoError(t, err)
			f := s.Facts[fact]
			assert.Equal(t, c.outcome, f.Outcome)
			assert.Contains(t, f.Found, c.found)
			assert.NotEmpty(t, f.Claim)
			assert.NotEmpty(t, f.Source)
		})
	}
}

type sizes = []runlog.Float

func residual(norm, placement string, seed uint64, first, end sizes) runlog.Run {
	return runtest.Probed(runtest.Cell(norm, placement, false, 0.01, seed, 2), first, end)
}

func TestGrowthWithoutNorm(t *testing.T) {
	t.Parallel()
	none := residual("none", "pre", 1, sizes{1, 2, 4}, sizes{1, 5, 40})    // 40 times, 10 times
	none2 := residual("none", "pre", 2, sizes{1, 2, 4}, sizes{4.5, 5, 40}) // 8.9 times
	layer := residual("layer", "pre", 1, sizes{1, 2, 4}, sizes{1, 5, 20})
	deep := residual("layer", "pre", 1, sizes{1, 2, 10}, sizes{0.1, 5, 20})
	climbing := residual("layer", "pre", 1, sizes{1, 2, 1}, sizes{1, 5, 20}) // 20 times, 20 times
	lost := residual("none", "pre", 2, sizes{1, 2, 4}, sizes{1, 5, inf})
	post := residual("layer", "post", 1, sizes{1, 2, 4}, sizes{1, 5, 1e6})
	bare := runtest.Cell("none", "pre", false, 0.01, 1, 2)
	cut := layer
	cut.Summary.Interrupted = true
	once := layer
	once.Probes = once.Probes[:1]
	at := func(lr float64, r runlog.Run) runlog.Run { r.Config.LR = lr; return r }
	checks{
		{
			"in both", []runlog.Run{none, layer}, asPredicted,
			`Of 1 learning rates, it grows most with depth at 1, with training at 1. At lr 0.01 the factors ` +
				`are, from the embedding to the last block, "none" 40, "layer" 20; from the first probe to the ` +
				`last, "none" 10, "layer" 5.`,
		},
		{"geometric mean over seeds", []runlog.Run{none, none2, layer}, notAsPredicted, `"none" 18.9, "layer" 20;`},
		{"in training alone", []runlog.Run{none, deep}, notAsPredicted, `most with depth at 0, with training at 1.`},
		{"with depth alone", []runlog.Run{none, climbing}, notAsPredicted, `most with depth at 1, with training at 0.`},
		{
			"at one rate of two", []runlog.Run{none, layer, at(0.1, none), at(0.1, deep)}, notAsPredicted,
			`Of 2 learning rates, it grows most with depth at 1 (0.01), with training at 2.`,
		},
		{
			"at both", []runlog.Run{none, layer, at(0.1, none), at(0.1, layer)}, asPredicted,
			`most with depth at 2, with training at 2.`,
		},
		{
			"a rate without the others does not count", []runlog.Run{none, layer, at(0.1, none2)}, asPredicted,
			"Of 1 learning rates",
		},
		{"a lost run does not count", []runlog.Run{none, lost, layer}, asPredicted, `"none" 40, "layer" 20;`},
		{"another placement does not count", []runlog.Run{none, layer, post}, asPredicted, `"none" 40, "layer" 20;`},
		{"no other norm", []runlog.Run{none, post}, cannotBeJudged, "under none and under a norm"},
		{"no none", []runlog.Run{layer}, cannotBeJudged, "under none and under a norm"},
		{"no probes of none", []runlog.Run{bare, layer}, cannotBeJudged, "under none and under a norm"},
		{"interrupted", []runlog.Run{none, cut}, cannotBeJudged, "under none and under a norm"},
		{"one probe", []runlog.Run{none, once}, cannotBeJudged, "under none and under a norm"},
	}.run(t, growth)
}

func TestPreNormAtStart(t *testing.T) {
	t.Parallel()
	end := sizes{1, 1, 1}
	within := residual("layer", "pre", 1, sizes{1, 1.5, 1.9}, end) // squares 2.25, 3.61 in 1.5…2.5, 2…4
	above := residual("rms", "pre", 1, sizes{1, 1.6, 1.9}, end)    // 2.56
	below := residual("rms", "pre", 1, sizes{1, 1.5, 1.4}, end)    // 1.96
	small := residual("layer", "pre", 2, sizes{0.03, 0.04, 0.05}, end)
	near := residual("layer", "pre", 3, sizes{1.04, 1.5, 1.9}, end) // 1.08
	far := residual("layer", "pre", 3, sizes{1.06, 1.5, 1.9}, end)  // 1.12
	late := within
	late.Probes = late.Probes[1:]
	checks{
		{
			"within", []runlog.Run{within}, asPredicted,
			"In 1 of 1 runs all blocks are within; after the last of 2, E‖x‖²/d is 3.61.",
		},
		{"above", []runlog.Run{within, above}, notAsPredicted, "In 1 of 2 runs"},
		{"below", []runlog.Run{within, below}, notAsPredicted, "is 1.96 to 3.61."},
		{"where the assumption holds", []runlog.Run{within, small}, asPredicted, "In 1 of 1 runs"},
		{"just within the assumption", []runlog.Run{near}, asPredicted, "In 1 of 1 runs"},
		{"just out of it", []runlog.Run{far}, cannotBeJudged, "which is 1.12 here"},
		{
			"small", []runlog.Run{small}, cannotBeJudged,
			"which is 0.0009 here (nanoGPT's initialisation gives about 0.0008); `go test ./models/transformer -run " +
				"Initialisation`",
		},
		{"no probe of step 1", []runlog.Run{late}, cannotBeJudged, "needs a probe of step 1"},
		{
			"other norms", []runlog.Run{residual("batch", "pre", 1, sizes{1, 1.5, 1.9}, end)}, cannotBeJudged,
			"needs a probe of step 1",
		},
		{
			"post-norm", []runlog.Run{residual("layer", "post", 1, sizes{1, 1.5, 1.9}, end)}, cannotBeJudged,
			"needs a probe of step 1",
		},
		{
			"not finite", []runlog.Run{residual("layer", "pre", 1, sizes{1, nan, 1.9}, end)}, cannotBeJudged,
			"needs a probe of step 1",
		},
	}.run(t, preNorm)
}

func TestPostNormAtStart(t *testing.T) {
	t.Parallel()
	end := sizes{1, 1, 1}
	steady := residual("layer", "post", 1, sizes{0.03, 1, 1.0049}, end)  // squares 0.98 % apart
	growing := residual("rms", "post", 1, sizes{0.03, 1, 1.0051}, end)   // 1.02 %
	shallow := residual("layer", "post", 1, sizes{0.03, 1}, sizes{1, 1}) // one block
	checks{
		{"steady", []runlog.Run{steady}, asPredicted, "is 0.982 %, of 1 runs."},
		{"one is not", []runlog.Run{steady, growing}, notAsPredicted, "is 1.02 %, of 2 runs."},
		{"one block", []runlog.Run{shallow}, cannotBeJudged, "of two blocks or more"},
		{
			"no post-norm", []runlog.Run{residual("layer", "pre", 1, sizes{1, 1, 1}, end)}, cannotBeJudged,
			"of two blocks or more",
		},
	}.run(t, postNorm)
}

// sensitive returns runs of a seed for each loss ℓ, over two learning rates: one with a loss
// of 2, one with ℓ. The sensitivity of the seed is (ℓ − 2)/2.
func sensitive(norm, placement string, qk bool, losses ...runlog.Float) (runs []runlog.Run) {
	for i, l := range losses {
		runs = append(
			runs, runtest.Cell(norm, placement, qk, 0.01, uint64(i+1), 2),
			runtest.Cell(norm, placement, qk, 0.1, uint64(i+1), l),
		)
	}
	return runs
}

func join(groups ...[]runlog.Run) (runs []runlog.Run) {
	for _, g := range groups {
		runs = append(runs, g...)
	}
	return runs
}

func TestQKNormSensitivity(t *testing.T) {
	t.Parallel()
	const numbers = `"layer" 0.550 to 0.400 (seeds overlap)`
	higher := join(sensitive("rms", "pre", false, 2.5, 2.6), sensitive("rms", "pre", true, 3, 3.2))
	lower := join(sensitive("layer", "pre", false, 3, 3.2), sensitive("layer", "pre", true, 2.5, 2.6))
	overlapping := join(sensitive("layer", "pre", false, 3, 3.2), sensitive("layer", "pre", true, 2.5, 3.1))
	single := join(sensitive("none", "pre", false, 2.5), sensitive("none", "pre", true, 3.5))
	checks{
		{
			"lower", lower, asPredicted,
			`Of 1 pairs with two seeds or more, the seeds of 1 are apart, lower with qk-norm in 1: "layer" 0.550 to ` +
				`0.275 (seeds apart). With 2 seeds, 33 % of pairs that do not differ come apart by chance.`,
		},
		{
			"higher", higher, notAsPredicted,
			`the seeds of 1 are apart, lower with qk-norm in 0: "rms" 0.275 to 0.550 (seeds apart).`,
		},
		{
			"overlapping, though lower", overlapping, noDifference,
			"Of 1 pairs with two seeds or more, the seeds of 0 are apart, lower with qk-norm in 0: " + numbers +
				". Overlap of 2 seeds proves little.",
		},
		{
			"overlapping, though higher",
			join(sensitive("layer", "pre", false, 2.5, 3.1), sensitive("layer", "pre", true, 3, 3.2)), noDifference,
			"(seeds overlap)",
		},
		{
			"lower for one, higher for one", join(lower, higher), notAsPredicted,
			`Of 2 pairs with two seeds or more, the seeds of 2 are apart, lower with qk-norm in 1: "layer" 0.550 to ` +
				`0.275 (seeds apart), "rms" 0.275 to 0.550 (seeds apart).`,
		},
		{
			"lower for one, no difference for one",
			join(overlapping, sensitive("rms", "pre", false, 3, 3.2), sensitive("rms", "pre", true, 2.5, 2.6)),
			asPredicted,
			"Of 2 pairs with two seeds or more, the seeds of 1 are apart, lower with qk-norm in 1: " + numbers,
		},
		{
			"one seed does not count", join(lower, single), asPredicted,
			`Of 1 pairs with two seeds or more, the seeds of 1 are apart, lower with qk-norm in 1: "none" 0.250 to ` +
				`0.750 (one seed), "layer" 0.550 to 0.275 (seeds apart).`,
		},
		{"one seed", single, cannotBeJudged, `It needs two seeds each: "none" 0.250 to 0.750 (one seed).`},
		{
			"one seed of one",
			join(sensitive("layer", "pre", false, 3, 3.2), sensitive("layer", "pre", true, 2.5)), cannotBeJudged,
			`It needs two seeds each: "layer" 0.550 to 0.250 (one seed).`,
		},
		{
			"equal", join(sensitive("layer", "pre", false, 3, 3), sensitive("layer", "pre", true, 3, 3)), noDifference,
			"the seeds of 0 are apart",
		},
		{
			"no pair", join(sensitive("layer", "pre", false, 3), sensitive("layer", "post", true, 2.5)), cannotBeJudged,
			"needs a norm with and without",
		},
		{
			"one rate",
			[]runlog.Run{runtest.Cell("rms", "pre", false, 1, 1, 2), runtest.Cell("rms", "pre", true, 1, 1, 2)},
			cannotBeJudged, "two or more",
		},
		{
			"other rates",
			join(
				sensitive("rms", "pre", false, 3),
				[]runlog.Run{runtest.Cell("rms", "pre", true, 0.01, 1, 2), runtest.Cell("rms", "pre", true, 1, 1, 2)},
			),
			cannotBeJudged, "the same two or more learning rates",
		},
		{
			"no learning",
			join(
				sensitive("rms", "pre", false, 3),
				[]runlog.Run{
					runtest.Cell("rms", "pre", true, 0.01, 1, 5), runtest.Cell("rms", "pre", true, 0.1, 1, nan),
				},
			),
			cannotBeJudged, "some of which train",
		},
	}.run(t, qkNorm)
}

func TestLayerLikeRMS(t *testing.T) {
	t.Parallel()
	losses := func(norm, placement string, ls ...runlog.Float) (runs []runlog.Run) {
		for i, l := range ls {
			runs = append(runs, runtest.Cell(norm, placement, false, 0.01, uint64(i+1), l))
		}
		return runs
	}
	checks{
		{
			"overlapping", join(losses("layer", "pre", 2, 2.2), losses("rms", "pre", 2.1, 2.3)),
			asPredicted, `Seeds overlap in 1 of 1 pairs: "layer" 2.100 ± 0.141 and "rms" 2.200 ± 0.141. ` +
				`Overlap of 2 seeds proves little.`,
		},
		{
			"the fewest seeds", join(losses("layer", "pre", 2, 2.2, 2.3, 2.2), losses("rms", "pre", 2.1, 2.3, 2.4)),
			asPredicted, "Overlap of 3 seeds proves little.",
		},
		{
			"layer lower", join(losses("layer", "pre", 2, 2.2), losses("rms", "pre", 2.3, 2.4)),
			notAsPredicted, `in 0 of 1 pairs: "layer" 2.100 ± 0.141 and "rms" 2.350 ± 0.071. ` +
				`With 2 seeds, 33 % of pairs that do not differ come apart by chance.`,
		},
		{
			"rms lower", join(losses("layer", "pre", 2, 2.2), losses("rms", "pre", 1.8, 1.9)), notAsPredicted,
			"in 0 of 1",
		},
		{
			"at one of two placements", join(
				losses("layer", "pre", 2, 2.2), losses("rms", "pre", 2.1, 2.3),
				losses("layer", "peri", 2, 2.2), losses("rms", "peri", 1.8, 1.9),
			),
			notAsPredicted, "in 1 of 2",
		},
		{"one seed", join(losses("layer", "pre", 2), losses("rms", "pre", 2.1)), cannotBeJudged, "two seeds each"},
		{
			"one seed of one", join(losses("layer", "pre", 2, 2.2), losses("rms", "pre", 2.1)), cannotBeJudged,
			"two seeds each",
		},
		{
			"different placements", join(losses("layer", "pre", 2, 2.2), losses("rms", "post", 2.1, 2.3)),
			cannotBeJudged, "at the same placement",
		},
		{
			"nothing finite", join(losses("layer", "pre", 2, 2.2), losses("rms", "pre", nan, nan)), cannotBeJudged,
			"two seeds each",
		},
	}.run(t, layerRMS)
}

func TestBatchGap(t *testing.T) {
	t.Parallel()
	withGap := func(norm string, qk bool, g runlog.Float) runlog.Run {
		r := runtest.Cell(norm, "pre", qk, 0.01, 1, 2)
		r.Summary.TrainModeVal = r.Summary.LastVal - g
		return r
	}
	seed := func(n uint64, r runlog.Run) runlog.Run { r.Config.Seed = n; return r }
	checks{
		{
			"larger", []runlog.Run{withGap("batch", false, 0.5), withGap("layer", false, 0)}, asPredicted,
			`runs: "batch" 0.500, "layer" 0.000. Without BatchNorm the modes compute the same, and the gap is 0 by ` +
				`construction;`,
		},
		{
			"the other way", []runlog.Run{withGap("batch", false, -0.5), withGap("layer", false, 0.25)}, asPredicted,
			`"batch" -0.500, "layer" 0.250. Under BatchNorm the loss is lower in evaluation mode. Without`,
		},
		{
			"the median, with its sign",
			[]runlog.Run{
				withGap("batch", false, -0.5), seed(2, withGap("batch", false, -0.25)),
				seed(3, withGap("batch", false, 0.25)), withGap("layer", false, 0),
			},
			asPredicted, `"batch" -0.250,`,
		},
		{
			"smaller", []runlog.Run{withGap("batch", false, 0.125), withGap("layer", false, -0.25)}, notAsPredicted,
			`"layer" -0.250. Without`,
		},
		{
			"just enough", []runlog.Run{withGap("batch", false, -0.0101), withGap("layer", false, 0)}, asPredicted,
			`"batch" -0.010`,
		},
		{
			"too little, the other way", []runlog.Run{withGap("batch", false, -0.0099), withGap("layer", false, 0)},
			notAsPredicted, `"layer" 0.000. Without`,
		},
		{
			"too little", []runlog.Run{withGap("batch", false, 0.0099), withGap("layer", false, 0)}, notAsPredicted,
			"a gap below 0.01 counts as none.",
		},
		{
			"none at all", []runlog.Run{withGap("batch", false, 0), withGap("layer", false, 0)}, notAsPredicted,
			`"batch" 0.000, "layer" 0.000. Without`,
		},
		{
			"no other", []runlog.Run{withGap("batch", false, 0.5), withGap("layer", true, 0.25)}, cannotBeJudged,
			"under another norm",
		},
		{
			"no batch", []runlog.Run{withGap("none", false, 0.5), withGap("layer", false, 0.25)}, cannotBeJudged,
			"under batch",
		},
		{
			"not measured", []runlog.Run{withGap("batch", false, nan), withGap("layer", false, 0.25)}, cannotBeJudged,
			"under batch",
		},
	}.run(t, gap)
}
