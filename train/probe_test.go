package train

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

func TestGroupNames(t *testing.T) {
	for name, want := range map[string]string{
		"transformer.wte.weight":             "wte",
		"transformer.h.0.ln_1.weight":        "h.0.ln",
		"transformer.h.12.ln_2_post.bias":    "h.12.ln",
		"transformer.h.0.attn.c_attn.weight": "h.0.attn",
		"transformer.h.0.attn.q_norm.weight": "h.0.attn",
		"transformer.h.3.mlp.c_proj.bias":    "h.3.mlp",
		"transformer.ln_f.weight":            "ln_f",
	} {
		require.Equal(t, want, groupName(name))
	}
}

func TestDrift(t *testing.T) {
	before := distribution{mean: []float64{0, 10, 3}, variance: []float64{1, 4, 0}}
	for _, c := range []struct {
		name string
		now  distribution
		want runlog.Drift
	}{
		{"none", before, runlog.Drift{Shift: 0, LogRatio: 0}},
		{"one feature shifted by two deviations, one by a half",
			distribution{[]float64{-2, 11, 3}, before.variance}, runlog.Drift{Shift: 1.25, LogRatio: 0}},
		{"one feature e times as wide, one narrower by as much",
			distribution{before.mean, []float64{math.E * math.E, 4 / (math.E * math.E), 0}},
			runlog.Drift{Shift: 0, LogRatio: 1}},
		{"a feature with variance 0 is left out",
			distribution{[]float64{1, 10, 3}, []float64{1, 0, 1}}, runlog.Drift{Shift: 1, LogRatio: 0}},
	} {
		got := driftOf(before, c.now)
		require.InDelta(t, float64(c.want.Shift), float64(got.Shift), 1e-12, c.name)
		require.InDelta(t, float64(c.want.LogRatio), float64(got.LogRatio), 1e-12, c.name)
	}
	got := driftOf(before, distribution{before.mean, make([]float64, 3)})
	require.True(t, math.IsNaN(float64(got.Shift)) && math.IsNaN(float64(got.LogRatio)), "no feature remains")
}

func TestBatchDistance(t *testing.T) {
	batch := distribution{mean: []float64{1, 2}, variance: []float64{2, 4}}    // of 3 rows: unbiased 3 and 6
	running := distribution{mean: []float64{4, -2}, variance: []float64{6, 2}} // 5 and 5 away
	require.Equal(t, &runlog.Batch{Mean: 2.5, Var: 2.5}, batchOf(batch, running, 3), "over 2 features")
}

func TestSpreadAndMoments(t *testing.T) {
	require.Equal(t, runlog.Spread{RMS: 5, Max: 7}, spreadOf([]float32{-7, 1}))
	require.Equal(t, runlog.Moments{Mean: 2, Std: 2}, momentsOf([]float32{0, 4}))
}

