package train

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
)

// untrained returns a small model with a context of 8.
func untrained(t *testing.T, norm string, dt tensor.Dtype) *transformer.Model {
	t.Helper()
	n, err := transformer.NormByName(norm)
	require.NoError(t, err)
	m, err := transformer.New(G.NewGraph(), transformer.Config{
		Vocab: 28, Context: 8, Layers: 2, Heads: 2, Channels: 16, Norm: n, Dtype: dt, Seed: 3})
	require.NoError(t, err)
	return m
}

// trained returns a small model after a run, so that BatchNorm has statistics.
func trained(t *testing.T, norm string) (*transformer.Model, *Corpus) {
	t.Helper()
	text := corpus(t, verse)
	m, _, err := Train(t.Context(), tiny(norm), text, nil)
	require.NoError(t, err)
	return m, text
}

// lossByDefinition computes the text's loss in float64 from the logits, a window at a time.
func lossByDefinition(t *testing.T, m *transformer.Model, ids []int32) float64 {
	t.Helper()
	context := m.Config().Context
	var sum float64
	for at := 0; at < len(ids)-1; at += context {
		n := min(context, len(ids)-1-at)
		window := make([]int, n)
		widen(window, ids[at:])
		g := G.NewGraph()
		e, err := m.On(g, layers.Evaluation)
		require.NoError(t, err)
		v := tensor.New(tensor.WithShape(1, n), tensor.WithBacking(window))
		logits, err := e.Logits(G.NewTensor(g, tensor.Int, 2, G.WithShape(1, n), G.WithName("ids"), G.WithValue(v)))
		require.NoError(t, err)
		vm := G.NewTapeMachine(g)
		require.NoError(t, vm.RunAll())
		scores := logits.Value().(*tensor.Dense)
		for i := range n {
			var z, target float64
			for k := range m.Config().Vocab {
				x, err := scores.At(0, i, k)
				require.NoError(t, err)
				f, ok := x.(float64)
				if !ok {
					f = float64(x.(float32))
				}
				z += math.Exp(f)
				if k == int(ids[at+1+i]) {
					target = f
				}
			}
			sum += math.Log(z) - target
		}
		require.NoError(t, vm.Close())
	}
	return sum / float64(len(ids)-1)
}

// TestEvaluateByDefinition has lengths around those of windows and batches.
func TestEvaluateByDefinition(t *testing.T) {
	for _, norm := range []string{"layer", "batch"} {
		m, text := trained(t, norm)
		for _, n := range []int{2, 8, 9, 10, 16, 17, 161} {
			got, err := Evaluate(t.Context(), m, text.Val[:n], nil)
			require.NoError(t, err)
			require.Equal(t, n-1, got.Tokens)
			// float32 rounds each window's loss to a relative 6e-8
			require.InEpsilon(t, lossByDefinition(t, m, text.Val[:n]), got.Loss, 1e-6, "%s, %d tokens", norm, n)
			require.InEpsilon(t, math.Exp(got.Loss), got.Perplexity(), 1e-15)
		}
	}
}

func TestEvaluateInFloat64(t *testing.T) {
	m := untrained(t, "rms", tensor.Float64)
	ids := corpus(t, verse).Val
	got, err := Evaluate(t.Context(), m, ids, nil)
	require.NoError(t, err)
	require.InEpsilon(t, lossByDefinition(t, m, ids), got.Loss, 1e-12)
}

// TestEvaluateOneWindow compares with the model's own loss, to the bit.
func TestEvaluateOneWindow(t *testing.T) {
	m, text := trained(t, "batch")
	p, err := passOn(m, layers.Evaluation, 1, 8)
	require.NoError(t, err)
	defer p.close()
	widen(p.ids, text.Val)
	widen(p.targets, text.Val[1:])
	want, err := p.run()
	require.NoError(t, err)
	got, err := Evaluate(t.Context(), m, text.Val[:9], nil)
	require.NoError(t, err)
	require.Equal(t, float64(want), got.Loss)
}

