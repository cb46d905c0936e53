package lab

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
)

// never is a line that is never due.
type never struct{ io.Writer }

func (never) Due() bool                    { return false }
func (never) ShowRows(...func(int) string) {}
func (never) Clear()                       {}

// always is a line that is always due, and keeps the rows.
type always struct {
	bytes.Buffer
	rows []func(int) string
}

func (*always) Due() bool                           { return true }
func (a *always) ShowRows(rows ...func(int) string) { a.rows = rows }
func (*always) Clear()                              {}

// TestTheTimeLeftDoesNotOverflow has a number of steps that overflows an int.
func TestTheTimeLeftDoesNotOverflow(t *testing.T) {
	t.Parallel()
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

// TestProgressFitsTheTerminal: at every width the time left is whole and first, and each run has a
// row with its step, its loss and, where there is room, its losses as a picture.
func TestProgressFitsTheTerminal(t *testing.T) {
	t.Parallel()
	runs := []runlog.Config{tiny("layer"), tiny("batch")}
	runs[0].Steps, runs[1].Steps = 1000, 1000
	runs[1].QKNorm = true
	line := &always{}
	p := newProgress(line, runs)
	p.began = time.Now().Add(-time.Hour)
	for step := 1; step <= 500; step++ {
		for i, c := range runs {
			loss := runlog.Float(4 * math.Exp(-float64(step)/100))
			if i == 1 && step > 400 {
				loss = runlog.Float(math.NaN())
			}
			p.step(c, runlog.Step{Step: step, Loss: loss})
		}
	}
	require.Len(t, line.rows, 3)
	for _, width := range []int{40, 80, 200} {
		for _, row := range line.rows {
			require.LessOrEqual(t, utf8.RuneCountInString(row(width)), width)
		}
		require.Equal(t, "1 h 0 min left  [0/2]", line.rows[0](width))
		require.Contains(t, line.rows[1](width), " 500/1000  loss 0.02695")
		require.Contains(t, line.rows[2](width), " 500/1000  loss NaN")
		require.Equal(t, width >= 80, strings.Contains(line.rows[1](width), "█▇"), width)
		require.Equal(t, width >= 80, strings.Contains(line.rows[2](width), "×"), width)
	}
	require.Equal(t, "layer-pre-lr0.01-seed1  500/1000  loss 0.02695"[:22], line.rows[1](0)[:22])
	require.Contains(t, line.rows[1](40), "…", "the middle of the name is cut")
	for width := range 40 {
		line.rows[1](width)
		require.LessOrEqual(t, utf8.RuneCountInString(line.rows[0](max(1, width))), max(1, width))
	}
	p.done(runlog.Run{Config: runs[0]})
	require.Len(t, p.rows(), 2)
	require.Contains(t, line.String(), "[1/2]  "+runs[0].ID())
}

// TestHistoryKeepsMeans of a series that is longer than it.
func TestHistoryKeepsMeans(t *testing.T) {
	t.Parallel()
	var h history
	for i := range 10_000 {
		h.add(float64(i))
	}
	require.Less(t, len(h.parts), mostParts)
	for i := 1; i < len(h.parts); i++ {
		require.InDelta(t, float64(h.size), h.parts[i]-h.parts[i-1], 1e-9)
	}
	require.Equal(t, 20, utf8.RuneCountInString(h.picture(20)))
	require.True(t, strings.HasPrefix(h.picture(20), "▁") && strings.HasSuffix(h.picture(20), "█"))
	require.Equal(t, "   ", history{}.picture(3))
	require.Equal(t, "▁ ", history{parts: []float64{1}}.picture(2))
}
