package train

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
)

// TestRecomputedStatisticsAreThoseOfAllInputs compares them with the mean and variance of the
// inputs of each BatchNorm, read from the graph's nodes over all batches.
func TestRecomputedStatisticsAreThoseOfAllInputs(t *testing.T) {
	t.Parallel()
	c := tiny("batch")
	c.StatisticsBatches = 5
	l := startLoop(t, c, corpus(t, verse))
	for range 3 {
		l.step(t)
	}
	p, err := passOn(l.model, layers.Training, c.Batch, c.Context)
	require.NoError(t, err)
	defer p.close()
	text := l.text.Train
	at := windows(text, c.Context, c.Batch, c.StatisticsBatches)
	require.Len(t, at, c.Batch*c.StatisticsBatches)
	features := make([][][]float64, len(p.activations.Norms)) // norm, feature, row
	for i := range features {
		features[i] = make([][]float64, c.Channels)
	}
	l.buffers.Take()
	for b := range c.StatisticsBatches {
		for i := range p.ids {
			place := at[b*c.Batch+i/c.Context] + i%c.Context
			p.ids[i], p.targets[i] = int(text[place]), int(text[place+1])
		}
		_, err := p.run()
		require.NoError(t, err)
		for i, n := range p.activations.Norms {
			for j, v := range values(n.In) {
				features[i][j%c.Channels] = append(features[i][j%c.Channels], float64(v))
			}
		}
	}
	l.buffers.Restore()
	possible, err := l.recompute([]Span{{0, len(text)}})
	require.NoError(t, err)
	require.True(t, possible)
	for i, n := range l.train.activations.Norms {
		b := n.Layer.(*layers.BatchNorm)
		for j, rows := range features[i] {
			require.Len(t, rows, c.StatisticsBatches*c.Batch*c.Context)
			mean, variance := stat.MeanVariance(rows, nil)
			// float32 holds seven digits
			require.InDelta(t, mean, float64(b.RunningMean().Float32s()[j]), 1e-6*(math.Abs(mean)+math.Sqrt(variance)))
			require.InEpsilon(t, variance, float64(b.RunningVar().Float32s()[j]), 1e-6)
		}
	}
}

// TestRecomputedLossesChangeNothingElse compares runs with and without them. Under norms
// without running statistics they are the last validation loss.
func TestRecomputedLossesChangeNothingElse(t *testing.T) {
	t.Parallel()
	text := corpus(t, verse)
	for _, norm := range transformer.NormNames() {
		c := tiny(norm)
		c.Steps = 20
		plainModel, plain, err := Train(t.Context(), c, text, nil)
		require.NoError(t, err)
		c.StatisticsBatches = 3
		model, run, err := Train(t.Context(), c, text, nil)
		require.NoError(t, err)
		require.Equal(t, plainModel.State(), model.State(), norm)
		precise := run.Summary.PreciseVal
		require.NotNil(t, precise, norm)
		require.Nil(t, plain.Summary.PreciseVal)
		require.Nil(t, run.Summary.DomainStatisticsVal, "the text is one domain")
		if norm == "batch" {
			require.True(t, precise.Finite())
			require.NotEqual(t, run.Summary.LastVal, *precise)
		} else {
			require.Equal(t, run.Summary.LastVal, *precise, norm)
		}
		run.Config, run.Speed, run.Summary.PreciseVal = plain.Config, plain.Speed, nil
		require.Equal(t, asJSON(t, plain), asJSON(t, run), norm)
	}
}

// TestDomainsHaveTheirOwnStatistics compares the losses of a text's sections with those that
// the steps of the measurement, one by one, come to.
func TestDomainsHaveTheirOwnStatistics(t *testing.T) {
	t.Parallel()
	c := tiny("batch")
	c.StatisticsBatches = 10
	l := startLoop(t, c, corpus(t, verse))
	for range 3 {
		l.step(t)
	}
	before := l.model.State()
	whole := section{[]Span{{0, len(l.text.Train)}}, l.windows}
	once, err := l.recomputedLoss([]section{whole})
	require.NoError(t, err)
	last, err := l.evaluate(&l.eval)
	require.NoError(t, err)
	require.Equal(t, before, l.model.State(), "the statistics are restored")

	_, err = l.recompute(whole.train)
	require.NoError(t, err)
	again, err := l.evaluate(&l.eval)
	require.NoError(t, err)
	require.Equal(t, again, once, "the loss is that of the validation windows")
	require.NotEqual(t, last, once)

	half := len(l.text.Train) / 2
	n := 2 * c.Batch
	parts := []section{
		{[]Span{{0, half}}, l.windows[:n]},
		{[]Span{{half, len(l.text.Train)}}, l.windows[n : 2*n]},
	}
	both, err := l.recomputedLoss(parts)
	require.NoError(t, err)
	sum := 0.0
	for _, s := range parts {
		_, err := l.recompute(s.train)
		require.NoError(t, err)
		loss, err := l.evaluateOn(&l.eval, s.windows)
		require.NoError(t, err)
		sum += float64(loss)
	}
	require.InEpsilon(t, sum/2, float64(both), 1e-12)
}

// asJSON returns a run as its files have it, where NaN equals NaN.
func asJSON(t *testing.T, r Run) string {
	b, err := json.Marshal(r)
	require.NoError(t, err)
	return string(b)
}

// TestRecomputedLossesOfLostRuns are NaN, not errors.
func TestRecomputedLossesOfLostRuns(t *testing.T) {
	t.Parallel()
	c := tiny("batch")
	c.StatisticsBatches = 2
	l := startLoop(t, c, corpus(t, verse))
	for i := range values(l.model.Learnables()[0]) {
		values(l.model.Learnables()[0])[i] = float32(1e30 * float64(1-i/c.Channels%3))
	}
	before := l.model.State()
	loss, err := l.recomputedLoss([]section{{[]Span{{0, len(l.text.Train)}}, l.windows}})
	require.NoError(t, err)
	require.False(t, loss.Finite())
	require.Equal(t, before, l.model.State())
}
