package lab

import (
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
)

// never is a line that is never due.
type never struct{ io.Writer }

func (never) Due() bool   { return false }
func (never) Show(string) {}
func (never) Clear()      {}

// TestTheTimeLeftDoesNotOverflow has a number of steps that overflows an int.
func TestTheTimeLeftDoesNotOverflow(t *testing.T) {
	runs := make([]runlog.Config, 3)
	for i := range runs {
		runs[i].Steps, runs[i].Seed = math.MaxInt, uint64(i)
	}
	p := newProgress(never{io.Discard}, runs)
	p.began = time.Now().Add(-time.Hour)
	p.step(runs[0], runlog.Step{Step: 1})
	require.Greater(t, p.timeLeft(), 100*365*24*time.Hour)
	p.done(runlog.Run{Config: runs[0]})
	require.Greater(t, p.timeLeft(), 100*365*24*time.Hour)
}