// TestProbesReadTheGraph computes the probes of two steps from the nodes' values, in plain
// loops.
func TestProbesReadTheGraph(t *testing.T) {
	for _, norm := range []string{"none", "batch", "layer"} {
		for _, placement := range transformer.Placements {
			t.Run(norm+"/"+string(placement), func(t *testing.T) {
				c := tiny(norm)
				c.Placement, c.QKNorm, c.ProbeEvery, c.Clip = string(placement), true, 1, 1e-3
				l, err := newLoop(c, corpus(t, verse))
				require.NoError(t, err)
				defer l.close()
				learnables := l.model.Learnables()
				var run Run
				before := make(map[int][]float64) // mean and deviation of each feature of a norm's input
				for range 2 {
					running := make(map[int][2][]float64) // BatchNorm's statistics before the step
					for i, n := range l.train.activations.Norms {
						if b, ok := n.Layer.(*layers.BatchNorm); ok {
							running[i] = [2][]float64{float64s(b.RunningMean()), float64s(b.RunningVar())}
						}
					}
					weights := make([][]float64, len(learnables))
					for i, n := range learnables {
						weights[i] = elements(n)
					}
					step, err := l.step(&run)
					require.NoError(t, err)
					p := run.Probes[len(run.Probes)-1]
					a := l.train.activations

					require.Len(t, p.Residual, c.Layers+1)
					for i, n := range a.Residual {
						requireSpread(t, matrixOf(n), p.Residual[i])
					}
					require.Len(t, p.Norms, len(a.Norms))
					for i, n := range a.Norms {
						require.Equal(t, n.Layer.Name(), "transformer."+p.Norms[i].Name)
						requireSpread(t, seenBy(n.Layer, n.In), p.Norms[i].In)
						requireSpread(t, seenBy(n.Layer, n.Out), p.Norms[i].Out)
						now := features(seenBy(n.Layer, n.In))
						if before[i] != nil {
							var shift, ratio float64
							for j := 0; j < len(now); j += 2 {
								shift += math.Abs(now[j]-before[i][j]) / before[i][j+1] / float64(len(now)/2)
								ratio += math.Abs(math.Log(now[j+1]/before[i][j+1])) / float64(len(now)/2)
							}
							// after a BatchNorm the means are rounding errors
							require.InDelta(t, shift, float64(p.Norms[i].Drift.Shift), 1e-4*shift+1e-6)
							require.InEpsilon(t, ratio, float64(p.Norms[i].Drift.LogRatio), 1e-4)
						} else {
							require.Nil(t, p.Norms[i].Drift)
						}
						before[i] = now
						if _, ok := n.Layer.(*layers.BatchNorm); !ok {
							require.Nil(t, p.Norms[i].Batch)
							continue
						}
						var mean, variance float64
						unbiased := float64(c.Batch*c.Context) / float64(c.Batch*c.Context-1)
						for j := range c.Channels {
							mean += math.Pow(now[2*j]-running[i][0][j], 2)
							variance += math.Pow(now[2*j+1]*now[2*j+1]*unbiased-running[i][1][j], 2)
						}
						require.InEpsilon(t, math.Sqrt(mean)/float64(c.Channels), float64(p.Norms[i].Batch.Mean), 1e-4)
						require.InEpsilon(t, math.Sqrt(variance)/float64(c.Channels), float64(p.Norms[i].Batch.Var), 1e-4)
					}
					for i, n := range a.QKV {
						require.InEpsilon(t, largestLogit(n, c.Heads), float64(p.Attention[i]), 1e-5)
					}
					requireOutputs(t, a.Logits, p)

					var grad float64
					for _, g := range p.Groups {
						var w, u float64
						for i, n := range learnables {
							if groupName(n.Name()) == g.Name {
								for j, v := range elements(n) {
									w += weights[i][j] * weights[i][j]
									u += (v - weights[i][j]) * (v - weights[i][j])
								}
							}
						}
						require.InEpsilon(t, math.Sqrt(w), float64(g.Weight), 1e-5, g.Name)
						require.InEpsilon(t, math.Sqrt(u/w), float64(g.Update), 1e-4, g.Name)
						grad += float64(g.Grad * g.Grad)
					}
					require.InEpsilon(t, math.Sqrt(grad), float64(step.GradNorm), 1e-6, "before clipping")
				}
			})
		}
	}
}

// matrix has the rows and features of a node.
type matrix struct {
	x    []float64
	cols int
}

func matrixOf(n *G.Node) matrix { return matrix{elements(n), n.Shape()[len(n.Shape())-1]} }

// seenBy leaves out the values of QKNorm's input, which has queries, keys and values.
func seenBy(l layers.Layer, n *G.Node) matrix {
	all := matrixOf(n)
	if _, ok := l.(*layers.QKNorm); !ok {
		return all
	}
	m := matrix{cols: all.cols * 2 / 3}
	for i, v := range all.x {
		if i%all.cols < m.cols {
			m.x = append(m.x, v)
		}
	}
	return m
}

func requireSpread(t *testing.T, m matrix, got runlog.Spread) {
	t.Helper()
	var squares, top float64
	for _, v := range m.x {
		squares += v * v
		top = max(top, math.Abs(v))
	}
	require.InEpsilon(t, math.Sqrt(squares/float64(len(m.x))), float64(got.RMS), 1e-6)
	require.Equal(t, top, float64(got.Max))
}

