package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func goSource(t *testing.T) *data {
	src, err := options{}.source()
	require.NoError(t, err)
	d, err := readData(os.DirFS(src))
	require.NoError(t, err)
	return d
}

func TestTrainingAndTestFilesAreDisjoint(t *testing.T) {
	d := goSource(t)
	seen := make(map[string]bool)
	for i, c := range classes {
		require.GreaterOrEqual(t, len(d.test[i]), minFiles/4, c.name)
		require.Greater(t, len(d.train[i]), len(d.test[i]), c.name)
		for _, f := range append(d.train[i], d.test[i]...) {
			require.False(t, seen[f.path], f.path)
			seen[f.path] = true
		}
	}
}

func TestDrawCountsBytes(t *testing.T) {
	ab := []file{{"ab", []byte(strings.Repeat("ab", snippetBytes))}}
	z := []file{{"z", bytes.Repeat([]byte("z"), snippetBytes)}}
	x, y := make([]float32, 20*byteValues), make([]int, 20)
	for range 2 { // the second overwrites the first
		draw(rand.New(rand.NewPCG(1, 1)), [][]file{ab, z}, x, y)
	}
	for row, class := range y {
		want := make([]float32, byteValues)
		if class == 0 {
			want['a'], want['b'] = snippetBytes/2, snippetBytes/2
		} else {
			want['z'] = snippetBytes
		}
		require.Equal(t, want, x[row*byteValues:(row+1)*byteValues], "row %d", row)
	}
	require.Contains(t, y, 0)
	require.Contains(t, y, 1)
}

func TestMissingFilesAreErrors(t *testing.T) {
	text := &fstest.MapFile{Data: make([]byte, snippetBytes)}
	short := &fstest.MapFile{Data: make([]byte, snippetBytes-1)}
	src := fstest.MapFS{"testdata/x.c": text, "vendor/x.c": text, "short.c": short}
	for i := range minFiles {
		src[fmt.Sprintf("%d.go", i)] = text
	}
	_, err := readData(src)
	require.EqualError(t, err, "it has 0 files of C (*.c, *.h) of 256 bytes or more, want 20: "+
		"some packages of Go leave out parts of its source; "+
		"unpack a distribution from https://go.dev/dl and give its folder as -src go/src")

	err = options{src: "/no/such/folder"}.run(context.Background(), io.Discard, io.Discard)
	require.ErrorContains(t, err, "reading /no/such/folder")
}

// TestEveryNormLearnsReproducibly also checks that evaluation shares the weights and, for
// BatchNorm, the running statistics, because without them accuracy would be that of chance.
func TestEveryNormLearnsReproducibly(t *testing.T) {
	d := goSource(t)
	o := options{steps: 60}
	for _, norm := range norms {
		t.Run(norm.name, func(t *testing.T) {
			first, err := o.train(t.Context(), d, norm.make, 0.003, 1)
			require.NoError(t, err)
			require.Greater(t, first.accuracy, 3./float64(len(classes))) // chance is 1
			again, err := o.train(t.Context(), d, norm.make, 0.003, 1)
			require.NoError(t, err)
			require.Equal(t, first.loss, again.loss)
			require.Equal(t, first.accuracy, again.accuracy)
			other, err := o.train(t.Context(), d, norm.make, 0.003, 2)
			require.NoError(t, err)
			require.NotEqual(t, first.loss, other.loss)
		})
	}
}

func TestNormsAreTrainedAndEvaluated(t *testing.T) {
	for _, norm := range norms {
		m, err := newModel(norm.make, batchRows, 1)
		require.NoError(t, err)
		require.Len(t, m.norms, 3)
		for _, n := range m.norms {
			require.Subset(t, m.learnables(), n.Learnables(), norm.name)
		}
		_, err = m.evaluation(1) // BatchNorm needs more than one row only in training
		require.NoError(t, err, norm.name)
	}
}

func TestLogScalesTheInput(t *testing.T) {
	m, err := newModel(norms[0].make, 2, 1)
	require.NoError(t, err)
	m.feed(rand.New(rand.NewPCG(1, 1)), [][]file{{{"z", bytes.Repeat([]byte("z"), snippetBytes)}}}, true)
	require.InDelta(t, 5.549, m.x.Value().Data().([]float32)['z'], 1e-3) // ln 257
}

func TestTable(t *testing.T) {
	tab := table{rates: []float64{0.1, 1}}
	var b bytes.Buffer
	require.NoError(t, tab.print(&b))
	require.Empty(t, b.String())
	tab.add("none", []result{
		{lr: 0.1, loss: 0.5, accuracy: 0.70, time: 1e9}, {lr: 0.1, loss: 0.7, accuracy: 0.72, time: 1e9},
		{lr: 1, loss: 0.4, accuracy: 0.5, time: 2e9}, {lr: 1, loss: 0.6, accuracy: 0.5, time: 2e9},
	})
	require.NoError(t, tab.print(&b))
	lines := strings.Split(b.String(), "\n")
	require.Equal(t, "norm             lr 0.1         lr 1  train loss   at lr  s/run", lines[2])
	require.Equal(t, "none         71.0 ± 1.4   50.0 ± 0.0       0.500       1   1.50", lines[3])
}

func TestCommandLine(t *testing.T) {
	o, err := parse([]string{"-lr", "0.1, 1e-2", "-seeds", "1", "-log"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, options{rates: []float64{0.1, 0.01}, seeds: 1, steps: 200, log: true}, o)

	var help bytes.Buffer
	_, err = parse([]string{"-h"}, &help)
	require.ErrorIs(t, err, flag.ErrHelp)
	require.Contains(t, help.String(), "-seeds")

	for _, c := range []struct {
		args, want string
	}{
		{"-lr 0", `"0" is not a learning rate, want a number above 0`},
		{"-lr 1,", `"" is not a learning rate`},
		{"-lr NaN", `"NaN" is not a learning rate`},
		{"-lr Inf", `"Inf" is not a learning rate`},
		{"-lr 1e39", `"1e39" is not a learning rate, want a number above 0, at most 1000`}, // infinite in float32
		{"-seeds 0", "-seeds is 0, want 1 or more"},
		{"-steps 1", "-steps is 1, want 2 or more"},
		{"-steps x", `invalid value "x" for flag -steps`},
		{"-norm", "flag provided but not defined: -norm"},
		{"x", `unexpected argument "x"`},
	} {
		_, err := parse(strings.Fields(c.args), io.Discard)
		require.ErrorContains(t, err, c.want, c.args)
	}
}

func TestStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out bytes.Buffer
	err := options{rates: []float64{0.1}, seeds: 1, steps: 10}.run(ctx, &out, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, out.String())
}
