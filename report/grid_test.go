package report

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
)

var inf = runlog.Float(math.Inf(1))

// cell is a run of a grid by what sets it apart and its final loss, which starts
// from 4.2; above that the run is no better than its start, and one that is not
// finite was stopped at step 12 of 20.
type cell struct {
	norm      string
	placement string
	qk        bool
	lr        float64
	seed      uint64
	loss      runlog.Float
}

const initVal = 4.2

func (c cell) run() runlog.Run {
	r := runlog.Run{Config: defaults}
	r.Config.Norm, r.Config.Placement, r.Config.QKNorm = c.norm, c.placement, c.qk
	r.Config.LR, r.Config.MinLR, r.Config.Seed, r.Config.Steps = c.lr, c.lr/10, c.seed, 20
	r.Config.Data, r.Config.DataSHA256 = "/somewhere/else/Isaac.Newton-Opticks.txt", strings.Repeat("0123456789abcdef", 4)
	steps := 20
	s := &r.Summary
	*s = runlog.Summary{
		Norm: c.norm, Parameters: 804_096, InitVal: initVal,
		MedianGradNorm: runlog.Float(c.lr), MaxGradNorm: 10 * runlog.Float(c.lr), GradNormCV: 0.5,
		LossSpikes: 0.02, GradSpikes: 0.04, SpikeWindow: 50, TrainModeVal: c.loss,
	}
	if c.norm == "batch" {
		s.TrainModeVal -= 0.02
	}
	if !c.loss.Finite() {
		steps = 12
		s.TrainModeVal, s.MaxGradNorm = nan, inf
		s.Stopped, s.DivergedAt, s.Divergence = true, 12, runlog.NonFinite
		s.NonFinite = "GELU transformer.h.0.mlp.gelu forward: +Inf"
	} else if c.loss >= initVal {
		s.DivergedAt, s.Divergence = 20, runlog.NotLearning
	}
	for i := 1; i <= steps; i++ {
		done := runlog.Float(i) / 20
		step := runlog.Step{Step: i, Loss: initVal + done*(c.loss-initVal), GradNorm: 2 - done, LR: runlog.Float(c.lr)}
		if !c.loss.Finite() {
			step.Loss, step.GradNorm = initVal+done, 2+3*done
			if i == steps {
				step.Loss = nan
			}
		}
		if i == 10 || i == 20 {
			v := step.Loss
			step.ValLoss = &v
		}
		r.Steps = append(r.Steps, step)
	}
	median, top := s.MedianGradNorm, s.MaxGradNorm
	sum(&r)
	s.MedianGradNorm, s.MaxGradNorm = median, top
	r.Speed = runlog.Speed{TokensPerSec: 20_000, Seconds: 5}
	return r
}

func runsOf(cells ...cell) (runs []runlog.Run) {
	for _, c := range cells {
		runs = append(runs, c.run())
	}
	return runs
}

// probed gives a run two probes of two blocks: the residual stream's RMS after
// embedding and blocks is that of first in step 1, and of end in the last.
func probed(r runlog.Run, first, end []runlog.Float) runlog.Run {
	for i, sizes := range [][]runlog.Float{first, end} {
		p := runlog.Probe{Step: 1, Attention: []runlog.Float{1, 2}, LogZ: runlog.Moments{Mean: 4.2}}
		n := runlog.NormProbe{Name: "h.0.ln_1"}
		if i > 0 {
			p.Step = len(r.Steps)
			n.Drift = &runlog.Drift{Shift: 0.5}
		}
		if r.Config.Norm == "batch" {
			n.Batch = &runlog.Batch{Mean: 0.1, Var: 0.2}
		}
		for _, s := range sizes {
			p.Residual = append(p.Residual, runlog.Spread{RMS: s, Max: 4 * s})
		}
		p.Norms = []runlog.NormProbe{n}
		if r.Config.QKNorm {
			q := runlog.NormProbe{Name: "h.0.attn.qk_norm"}
			if i > 0 {
				q.Drift = &runlog.Drift{Shift: 1.5}
			}
			p.Norms = append(p.Norms, q)
		}
		p.Groups = []runlog.GroupProbe{{Name: "wte", Update: 0.01}, {Name: "wpe", Update: 0.03}}
		r.Probes = append(r.Probes, p)
	}
	return r
}