// TestEvaluateInAnyBatches checks that the result depends neither on the number of windows
// in a run of a graph nor on the number of threads.
func TestEvaluateInAnyBatches(t *testing.T) {
	m, text := trained(t, "batch")
	ids := text.Train[:1000] // 124 windows and 7 tokens
	want := lossByDefinition(t, m, ids)
	for _, batch := range []int{1, 2, 7, 124, 125, 1000} {
		got, err := evaluateInBatches(t.Context(), m, ids, batch, nil)
		require.NoError(t, err)
		require.Equal(t, 999, got.Tokens)
		require.InEpsilon(t, want, got.Loss, 1e-6, "batches of %d", batch)
	}
	before, err := Evaluate(t.Context(), m, ids, nil)
	require.NoError(t, err)
	for _, threads := range []int{1, 3} {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
			got, err := Evaluate(t.Context(), m, ids, nil)
			require.NoError(t, err)
			require.Equal(t, before, got, "%d threads", threads)
		}()
	}
}

func TestShapesCoverTheText(t *testing.T) {
	for _, c := range []struct {
		tokens, context, batch int
		want                   []shape
	}{
		{100, 8, 4, []shape{{4, 8, 3}, {1, 4, 1}}},
		{118, 8, 4, []shape{{4, 8, 3}, {2, 8, 1}, {1, 6, 1}}},
		{16, 8, 4, []shape{{2, 8, 1}}},
		{3, 8, 4, []shape{{1, 3, 1}}},
	} {
		require.Equal(t, c.want, shapes(c.tokens, c.context, c.batch))
	}
}

// TestUntrainedPerplexity checks that it is near that of guessing.
func TestUntrainedPerplexity(t *testing.T) {
	text := corpus(t, verse)
	got, err := Evaluate(t.Context(), untrained(t, "layer", tensor.Float32), text.Train, nil)
	require.NoError(t, err)
	require.InEpsilon(t, 28, got.Perplexity(), 0.05)
}

// TestEvaluateDoesNotChangeTheModel also checks running statistics.
func TestEvaluateDoesNotChangeTheModel(t *testing.T) {
	m, text := trained(t, "batch")
	before := m.State()
	_, err := Evaluate(t.Context(), m, text.Val, nil)
	require.NoError(t, err)
	for name, d := range m.State() {
		require.Equal(t, before[name].Data(), d.Data(), name)
	}
}

func TestEvaluateReportsProgress(t *testing.T) {
	m := untrained(t, "layer", tensor.Float32)
	var calls [][2]int
	_, err := evaluateInBatches(t.Context(), m, make([]int, 46), 2, func(done, all int) {
		calls = append(calls, [2]int{done, all})
	})
	require.NoError(t, err)
	require.Equal(t, [][2]int{{16, 45}, {32, 45}, {40, 45}, {45, 45}}, calls)
}

func TestANonFiniteLossIsAResult(t *testing.T) {
	m := untrained(t, "layer", tensor.Float32)
	m.Learnables()[0].Value().Data().([]float32)[0] = float32(math.NaN())
	got, err := Evaluate(t.Context(), m, make([]int, 100), nil)
	require.NoError(t, err)
	require.Equal(t, 99, got.Tokens)
	require.True(t, math.IsNaN(got.Loss))
	require.True(t, math.IsNaN(got.Perplexity()))
}

func TestEvaluateErrors(t *testing.T) {
	m := untrained(t, "layer", tensor.Float32)
	for want, ids := range map[string][]int{
		"train: evaluating: the text has length 0, want 2 tokens or more":                                 nil,
		"train: evaluating: the text has length 1, want 2 tokens or more":                                 {3},
		"train: evaluating: token 1 of the text is 28, want an id from 0 to 27":                           {27, 28},
		"train: evaluating: token 2 of the text is -1, want an id from 0 to 27":                           {0, 0, -1},
		fmt.Sprintf("train: evaluating: token 0 of the text is %d, want an id from 0 to 27", math.MaxInt): {math.MaxInt, 1},
	} {
		got, err := Evaluate(t.Context(), m, ids, nil)
		require.EqualError(t, err, want)
		require.Zero(t, got)
	}
	_, err := Evaluate(t.Context(), nil, []int{1, 2}, nil)
	require.EqualError(t, err, "train: evaluating: the model is nil or a zero value")

	ctx, cancel := context.WithCancel(t.Context())
	got, err := evaluateInBatches(ctx, m, make([]int, 46), 2, func(int, int) { cancel() })
	require.EqualError(t, err, "train: evaluating: stopped after 16 of 45 tokens: context canceled")
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, got, "a part of the text has no result")
}
