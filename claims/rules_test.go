package claims

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// rule is a claim's judge on planted data, and the verdicts that it must come to.
type rule struct {
	name string
	got  []Judgement
	want []Verdict
}

// check fails unless each rule comes to its verdicts, and each of a claim's parts to at least
// two different ones over the rules: a part that can come out one way only judges nothing.
func check(t *testing.T, rules []rule) {
	t.Helper()
	seen := make(map[string][]Verdict)
	for _, r := range rules {
		var got []Verdict
		for _, j := range r.got {
			got = append(got, j.Verdict)
			if !slices.Contains(seen[j.Part], j.Verdict) {
				seen[j.Part] = append(seen[j.Part], j.Verdict)
			}
			require.NotEmpty(t, j.Reason, r.name)
			require.NotEmpty(t, j.Effect, r.name)
		}
		require.Equal(t, r.want, got, r.name)
	}
	for part, verdicts := range seen {
		require.Greater(t, len(verdicts), 1, "%s always comes out %v", part, verdicts)
	}
}

// five returns five numbers about v that differ by up to 2·spread.
func five(v, spread float64) []float64 {
	return []float64{v - spread, v - spread/2, v, v + spread/2, v + spread}
}

func TestSamplesRule(t *testing.T) {
	t.Parallel()
	data := func(batch, end, layer []float64, growths ...float64) sampleData {
		zero := []series{five(0, 0), five(0, 0)}
		moved := []series{batch, end}
		d := sampleData{Sizes: []int{2, 256}, Others: []othersInfluence{
			{"batch", moved, moved}, {"layer", []series{layer, layer}, zero}, {"rms", zero, zero}}}
		for i, norm := range []string{"batch", "layer"} {
			d.Growth = append(d.Growth, gradientGrowth{norm, five(growths[i], growths[2])})
		}
		return d
	}
	check(t, []rule{
		{
			"as it is known", judgeSamples(data(five(1, .1), five(.1, .01), five(0, 0), 1.48, 1, .01)),
			[]Verdict{Supported, Supported},
		},
		{
			"a LayerNorm that looks at other rows",
			judgeSamples(data(five(1, .1), five(.1, .01), five(1e-7, 0), 1.48, 1, .01)), []Verdict{Refuted, Supported},
		},
		{
			"a BatchNorm that does not", judgeSamples(data(five(0, 0), five(0, 0), five(0, 0), 1, 1, .01)),
			[]Verdict{Refuted, Refuted},
		},
		{
			"no fall with the batch", judgeSamples(data(five(1, .1), five(1, .1), five(0, 0), 1.48, 1, .2)),
			[]Verdict{Undecided, Undecided},
		},
		{
			"growth under LayerNorm", judgeSamples(data(five(1, .1), five(.1, .01), five(0, 0), 1.48, 1.3, .01)),
			[]Verdict{Supported, Refuted},
		},
	})
}

func TestShapeRule(t *testing.T) {
	t.Parallel()
	data := func(difference float64, normed ...float64) shapeData {
		return shapeData{Rows: []rowShapes{{Kind: "text", Difference: difference}},
			Gamma: gammaShapes{five(.1, 0), five(.1, 0)}, Labels: []separability{
				{Task: "XOR", Linear: five(.5, 0), Normed: normed},
			}}
	}
	check(t, []rule{
		{"as it is known", judgeShape(data(1e-13, 1, 1, 1)), []Verdict{Supported, Refuted}},
		{"a row that changes", judgeShape(data(1e-3, 1, 1, 1)), []Verdict{Refuted, Refuted}},
		{"a linear map", judgeShape(data(1e-13, .75, .5, .75)), []Verdict{Supported, Supported}},
		{"seeds that disagree", judgeShape(data(1e-13, 1, .75, 1)), []Verdict{Supported, Undecided}},
	})
}

