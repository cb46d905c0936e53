package claims

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/train"
)

// TestGrowthIsFound looks at models whose weights are large enough for branches to be larger than
// their inputs: the stream without norms is exponential, pre-norm's is linear, and post-norm's flat.
func TestGrowthIsFound(t *testing.T) {
	t.Parallel()
	forms := map[string]string{"none": "exponential", "pre": "linear", "open": "linear", "peri": "linear", "post": "flat"}
	text, err := defaultText()
	require.NoError(t, err)
	for _, arm := range growthArms {
		m := growthModel{Arm: arm.name}
		for seed := range uint64(3) {
			c := train.Defaults()
			c.Norm, c.Placement, c.Layers, c.Channels, c.Context, c.Seed = arm.norm, string(arm.placement), 16, 32, 16, seed
			model, _, err := train.InitialModel(c, text)
			require.NoError(t, err)
			for _, w := range model.Learnables() {
				if !strings.Contains(w.Name(), ".c_") {
					continue
				}
				x := w.Value().Data().([]float32)
				for i := range x {
					x[i] *= 20
				}
			}
			o, err := observe(model, text)
			require.NoError(t, err)
			var r growthRun
			for _, x := range o.residual[1:] {
				r.Initial = append(r.Initial, math.Sqrt(meanSquare(x.data, false)))
			}
			m.Runs = append(m.Runs, r)
		}
		f, err := m.form(initial)
		require.NoError(t, err)
		if want, known := forms[arm.name]; known { // with LayerNorm Scaling it is below a line
			require.Equal(t, want, f.name, "%s: %+v", arm.name, f)
		}
		if arm.name == "none" {
			require.Greater(t, f.factor.Mean, 100.0)
		}
	}
}

// TestGrowthQuickForm trains the tiny models of every arm.
func TestGrowthQuickForm(t *testing.T) {
	if testing.Short() {
		t.Skip("training takes seconds")
	}
	t.Parallel()
	b := &Bench{Settings: Settings{Seeds: []uint64{1, 2}, Quick: true}, Dir: t.TempDir()}
	d, err := measureStreams(context.Background(), b)
	require.NoError(t, err)
	require.Len(t, d.Models, 3*len(growthArms), "two depths, the deeper at two rates")
	for _, m := range d.Models {
		require.Len(t, m.Runs, 2)
		for _, r := range m.Runs {
			require.Len(t, r.Initial, m.Layers)
			require.Len(t, r.Trained, m.Layers)
			require.Equal(t, []int{1, 2, 3, 4, 5, 6}, r.Steps)
		}
	}
	require.Len(t, judgeStreams(d), 5)
	for _, f := range drawStreams(d) {
		require.Len(t, f.Curves, len(growthArms), f.Title)
	}
}
