// Package readback reads event files with code that is not ours: NVIDIA's reader of TFRecords,
// which checks the checksums, and messages that were generated from TensorFlow's definitions. It is
// a module of its own, so that users of gorgonorm do not need these.
package readback

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/NVIDIA/go-tfdata/tfdata/core"
	summary "github.com/helinwang/tfsum/tensorflow/core/framework"
	event "github.com/helinwang/tfsum/tensorflow/core/util"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/protoadapt"

	"gorgonorm/export"
	"gorgonorm/runlog"
)

// events reads an event file.
func events(t *testing.T, path string) (all []*event.Event) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	for r := core.NewTFRecordReader(f); ; {
		e := new(event.Event)
		err := r.ReadNext(protoadapt.MessageV2Of(e))
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, e)
	}
}

// recorded is a run with values that have no short decimal form.
func recorded() runlog.Run {
	r := runlog.Run{Config: runlog.Config{Norm: "layer", Placement: "pre", LR: 0.01, Seed: 1}}
	for step := 1; step <= 50; step++ {
		s := runlog.Step{Step: step, Loss: runlog.Float(4 * math.Exp(-float64(step)/7)), GradNorm: math.Pi, LR: 1e-3}
		if step%10 == 0 {
			v := s.Loss + 0.1
			s.ValLoss = &v
		}
		r.Steps = append(r.Steps, s)
		if step%10 == 0 {
			p := runlog.Probe{Step: step}
			for block := range 4 {
				size := runlog.Float(math.Sqrt(float64(step + block)))
				p.Residual = append(p.Residual, runlog.Spread{RMS: size, Max: 3 * size})
				p.Norms = append(p.Norms, runlog.NormProbe{Name: "h." + strconv.Itoa(block) + ".ln_1"})
			}
			p.Attention = []runlog.Float{1, 2, 2, runlog.Float(math.Inf(1))}
			r.Probes = append(r.Probes, p)
		}
	}
	r.Steps[4].Loss = runlog.Float(math.NaN())
	return r
}

// TestDamageIsSeen: the reader checks the checksums, so that what it reads has right ones.
func TestDamageIsSeen(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, export.TensorBoard(dir, []runlog.Run{recorded()}))
	path := filepath.Join(dir, "layer-pre-lr0.01-seed1", "events.out.tfevents.0.gorgonorm")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, at := range []int{0, 8, 12, 14, 40, len(whole) - 5, len(whole) - 1} {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1
		r := core.NewTFRecordReader(bytes.NewReader(damaged))
		for err = nil; err == nil; {
			err = r.ReadNext(protoadapt.MessageV2Of(new(event.Event)))
		}
		require.NotErrorIs(t, err, io.EOF, "byte %d", at)
	}
}

// TestEventFilesAreReadBack: what is read are the numbers of the records.
func TestEventFilesAreReadBack(t *testing.T) {
	dir, r := t.TempDir(), recorded()
	require.NoError(t, export.TensorBoard(dir, []runlog.Run{r}))
	files, err := filepath.Glob(filepath.Join(dir, "layer-pre-lr0.01-seed1", "*tfevents*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	all := events(t, files[0])
	require.Equal(t, "brain.Event:2", all[0].GetFileVersion())
	require.Len(t, all, 1+len(r.Steps))

	for i, e := range all[1:] {
		step := r.Steps[i]
		require.EqualValues(t, step.Step, e.Step)
		require.EqualValues(t, step.Step, e.WallTime)
		scalars, histograms := make(map[string]float32), make(map[string]*summary.HistogramProto)
		for _, v := range e.GetSummary().Value {
			if h := v.GetHisto(); h != nil {
				histograms[v.Tag] = h
			} else {
				scalars[v.Tag] = v.GetSimpleValue()
			}
		}
		if step.Loss.Finite() {
			require.Equal(t, float32(step.Loss), scalars["loss"])
		} else {
			require.True(t, math.IsNaN(float64(scalars["loss"])))
		}
		require.Equal(t, float32(math.Pi), scalars["grad_norm"])
		require.Equal(t, float32(1e-3), scalars["lr"])
		if step.Step%10 != 0 {
			require.NotContains(t, scalars, "val_loss")
			require.Empty(t, histograms)
			continue
		}
		require.Equal(t, float32(*step.ValLoss), scalars["val_loss"])
		probe := r.Probes[step.Step/10-1]
		sum := 0.0
		for block, s := range probe.Residual {
			require.Equal(t, float32(s.RMS), scalars["residual_rms/"+strconv.Itoa(block)])
			sum += float64(s.RMS)
		}
		h := histograms["residual_rms"]
		require.Equal(t, float64(probe.Residual[0].RMS), h.Min)
		require.Equal(t, float64(probe.Residual[3].RMS), h.Max)
		require.Equal(t, 4.0, h.Num)
		require.InDelta(t, sum, h.Sum, 1e-12)
		require.InDelta(t, float64(4*step.Step+6), h.SumSquares, 1e-9, "the sum of the roots' squares")
		require.Len(t, h.BucketLimit, 4)
		require.Equal(t, []float64{1, 1, 1, 1}, h.Bucket)
		require.Equal(t, []float64{1, 2}, histograms["attention_logit"].BucketLimit, "what is not finite has no bucket")
		require.Equal(t, []float64{1, 2}, histograms["attention_logit"].Bucket)
	}
}
