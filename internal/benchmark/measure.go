package benchmark

import (
	"context"
	"math"
	"runtime"
	"slices"
	"time"
)

// contestant repeats its work and returns how long that took, or NaN if it cannot run.
type contestant func(repeat int) (seconds float64, err error)

// timed returns a contestant in this process.
func timed(f func() error) contestant {
	return func(repeat int) (float64, error) {
		start := time.Now()
		for range repeat {
			if err := f(); err != nil {
				return 0, err
			}
		}
		return time.Since(start).Seconds(), nil
	}
}

// plain is timed for work that returns no error.
func plain(f func()) contestant {
	return timed(func() error { f(); return nil })
}

// on returns the contestant on a number of threads.
func (c contestant) on(threads int) contestant {
	return func(repeat int) (float64, error) {
		runtime.GOMAXPROCS(threads)
		return c(repeat)
	}
}

// meter measures contestants.
type meter struct {
	rounds int
	sample time.Duration // least time of a contestant in a round
}

// A measurement that takes longer than patience ends after fewRounds.
const (
	patience  = 4 * time.Second
	fewRounds = 3
)

// measure lets contestants work in turn, round after round, so that other work of the
// machine affects all of them equally. It calibrates each of them first, which also warms
// it up.
func (m meter) measure(ctx context.Context, cs ...contestant) (samples, error) {
	runtime.GC()
	repeat := make([]int, len(cs))
	for i, c := range cs {
		var err error
		if repeat[i], err = m.calibrate(ctx, c); err != nil {
			return nil, err
		}
	}
	s := make(samples, len(cs))
	start := time.Now()
	for r := range m.rounds {
		if r >= fewRounds && time.Since(start) > patience {
			break
		}
		for i, c := range cs {
			t, err := c.work(ctx, repeat[i])
			if err != nil {
				return nil, err
			}
			s[i] = append(s[i], t/float64(repeat[i]))
		}
	}
	return s, nil
}

// calibrate returns the number of repetitions that fill a sample.
func (m meter) calibrate(ctx context.Context, c contestant) (repeat int, err error) {
	want := m.sample.Seconds()
	for repeat = 1; ; {
		t, err := c.work(ctx, repeat)
		if err != nil {
			return 0, err
		}
		if !(t < want) { // or NaN
			return repeat, nil
		}
		grow := 1.2 * want / t
		repeat = int(math.Ceil(float64(repeat) * min(max(grow, 1.2), 100)))
	}
}

// work lets the contestant work. It returns an error if the context has ended by then.
func (c contestant) work(ctx context.Context, repeat int) (float64, error) {
	t, err := c(repeat)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return t, err
}

// samples has the seconds per repetition of each contestant in each round.
type samples [][]float64

// median returns the median of contestant i's times.
func (s samples) median(i int) float64 { return median(s[i]) }

// ratio returns the ratio of the time of contestant i to that of j. It is the median of the
// rounds' ratios, because both times of a round are measured at almost the same moment.
func (s samples) ratio(i, j int) float64 {
	r := make([]float64, len(s[i]))
	for k := range r {
		r[k] = s[i][k] / s[j][k]
	}
	return median(r)
}

// median returns the median, or NaN if a value is NaN or there are no values.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v)) // NaNs first
	n := len(v)
	if n == 0 || math.IsNaN(v[0]) {
		return math.NaN()
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}
