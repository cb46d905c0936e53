package runlog

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	nan = Float(math.NaN())
	inf = Float(math.Inf(1))
)

// same compares numbers. NaN equals NaN.
func same(t *testing.T, want, got Float, what string) {
	t.Helper()
	if math.IsNaN(float64(want)) {
		require.True(t, math.IsNaN(float64(got)), "%s is %v, want NaN", what, got)
		return
	}
	if !want.Finite() {
		require.Equal(t, want, got, what)
		return
	}
	require.InDelta(t, float64(want), float64(got), 1e-12, what)
}

// wave returns values that alternate between 1 and 3, with mean 2 and deviation 1.
func wave(n int) []Float {
	s := make([]Float, n)
	for i := range s {
		s[i] = Float(1 + 2*(i%2))
	}
	return s
}

func TestSummaryOfSteps(t *testing.T) {
	val := func(v Float) *Float { return &v }
	for _, c := range []struct {
		name  string
		steps []Step
		want  Summary
	}{
		{
			"the best is not the last",
			[]Step{
				{Step: 1, Loss: 4, GradNorm: 1, ValLoss: val(3)},
				{Step: 2, Loss: 2, GradNorm: 7, ValLoss: val(1)},
				{Step: 3, Loss: 3, GradNorm: 2, ValLoss: val(2)},
				{Step: 4, Loss: 2.5, GradNorm: 2},
			},
			Summary{Steps: 4, InitVal: 4, FirstLoss: 4, LastLoss: 2.5, BestVal: 1, LastVal: 2,
				MedianGradNorm: 2, MaxGradNorm: 7, GradNormCV: Float(math.Sqrt(5.5) / 3),
				LossSpikes: nan, GradSpikes: nan},
		},
		{
			"the loss diverges",
			[]Step{{Step: 1, Loss: 4, GradNorm: 1}, {Step: 2, Loss: nan, GradNorm: nan}},
			Summary{Steps: 2, InitVal: 4, FirstLoss: 4, LastLoss: nan, BestVal: nan, LastVal: nan,
				MedianGradNorm: inf, MaxGradNorm: nan, GradNormCV: nan, LossSpikes: nan, GradSpikes: nan,
				DivergedAt: 2, Divergence: NonFinite},
		},
		{
			"no step",
			nil,
			Summary{InitVal: 4, FirstLoss: nan, LastLoss: nan, BestVal: nan, LastVal: nan,
				MedianGradNorm: nan, MaxGradNorm: nan, GradNormCV: nan, LossSpikes: nan, GradSpikes: nan},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Summary{InitVal: 4}
			got.measure(c.steps, 4, NotLearning)
			require.Equal(t, written(t, c.want), written(t, got))
		})
	}
	long := make([]Step, 80)
	for i := range long {
		long[i] = Step{Step: i + 1, Loss: wave(80)[i], GradNorm: 1}
	}
	long[70].Loss, long[75].GradNorm = 50, 2
	var s Summary
	s.measure(long, 4, NotLearning)
	require.Equal(t, 20, s.SpikeWindow)
	same(t, 1./60, s.LossSpikes, "loss spikes")
	same(t, 1./60, s.GradSpikes, "gradient spikes")
}

// written returns a summary's text, which unlike NaN equals itself.
func written(t *testing.T, s Summary) string {
	var b strings.Builder
	require.NoError(t, indented(s)(&b))
	return b.String()
}

func TestSpikeScore(t *testing.T) {
	// with returns the wave with other values at some places.
	with := func(n int, at map[int]Float) []Float {
		s := wave(n)
		for i, v := range at {
			s[i] = v
		}
		return s
	}
	for _, c := range []struct {
		name   string
		values []Float
		window int
		want   Float
	}{
		{"none", wave(50), 10, 0},
		{"seven deviations above are a spike", with(50, map[int]Float{30: 2 + 7}), 10, 1. / 40},
		{"seven deviations below are a spike", with(50, map[int]Float{30: 2 - 7}), 10, 1. / 40},
		{"a little less is not a spike", with(50, map[int]Float{30: 2 + 6.99}), 10, 0},
		{"a spike in the window hides the next", with(50, map[int]Float{30: 100, 35: 9}), 10, 1. / 40},
		{"a spike that left the window hides none", with(50, map[int]Float{30: 100, 41: 9}), 10, 2. / 40},
		{"a non-finite value is a spike and in no window", with(50, map[int]Float{30: nan, 31: inf, 33: 9.5}), 10, 3. / 40},
		{"the first values have no window", with(50, map[int]Float{9: 100}), 10, 0},
		{"constant", make([]Float, 50), 10, 0},
		{"a step up from constant", append(make([]Float, 20), 1), 10, 1. / 11},
		{"too short", wave(10), 10, nan},
		{"no window", wave(10), 0, nan},
	} {
		t.Run(c.name, func(t *testing.T) {
			same(t, c.want, spikeScore(c.values, c.window), "score")
		})
	}
}

func TestSpikeWindow(t *testing.T) {
	for n, want := range map[int]int{0: 0, 39: 0, 40: 10, 200: 50, 3999: 999, 4000: 1000, 100000: 1000} {
		require.Equal(t, want, spikeWindow(n), "%d values", n)
	}
}

