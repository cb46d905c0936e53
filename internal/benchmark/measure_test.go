package benchmark

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var nan = math.NaN()

func TestMedian(t *testing.T) {
	require.Equal(t, 2.0, median([]float64{3, 1, 2}))
	require.Equal(t, 2.5, median([]float64{4, 1, 2, 3}))
	require.True(t, math.IsNaN(median(nil)))
	require.True(t, math.IsNaN(median([]float64{1, nan, 2})))
}

// TestRatio has a contestant that takes twice as long as the other in each round, on a
// machine whose speed changes between rounds.
func TestRatio(t *testing.T) {
	s := samples{{2, 20, 6}, {1, 10, 3}}
	require.Equal(t, 6.0, s.median(0))
	require.Equal(t, 2.0, s.ratio(0, 1))
	require.Equal(t, 0.5, s.ratio(1, 0))
	require.True(t, math.IsNaN(samples{{1}, {nan}}.ratio(0, 1)))
}

// taking returns a contestant that reports the given time and records each turn.
func taking(seconds float64, name byte, turns *bytes.Buffer) contestant {
	return func(repeat int) (float64, error) {
		turns.WriteByte(name)
		return seconds * float64(repeat), nil
	}
}

func TestMeasureAlternates(t *testing.T) {
	var turns bytes.Buffer
	m := meter{rounds: 3, sample: 10 * time.Millisecond}
	s, err := m.measure(context.Background(), taking(1, 'a', &turns), taking(nan, 'b', &turns), taking(2, 'c', &turns))
	require.NoError(t, err)
	require.Equal(t, "abc"+"abcabcabc", turns.String(), "calibration, then rounds")
	require.Equal(t, []float64{1, 1, 1}, s[0])
	require.True(t, math.IsNaN(s.median(1)))
	require.Equal(t, 2.0, s.ratio(2, 0))
}

func TestCalibrationFillsTheSample(t *testing.T) {
	m := meter{sample: 10 * time.Millisecond}
	for _, c := range []struct {
		seconds  float64
		min, max int
	}{{1, 1, 1}, {10e-3, 1, 1}, {9e-3, 2, 2}, {1e-3, 10, 15}, {1e-6, 1e4, 2e4}, {0, 1, math.MaxInt}} {
		calls := 0
		repeat, err := m.calibrate(context.Background(), func(repeat int) (float64, error) {
			calls++
			return max(c.seconds, 1e-9) * float64(repeat), nil
		})
		require.NoError(t, err)
		require.GreaterOrEqual(t, repeat, c.min)
		require.LessOrEqual(t, repeat, c.max)
		require.Less(t, calls, 10)
	}
}

func TestMeasureEndsEarly(t *testing.T) {
	m := meter{rounds: 2, sample: time.Millisecond}
	broken := errors.New("broken")
	_, err := m.measure(context.Background(), timed(func() error { return broken }))
	require.ErrorIs(t, err, broken)

	ctx, cancel := context.WithCancel(context.Background())
	_, err = m.measure(ctx, func(int) (float64, error) { cancel(); return nan, nil })
	require.ErrorIs(t, err, context.Canceled)
}