func TestSphereRule(t *testing.T) {
	t.Parallel()
	data := func(off float64, shares ...float64) sphereData {
		m := sphereModel{Norm: "rms"}
		for _, s := range shares {
			m.Places = append(m.Places, spherePlace{OffSphere: five(off, 0), WithEps: five(off, 0), Standard: five(s, .01)})
		}
		return sphereData{Models: []sphereModel{m}}
	}
	check(t, []rule{
		{"a sphere with standard features", judgeSphere(data(1e-7, .97, .98)), []Verdict{Supported, Supported}},
		{"no feature is standard", judgeSphere(data(1e-7, .1, .2)), []Verdict{Supported, Refuted}},
		{"standard at one norm", judgeSphere(data(1e-3, .99, .6)), []Verdict{Refuted, Depends}},
	})
}

func TestMeanRule(t *testing.T) {
	t.Parallel()
	data := func(difference, spread, folded float64) meanData {
		return meanData{Layer: five(2, 0), RMS: five(2+difference, spread), Places: []meanShare{{Share: five(.01, 0)}},
			Folded: []float64{folded}, Unfolded: []float64{.1}}
	}
	check(t, []rule{
		{"equal", judgeMean(data(0, .002, 1e-12)), []Verdict{Supported, Supported}},
		{"worse", judgeMean(data(.1, .002, 1e-3)), []Verdict{Refuted, Refuted}},
		{"too noisy", judgeMean(data(0, .1, 1e-12)), []Verdict{Undecided, Supported}},
	})
	times := func(ratio, spread float64) []Judgement {
		one, rms := five(1, 0), five(ratio, spread)
		return judgeMeanTimes(meanTimes{StepLayer: one, StepRMS: rms, NormLayer: one, NormRMS: rms})
	}
	check(t, []rule{
		{"faster", times(.9, .01), []Verdict{Supported}},
		{"slower", times(1.1, .01), []Verdict{Refuted}},
		{"the same", times(1, .01), []Verdict{Undecided}},
	})
}

func TestGaussRule(t *testing.T) {
	t.Parallel()
	// data has κ₀ = 3 at the embedding, κ at the end where the variance has grown, and
	// rejections after the first and the last block.
	data := func(growth, kurtosis, first, last float64) gaussData {
		depth := func(k, v float64) gaussDepth { return gaussDepth{Kurtosis: five(k, .01), Variance: five(v, 0)} }
		rejected := func(r float64) gaussDepth { return gaussDepth{Rejected: five(r, .01)} }
		return gaussData{Embeddings: []gaussEmbedding{{Name: "Laplace",
			Initial: []gaussDepth{depth(3, 1), depth(kurtosis, growth)},
			Trained: []gaussDepth{rejected(.5), rejected(first), rejected(last)}}}}
	}
	check(t, []rule{
		{"Gaussian in the end", judgeGauss(data(10, .03, .5, .1)), []Verdict{Supported, Supported}},
		{"small branches", judgeGauss(data(1.2, 3/1.44, .1, .5)), []Verdict{Depends, Refuted}},
		{"terms that are not independent", judgeGauss(data(10, 2, .3, .3)), []Verdict{Refuted, Undecided}},
	})
}

