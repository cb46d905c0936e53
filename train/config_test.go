package train

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNumbersOutOfRange has every floating-point setting of a run out of its range. A run
// whose settings JSON cannot write would be lost at its end.
func TestNumbersOutOfRange(t *testing.T) {
	text := corpus(t, verse)
	nan, inf := math.NaN(), math.Inf(1)
	settings := map[string]struct {
		want string // around the value
		bad  []float64
	}{
		"LR":          {"lr is %g, want a number from 0 to 1000", []float64{-1e-3, nan, inf, -inf, 1e39}},
		"MinLR":       {"min-lr is %g, want a number from 0 to 1000", []float64{-1e-3, nan, inf, -inf, 1e39}},
		"Beta1":       {"beta1 is %g, want 0 or more and less than 1", []float64{1, 1.5, -1, nan, inf, -inf}},
		"Beta2":       {"beta2 is %g, want 0 or more and less than 1", []float64{1, 1.5, -1, nan, inf, -inf}},
		"WeightDecay": {"weight-decay is %g, want a number from 0 to 1000", []float64{-0.1, nan, inf, -inf}},
		"NormNoise":   {"norm-noise is %g, want a number from 0 to 1000", []float64{-0.1, nan, inf, -inf, 2000}},
		"Clip":        {"clip is %g, want a number above 0, or 0 to clip nothing", []float64{-1, nan, inf, -inf}},
		"TextShare":   {"text-share is %g, want a number from 0 to 1", []float64{-0.1, 1.1, nan, inf, -inf}},
	}
	for i := range reflect.TypeFor[Config]().NumField() {
		field := reflect.TypeFor[Config]().Field(i)
		if field.Type.Kind() != reflect.Float64 {
			continue
		}
		require.Contains(t, settings, field.Name)
		for _, v := range settings[field.Name].bad {
			c := tiny("layer")
			reflect.ValueOf(&c).Elem().Field(i).SetFloat(v)
			require.EqualError(t, Check(c, text), fmt.Sprintf("train: "+settings[field.Name].want, v))
		}
	}
}

// TestSettingsAtTheEdgeAreRecorded trains with the largest and smallest allowed numbers,
// and reads the run back.
func TestSettingsAtTheEdgeAreRecorded(t *testing.T) {
	text := corpus(t, verse)
	for name, change := range map[string]func(*Config){
		"no clipping":      func(c *Config) { c.Clip = 0 },
		"the highest clip": func(c *Config) { c.Clip = math.MaxFloat64 },
		"the lowest clip":  func(c *Config) { c.Clip = math.SmallestNonzeroFloat64 },
		"betas":            func(c *Config) { c.Beta1, c.Beta2 = math.Nextafter(1, 0), math.Nextafter(1, 0) },
		"no betas":         func(c *Config) { c.Beta1, c.Beta2 = 0, 0 },
		"rates":            func(c *Config) { c.LR, c.MinLR, c.WeightDecay = 1000, 1000, 1000 },
		"no rates":         func(c *Config) { c.LR, c.MinLR, c.WeightDecay = 0, 0, 0 },
		"the most noise":   func(c *Config) { c.NormNoise = 1000 },
		"integers": func(c *Config) {
			c.Warmup, c.EvalEvery, c.EvalBatches, c.ProbeEvery = math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt
			c.Seed = math.MaxUint64
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := tiny("batch")
			c.Steps = 3
			change(&c)
			model, run, err := Train(context.Background(), c, text, nil)
			require.NoError(t, err)
			for _, s := range run.Steps {
				require.GreaterOrEqual(t, float64(s.LR), 0.)
				require.LessOrEqual(t, float64(s.LR), c.LR)
			}
			dir := filepath.Join(t.TempDir(), "run")
			require.NoError(t, WriteRun(dir, run, model))
			back, err := ReadRun(dir)
			require.NoError(t, err)
			require.Equal(t, run.Config, back.Config)
		})
	}
}

func TestNoClippingEqualsAHighLimit(t *testing.T) {
	text := corpus(t, verse)
	c := tiny("layer")
	c.Steps, c.Clip = 5, 0
	_, none, err := Train(context.Background(), c, text, nil)
	require.NoError(t, err)
	c.Clip = 1e30
	_, high, err := Train(context.Background(), c, text, nil)
	require.NoError(t, err)
	require.Equal(t, high.Steps, none.Steps)
	c.Clip = 0.1
	_, low, err := Train(context.Background(), c, text, nil)
	require.NoError(t, err)
	require.NotEqual(t, low.Steps, none.Steps, "the gradients must be clipped for this test")
}
