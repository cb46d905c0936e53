package results

import (
	"testing"

	"gorgonorm/internal/hostile"
	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

// TestNoPanics calls every exported function and method with what nobody means to give.
func TestNoPanics(t *testing.T) {
	t.Parallel()
	runs := runtest.OneEach()
	of := Of(runs)
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{
			"CoverageOf": CoverageOf, "KindOf": KindOf, "CompareKinds": CompareKinds, "LastResidual": LastResidual,
			"Attention": Attention, "Shift": Shift, "BatchMean": BatchMean, "BatchVar": BatchVar, "UpdateRatio": UpdateRatio,
			"Of": Of, "Rate": Rate, "FateOf": FateOf, "HighestLoss": HighestLoss, "CellOf": CellOf, "RangeOf": RangeOf,
			"Chance": Chance, "Final": Final,
		},
		Values: []any{
			of, of.Variants[0], of.ByLoss(), KindOf(runs[0]), CoverageOf(runlog.Records{Runs: runs}), Outcome(9), Outcome(-1),
			runs[0], runlog.Records{Runs: runs}, runlog.Probe{}, runlog.Step{},
		},
		Tries: 100, Most: 100,
	})
}