func TestGrowthRule(t *testing.T) {
	t.Parallel()
	// data has streams of 32 blocks whose mean square is of the given form, the same before and after
	// training, and whose RMS grows by a factor in training.
	type stream struct {
		form   func(block float64) float64
		factor float64
	}
	flat := func(float64) float64 { return 1 }
	line := func(l float64) float64 { return 1 + l }
	high := func(l float64) float64 { return 16 * line(l) }
	power := func(base, start float64) func(float64) float64 {
		return func(l float64) float64 { return start * math.Pow(base, l) }
	}
	data := func(none, pre stream, spread float64, notFinite int) (d growthData) {
		for _, arm := range growthArms {
			s := map[string]stream{"none": none, "pre": pre, "post": {flat, 1}}[arm.name]
			if s.form == nil {
				s = stream{line, 2}
			}
			m := growthModel{Arm: arm.name, Layers: 32, LR: 1e-3}
			for i, size := range five(1, spread) {
				r := growthRun{Steps: []int{1, 2}, NonFinite: arm.name == "none" && i < notFinite}
				for l := 1.0; l <= 32; l++ {
					noise := 1 + 0.01*math.Sin(7*l) // a fit without residuals has no criterion
					r.Initial = append(r.Initial, size*math.Sqrt(noise*s.form(l)))
				}
				r.Trained, r.Last = r.Initial, []float64{1, s.factor * size}
				m.Runs = append(m.Runs, r)
			}
			d.Models = append(d.Models, m)
		}
		return d
	}
	check(t, []rule{
		{
			"an explosion", judgeStreams(data(stream{power(1.5, 1), 100}, stream{line, 2}, .01, 0)),
			[]Verdict{Supported, Supported, Supported},
		},
		{"a line four times as high", judgeStreams(data(stream{high, 8}, stream{line, 2}, .01, 0)),
			[]Verdict{Supported, Supported, Supported}},
		{
			"small and flat", judgeStreams(data(stream{flat, 1}, stream{line, 2}, .01, 0)),
			[]Verdict{Refuted, Refuted, Refuted},
		},
		{
			"small, yet exponential", judgeStreams(data(stream{power(1.05, .1), 1}, stream{line, 2}, .01, 0)),
			[]Verdict{Depends, Depends, Refuted},
		},
		{"exponential as pre-norm is", judgeStreams(data(stream{power(1.05, 1), 2}, stream{power(1.05, 1), 2}, .01, 0)),
			[]Verdict{Undecided, Undecided, Undecided}},
		{
			"the same, and seeds that differ", judgeStreams(data(stream{line, 2}, stream{line, 2}, .5, 0)),
			[]Verdict{Undecided, Undecided, Undecided},
		},
		{
			"runs that are not finite", judgeStreams(data(stream{line, 2}, stream{line, 2}, .01, 3)),
			[]Verdict{Undecided, Supported, Supported},
		},
	})
}

func TestShiftRule(t *testing.T) {
	t.Parallel()
	// data has the drifts and the losses of the arms none, batch, batch + noise, layer, rms.
	data := func(spread float64, drifts, losses [5]float64) (d shiftData) {
		for i, name := range []string{noNorm, batchNorm, noisyBatch, "layer", "rms"} {
			// opposite orders, so that paired differences have a spread
			arm := shiftArm{Name: name, Drift: five(drifts[i], spread), Loss: five(losses[i], spread)}
			if i == 0 {
				slices.Reverse(arm.Drift)
				slices.Reverse(arm.Loss)
			}
			d.Arms = append(d.Arms, arm)
		}
		return d
	}
	stable, noisy := [5]float64{1, .2, .2, .3, .3}, [5]float64{1, .2, 1.5, .3, .3}
	helped, kept, lost := [5]float64{3, 2, 2.5, 2, 2}, [5]float64{3, 2, 2.05, 2, 2}, [5]float64{3, 2, 2.95, 2, 2}
	check(t, []rule{
		{
			"noise that keeps the gain, as Santurkar et al. found", judgeShift(data(.01, noisy, kept)),
			[]Verdict{Supported, Refuted},
		},
		{"noise that loses the gain", judgeShift(data(.01, noisy, lost)), []Verdict{Supported, Supported}},
		{"noise that loses half of the gain", judgeShift(data(.01, noisy, helped)), []Verdict{Supported, Undecided}},
		{"noise that does not bring the drift back", judgeShift(data(.01, stable, kept)), []Verdict{Supported, Undecided}},
		{
			"a BatchNorm that does not help", judgeShift(data(.01, noisy, [5]float64{2, 2.5, 2, 2, 2})),
			[]Verdict{Supported, Undecided},
		},
		{"norms that drift more", judgeShift(data(.01, [5]float64{1, 2, 3, 2, 2}, kept)), []Verdict{Refuted, Refuted}},
		{
			"one norm that drifts more", judgeShift(data(.01, [5]float64{1, .2, 1.5, 2, .2}, kept)),
			[]Verdict{Depends, Refuted},
		},
		{"too noisy", judgeShift(data(2, noisy, kept)), []Verdict{Undecided, Undecided}},
	})
}