func TestGradientNormMeasures(t *testing.T) {
	for _, c := range []struct {
		name                       string
		values                     []Float
		median, largest, variation Float
	}{
		{"odd", []Float{5, 1, 3}, 3, 5, Float(math.Sqrt(8./3) / 3)},
		{"even", []Float{4, 1, 2, 9}, 3, 9, Float(math.Sqrt(9.5) / 4)},
		{"constant", []Float{2, 2, 2, 2}, 2, 2, 0},
		{"one", []Float{7}, 7, 7, nan},
		{"not finite", []Float{1, nan, 3}, 3, nan, 0.5},
		{"none", nil, nan, nan, nan},
	} {
		t.Run(c.name, func(t *testing.T) {
			same(t, c.median, Median(c.values), "median")
			same(t, c.largest, Largest(c.values), "largest")
			same(t, c.variation, variation(c.values), "variation")
		})
	}
}

func TestDivergence(t *testing.T) {
	val := func(v Float) *Float { return &v }
	fine := Step{Step: 1, Loss: 3, GradNorm: 1}
	for _, c := range []struct {
		name        string
		steps       []Step
		interrupted bool
		at          int
		how         Divergence
	}{
		{"none", nil, false, 0, ""},
		{"learning", []Step{fine, {Step: 2, Loss: 9, GradNorm: 1, ValLoss: val(3.9)}}, false, 0, ""},
		{"loss", []Step{fine, {Step: 2, Loss: nan, GradNorm: 1}, {Step: 3, Loss: 2, GradNorm: 1, ValLoss: val(2)}},
			false, 2, NonFinite},
		{"gradient", []Step{{Step: 1, Loss: 3, GradNorm: inf}}, false, 1, NonFinite},
		{"validation", []Step{fine, {Step: 2, Loss: 3, GradNorm: 1, ValLoss: val(nan)}}, false, 2, NonFinite},
		{"ends where it began", []Step{fine, {Step: 2, Loss: 3, GradNorm: 1, ValLoss: val(4)}}, false, 2, NotLearning},
		{"ends above",
			[]Step{fine, {Step: 2, Loss: 3, GradNorm: 1, ValLoss: val(2)}, {Step: 3, Loss: 3, GradNorm: 1, ValLoss: val(5)}},
			false, 3, NotLearning},
		{"interrupted", []Step{{Step: 1, Loss: 3, GradNorm: 1, ValLoss: val(5)}}, true, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, how := diverged(c.steps, 4, NotLearning, c.interrupted)
			require.Equal(t, c.at, at)
			require.Equal(t, c.how, how)
		})
	}
}

func TestLRSensitivity(t *testing.T) {
	for _, c := range []struct {
		name   string
		losses []Float
		want   Float
	}{
		{"flat", []Float{2, 2, 2}, 0},
		{"by hand", []Float{3, 2, 2.5, 4}, Float((1 + 0 + 0.5 + 2) / 4.)},
		{"a loss above the start counts as the start", []Float{2, 100, inf, nan}, Float((0 + 2 + 2 + 2) / 4.)},
		{"one rate", []Float{2}, 0},
		{"none learns", []Float{4, 5, nan}, nan},
		{"no rates", nil, nan},
	} {
		same(t, c.want, LRSensitivity(c.losses, 4), c.name)
	}
}

func TestLargestRate(t *testing.T) {
	rates := []Float{0.001, 0.01, 0.1, 1}
	for _, c := range []struct {
		name   string
		losses []Float
		want   Float
	}{
		{"the best", []Float{3, 2, 2.11, 4}, 0.01},
		{"within", []Float{3, 2, 2.1, nan}, 0.1},
		{"after a worse one", []Float{2, 3, 2.05, inf}, 0.1},
		{"the last", []Float{2, 2, 2, 2}, 1},
		{"none finite", []Float{nan, inf, nan, inf}, nan},
	} {
		same(t, c.want, LargestRate(rates, c.losses, 0.1), c.name)
	}
	same(t, 1, LargestRate([]Float{1, 0.1}, []Float{2, 2}, 0.1), "any order")
}

func TestMeanStd(t *testing.T) {
	mean, std := MeanStd([]Float{1, 2, 3, 6})
	same(t, 3, mean, "mean")
	same(t, Float(math.Sqrt(14./3)), std, "deviation of a sample")
	mean, std = MeanStd([]Float{5})
	same(t, 5, mean, "mean of one")
	require.True(t, math.IsNaN(float64(std)))
	mean, _ = MeanStd(nil)
	require.True(t, math.IsNaN(float64(mean)))
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		name   string
		groups [][]Float
		want   []Place
	}{
		{"apart", [][]Float{{3, 4}, {1, 2}, {5, 6}}, []Place{{2, 2}, {1, 1}, {3, 3}}},
		{"overlapping", [][]Float{{1, 3}, {2, 4}, {5, 6}}, []Place{{1, 2}, {1, 2}, {3, 3}}},
		{"touching", [][]Float{{1, 2}, {2, 3}}, []Place{{1, 2}, {1, 2}}},
		{"a chain: the ends are apart", [][]Float{{1, 3}, {2, 5}, {4, 6}}, []Place{{1, 2}, {1, 3}, {2, 3}}},
		{"a wide spread gains nothing",
			[][]Float{{1, 2}, {3, 4}, {1, 6}, {5, 6}}, []Place{{1, 2}, {2, 3}, {1, 4}, {3, 4}}},
		{"one seed orders nothing", [][]Float{{1}, {2}}, []Place{{1, 2}, {1, 2}}},
		{"one seed beside others", [][]Float{{1}, {2, 3}, {4, 5}}, []Place{{1, 3}, {1, 2}, {2, 3}}},
		{"not a number is last", [][]Float{{nan, 9}, {1, 2}}, []Place{{2, 2}, {1, 1}}},
		{"none", nil, []Place{}},
	} {
		require.Equal(t, c.want, Places(c.groups), c.name)
	}
}
