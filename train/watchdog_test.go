package train

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
)

func TestLost(t *testing.T) {
	nan := runlog.Float(math.NaN())
	// of returns steps with these validation losses, where 0 stands for none. The untrained loss is 4.
	of := func(losses ...runlog.Float) (steps []Step) {
		for i, v := range losses {
			s := Step{Step: i + 1, Loss: 3, GradNorm: 1}
			if v != 0 {
				s.ValLoss = &losses[i]
			}
			steps = append(steps, s)
		}
		return steps
	}
	for _, c := range []struct {
		name  string
		steps []Step
		want  bool
	}{
		{"one bad validation", of(0, 5), false},
		{"two", of(0, 4, 5), true},
		{"two, with steps between", of(0, 0, 5, 0, 0, 4), true},
		{"only at a validation", of(0, 0, 5, 0, 0, 4, 0), false},
		{"a good one between", of(0, 5, 3, 5), false},
		{"one during warm-up", of(5, 5), false},
		{"not finite", append(of(3), Step{Step: 2, Loss: nan, GradNorm: 1}), true},
		{"validation not finite", of(3, nan), true},
		{"fine", of(3, 2), false},
	} {
		require.Equal(t, c.want, lost(c.steps, 1, 4), c.name)
	}

	// By default, with warm-up in a third of the steps, a lost run ends early.
	c := Defaults()
	c.Warmup = c.Steps / 3
	var steps []Step
	for i := range c.Steps {
		s := Step{Step: i + 1, Loss: 5, GradNorm: 1}
		if s.Step%c.EvalEvery == 0 {
			s.ValLoss = &s.Loss
		}
		if steps = append(steps, s); lost(steps, c.Warmup, 4) {
			break
		}
	}
	require.Less(t, len(steps), c.Steps)
}