// features returns the mean and deviation of each feature over the rows.
func features(m matrix) (out []float64) {
	rows := len(m.x) / m.cols
	for j := range m.cols {
		var mean, variance float64
		for r := range rows {
			mean += m.x[r*m.cols+j] / float64(rows)
		}
		for r := range rows {
			variance += math.Pow(m.x[r*m.cols+j]-mean, 2) / float64(rows)
		}
		out = append(out, mean, math.Sqrt(variance))
	}
	return out
}

func largestLogit(qkv *G.Node, heads int) float64 {
	x, s := elements(qkv), qkv.Shape()
	width, size := s[2], s[2]/3/heads
	top := math.Inf(-1)
	for b := range s[0] {
		for h := range heads {
			for i := range s[1] {
				for j := range i + 1 {
					var dot float64
					for k := range size {
						dot += x[(b*s[1]+i)*width+h*size+k] * x[(b*s[1]+j)*width+width/3+h*size+k]
					}
					top = max(top, dot/math.Sqrt(float64(size)))
				}
			}
		}
	}
	return top
}

func requireOutputs(t *testing.T, logits *G.Node, p runlog.Probe) {
	t.Helper()
	x, cols := elements(logits), logits.Shape()[2]
	var z []float64
	for r := 0; r < len(x); r += cols {
		var sum float64
		for _, v := range x[r : r+cols] {
			sum += math.Exp(v)
		}
		z = append(z, math.Log(sum))
	}
	for _, c := range []struct {
		values []float64
		got    runlog.Moments
	}{{x, p.Logits}, {z, p.LogZ}} {
		var mean, variance float64
		for _, v := range c.values {
			mean += v / float64(len(c.values))
		}
		for _, v := range c.values {
			variance += (v - mean) * (v - mean) / float64(len(c.values))
		}
		const single = 5e-7 // exponentials are summed in float32
		require.InDelta(t, mean, float64(c.got.Mean), single)
		require.InDelta(t, math.Sqrt(variance), float64(c.got.Std), single)
	}
}

// TestProbesChangeNothing compares a run with probes to one without.
func TestProbesChangeNothing(t *testing.T) {
	text := corpus(t, verse)
	for _, norm := range []string{"batch", "layer"} {
		c := tiny(norm)
		var steps [2][]Step
		for i, every := range []int{0, 1} {
			c.ProbeEvery = every
			_, run, err := Train(t.Context(), c, text, nil)
			require.NoError(t, err)
			require.Len(t, run.Probes, every*c.Steps)
			steps[i] = run.Steps
		}
		require.Equal(t, steps[0], steps[1])
	}
}

func TestProbesIncludeTheFirstAndLastStep(t *testing.T) {
	c := tiny("rms")
	c.Steps, c.ProbeEvery = 25, 10
	_, run, err := Train(t.Context(), c, corpus(t, verse), nil)
	require.NoError(t, err)
	var at []int
	for _, p := range run.Probes {
		at = append(at, p.Step)
	}
	require.Equal(t, []int{1, 10, 20, 25}, at)
}

// TestTheFirstNonFiniteNodeIsNamed replaces weights by NaN, infinity and a large number.
func TestTheFirstNonFiniteNodeIsNamed(t *testing.T) {
	for _, c := range []struct {
		weight string
		value  float64
		want   string
	}{
		{"transformer.h.1.mlp.c_fc.weight", math.NaN(), "transformer.h.1.mlp.c_fc.weight: NaN"},
		{"transformer.h.0.ln_2.weight", math.Inf(1), "transformer.h.0.ln_2.weight: +Inf"},
		// finite, but its square overflows:
		{"transformer.h.1.attn.c_attn.weight", 1e38, "Linear transformer.h.1.attn.c_attn forward: "},
	} {
		t.Run(c.weight, func(t *testing.T) {
			l, err := newLoop(tiny("layer"), corpus(t, verse))
			require.NoError(t, err)
			defer l.close()
			_, err = l.step(&Run{})
			require.NoError(t, err)
			require.Empty(t, firstNonFinite(l.train.g))
			for _, n := range l.model.Learnables() {
				if n.Name() == c.weight {
					w := n.Value().(*tensor.Dense).Float32s()
					for i := range w {
						w[i] = float32(c.value)
					}
				}
			}
			s, err := l.step(&Run{})
			require.NoError(t, err)
			require.False(t, s.Finite())
			require.Contains(t, l.nonFinite(s), c.want)
		})
	}
}