// someGrid is three norms, one of them in two placements and with qk-norm, over
// three rates and two seeds, with one run missing, one interrupted and some lost.
func someGrid() []runlog.Run {
	var cells []cell
	for _, v := range []struct {
		norm      string
		placement string
		qk        bool
		losses    [3]runlog.Float
	}{
		{"none", "pre", false, [3]runlog.Float{2.6, 3.1, inf}},
		{"batch", "pre", false, [3]runlog.Float{2.2, 2.1, 2.4}},
		{"layer", "pre", false, [3]runlog.Float{2, 1.8, 2.2}},
		{"layer", "pre", true, [3]runlog.Float{2, 1.85, 1.9}},
		{"layer", "post", false, [3]runlog.Float{1.95, 3, 4.3}},
		{"rms", "pre", false, [3]runlog.Float{2, 1.81, 2.3}},
	} {
		for i, lr := range []float64{0.001, 0.01, 0.1} {
			for seed := range uint64(2) {
				cells = append(cells, cell{v.norm, v.placement, v.qk, lr, seed + 1, v.losses[i] + 0.03*runlog.Float(seed)})
			}
		}
	}
	runs := runsOf(cells...)
	for i := range runs {
		end := []runlog.Float{0.1, 0.4, 0.8}
		if runs[i].Config.Norm == "none" {
			end = []runlog.Float{0.1, 1, 6}
		}
		runs[i] = probed(runs[i], []runlog.Float{0.03, 0.04, 0.05}, end)
	}
	cut := &runs[10] // batch, lr 0.1, seed 1
	cut.Steps, cut.Summary.Steps, cut.Summary.Interrupted = cut.Steps[:8], 8, true
	return slices.Delete(runs, 29, 30) // layer post, lr 0.1, seed 2
}

// Neither the order of the runs nor their speed can be seen.
func TestSameRunsSameReport(t *testing.T) {
	twice := someRuns()
	twice = append(twice, made("layer", 9), made("layer", 8)) // equal in all settings
	for name, runs := range map[string][]runlog.Run{"one a norm": someRuns(), "grid": someGrid(), "twice": twice, "edges": edgeRuns()["all of them"]} {
		t.Run(name, func(t *testing.T) {
			var table, page bytes.Buffer
			require.NoError(t, Table(&table, runs))
			require.NoError(t, HTML(&page, runs))
			random := rand.New(rand.NewPCG(1, 2))
			for range 5 {
				shuffled := slices.Clone(runs)
				random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				for i := range shuffled {
					shuffled[i].Speed = runlog.Speed{TokensPerSec: runlog.Float(random.Float64()), Seconds: nan}
				}
				given := slices.Clone(shuffled)
				var b bytes.Buffer
				require.NoError(t, Table(&b, shuffled))
				require.Equal(t, table.String(), b.String())
				b.Reset()
				require.NoError(t, HTML(&b, shuffled))
				require.Equal(t, page.String(), b.String())
				for i := range given {
					require.Equal(t, given[i].Config, shuffled[i].Config, "the caller's runs were moved")
				}
			}
		})
	}
}

func TestOrder(t *testing.T) {
	want := []cell{
		{"none", "post", false, 0.1, 1, 2},
		{"layer", "pre", false, 0.01, 1, 2},
		{"layer", "pre", false, 0.01, 2, 2},
		{"layer", "pre", false, 0.1, 1, 2},
		{"layer", "pre", true, 0.01, 1, 2},
		{"layer", "post", false, 0.01, 1, 2},
		{"layer", "peri", false, 0.01, 1, 2},
		{"layer", "sandwich", false, 0.01, 1, 2},
		{"rms", "pre", false, 0.01, 1, 2},
		{"alpha", "pre", false, 0.01, 1, 2},
		{"zeta", "pre", false, 0.01, 1, 2},
	}
	shuffled := slices.Clone(want)
	slices.Reverse(shuffled)
	shuffled[0], shuffled[4] = shuffled[4], shuffled[0]
	for i, r := range sorted(runsOf(shuffled...)) {
		assert.Equal(t, want[i].run().Config, r.Config)
	}

	short, long := cell{"rms", "pre", false, 1, 1, 2}.run(), cell{"rms", "pre", false, 1, 1, 2}.run()
	short.Config.Steps, long.Config.Steps = 60, 300
	assert.Equal(t, []runlog.Run{short, long}, sorted([]runlog.Run{long, short}), "other settings go by size")
	short.Config.Seed = 2
	assert.Equal(t, []runlog.Run{long, short}, sorted([]runlog.Run{short, long}), "the seed goes first")
}

func TestSpeed(t *testing.T) {
	runs := runsOf(
		cell{"layer", "pre", false, 0.01, 1, 2}, cell{"layer", "pre", false, 0.01, 2, 2}, cell{"layer", "pre", false, 0.01, 3, 2},
		cell{"none", "pre", false, 0.01, 1, 2}, cell{"none", "pre", false, 0.1, 1, 2}, cell{"rms", "pre", false, 0.01, 1, 2},
	)
	for i, v := range []runlog.Float{30_000, 10_000, 20_717.4, 15_000, 15_385, 0} {
		runs[i].Speed.TokensPerSec = v
	}
	var b bytes.Buffer
	require.NoError(t, Speed(&b, runs))
	assert.Equal(t, "Speed, tokens/s: none 15,193, layer 20,717, rms –\n", b.String())
	require.EqualError(t, Speed(&b, nil), "report: no runs")
	require.ErrorIs(t, Speed(full{}, runs), errFull)
}
