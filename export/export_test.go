package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
)

// run returns a run with a value of every measure.
func run(norm string, lr float64) runlog.Run {
	r := runlog.Run{Config: runlog.Config{Norm: norm, Placement: "pre", LR: lr, Seed: 3}}
	for step := 1; step <= 4; step++ {
		s := runlog.Step{Step: step, Loss: runlog.Float(4 / float64(step)), GradNorm: runlog.Float(math.Pi), LR: 1e-3}
		if step%2 == 0 {
			v := s.Loss + 0.5
			s.ValLoss = &v
		}
		r.Steps = append(r.Steps, s)
	}
	r.Steps[2].Loss = runlog.Float(math.NaN())
	for _, step := range []int{1, 4} {
		p := runlog.Probe{
			Step:      step,
			Residual:  []runlog.Spread{{RMS: 0.5, Max: 1}, {RMS: 2, Max: 8}, {RMS: 2, Max: 9}},
			Attention: []runlog.Float{3, runlog.Float(math.Inf(1))},
			Norms:     []runlog.NormProbe{{Name: "h.0.ln_1", Batch: &runlog.Batch{Mean: 0.1, Var: 0.2}}},
			Groups:    []runlog.GroupProbe{{Name: "wte", Grad: 1, Weight: 2, Update: 0.25}},
		}
		if step > 1 {
			p.Norms[0].Drift = &runlog.Drift{Shift: 0.75, LogRatio: 0.125}
		}
		r.Probes = append(r.Probes, p)
	}
	r.Steps[1].Landscape = &runlog.Landscape{
		Along:  []runlog.Along{{Times: 0.5, Loss: 0.1, Gradient: 0.2}},
		Blocks: []runlog.BlockChange{{Gradient: 0.3, Cosine: 0.9}},
	}
	precise, ofDomains := runlog.Float(1.25), runlog.Float(1.125)
	r.Summary = runlog.Summary{
		Parameters: 1234567, LastVal: 1.5, PreciseVal: &precise, DomainStatisticsVal: &ofDomains,
		DomainVal: []runlog.DomainLoss{{Domain: "go", Loss: 1.75}},
	}
	return r
}

func tableOf(t *testing.T, runs []runlog.Run, names ...string) Table {
	t.Helper()
	measures, err := Find(names)
	require.NoError(t, err)
	return TableOf(runs, measures)
}

func written(t *testing.T, table Table, format string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, table.Write(&b, format))
	return b.String()
}

// TestFormats of a measure of runs, of steps and of places.
func TestFormats(t *testing.T) {
	t.Parallel()
	runs := []runlog.Run{run("layer", 0.01), run("rms", 0.1)}
	require.Equal(t, "run,norm,placement,qk_norm,lr,seed,last_val,parameters\n"+
		"layer-pre-lr0.01-seed3,layer,pre,false,0.01,3,1.5,1234567\n"+
		"rms-pre-lr0.1-seed3,rms,pre,false,0.1,3,1.5,1234567\n",
		written(t, tableOf(t, runs, "last_val", "parameters"), "csv"))
	require.Equal(t, "run,norm,placement,qk_norm,lr,seed,step,loss,val_loss,step_lr\n"+
		"layer-pre-lr0.01-seed3,layer,pre,false,0.01,3,1,4,,0.001\n"+
		"layer-pre-lr0.01-seed3,layer,pre,false,0.01,3,2,2,2.5,0.001\n"+
		"layer-pre-lr0.01-seed3,layer,pre,false,0.01,3,3,NaN,,0.001\n"+
		"layer-pre-lr0.01-seed3,layer,pre,false,0.01,3,4,1,1.5,0.001\n",
		written(t, tableOf(t, runs[:1], "loss", "val_loss", "lr"), "csv"))
	require.Equal(t, `[
{"run": "layer-pre-lr0.01-seed3", "norm": "layer", "placement": "pre", "qk_norm": false, "lr": 0.01, "seed": 3, `+
		`"step": 1, "place": "1", "attention_logit": 3},
{"run": "layer-pre-lr0.01-seed3", "norm": "layer", "placement": "pre", "qk_norm": false, "lr": 0.01, "seed": 3, `+
		`"step": 1, "place": "2", "attention_logit": "+Inf"},
{"run": "layer-pre-lr0.01-seed3", "norm": "layer", "placement": "pre", "qk_norm": false, "lr": 0.01, "seed": 3, `+
		`"step": 4, "place": "1", "attention_logit": 3},
{"run": "layer-pre-lr0.01-seed3", "norm": "layer", "placement": "pre", "qk_norm": false, "lr": 0.01, "seed": 3, `+
		`"step": 4, "place": "2", "attention_logit": "+Inf"}
]
`, written(t, tableOf(t, runs[:1], "attention_logit"), "json"))
	require.Equal(t, ""+
		"run                     norm   placement  qk_norm  lr    seed  step  grad_norm\n"+
		"layer-pre-lr0.01-seed3  layer  pre        false    0.01  3     1     3.142\n",
		strings.Join(strings.SplitAfter(written(t, tableOf(t, runs[:1], "grad_norm"), "table"), "\n")[:2], ""))
	require.ErrorContains(t, Table{}.Write(&bytes.Buffer{}, "xml"), `the format is "xml", want table, csv or json`)
	require.Equal(t, "[\n]\n", written(t, tableOf(t, nil, "loss"), "json"))
}

// TestEveryMeasureIsMeasured in a run that has all, and is in all formats.
func TestEveryMeasureIsMeasured(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	for _, m := range Measures {
		require.False(t, names[m.Name], "two measures are called %s", m.Name)
		names[m.Name] = true
		require.NotEmpty(t, m.Meaning, m.Name)
		require.NotEmpty(t, m.points(run("layer", 1)), m.Name)
		table := TableOf([]runlog.Run{run("layer", 1)}, []Measure{m})
		lines, err := csv.NewReader(strings.NewReader(written(t, table, "csv"))).ReadAll()
		require.NoError(t, err)
		var objects []map[string]any
		require.NoError(t, json.Unmarshal([]byte(written(t, table, "json")), &objects))
		require.Len(t, objects, len(lines)-1, m.Name)
		for _, line := range lines[1:] {
			_, err := strconv.ParseFloat(line[len(line)-1], 64)
			require.NoError(t, err, m.Name)
		}
		TableOf([]runlog.Run{{}}, []Measure{m}) // an empty record
	}
	_, err := Find([]string{"loss", "los"})
	require.ErrorContains(t, err, `there is no measure "los", want some of parameters, `)
	_, err = Find([]string{"loss", "lr", "loss"})
	require.ErrorContains(t, err, `the measure "loss" is named twice`)
}

// fill gives all numbers in v values of their own, lists one element and pointers something to
// point to. It returns the path of each number by its value.
func fill(v reflect.Value, path string, paths map[float64]string) {
	switch n := float64(len(paths) + 1); v.Kind() {
	case reflect.Int:
		v.SetInt(int64(n))
		paths[n] = path
	case reflect.Float64:
		v.SetFloat(n)
		paths[n] = path
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, paths)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path, paths)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name, paths)
		}
	}
}

// TestEveryNumberOfARecordIsAMeasure except those that say where something was measured.
func TestEveryNumberOfARecordIsAMeasure(t *testing.T) {
	t.Parallel()
	var r runlog.Run
	missing := make(map[float64]string)
	fill(reflect.ValueOf(&r.Steps).Elem(), "Steps", missing)
	fill(reflect.ValueOf(&r.Probes).Elem(), "Probes", missing)
	fill(reflect.ValueOf(&r.Summary).Elem(), "Summary", missing)
	fill(reflect.ValueOf(&r.Speed).Elem(), "Speed", missing)
	require.Greater(t, len(missing), 40)
	for _, m := range Measures {
		for _, p := range m.points(r) {
			require.Contains(t, missing, float64(p.value), "%s is no number of its own", m.Name)
			delete(missing, float64(p.value))
		}
	}
	var paths []string
	for _, path := range missing {
		paths = append(paths, path)
	}
	require.ElementsMatch(t, []string{"Steps.Step", "Steps.Landscape.Along.Times", "Probes.Step"}, paths)
}

// TestPlacesOfSeveralKinds share no row.
func TestPlacesOfSeveralKinds(t *testing.T) {
	t.Parallel()
	r := run("layer", 0.01)
	r.Steps[1].Landscape.Along[0].Times = 1
	require.Equal(t, "run,norm,placement,qk_norm,lr,seed,step,place,landscape_loss,block_cosine\n"+
		"layer-pre-lr0.01-seed3,layer,pre,false,0.01,3,2,1x,0.1,\n"+
		"layer-pre-lr0.01-seed3,layer,pre,false,0.01,3,2,1,,0.9\n",
		written(t, tableOf(t, []runlog.Run{r}, "landscape_loss", "block_cosine"), "csv"))
}

// TestOnlyAxesThatRunsHave are columns, and a measure of a whole run has no step.
func TestOnlyAxesThatRunsHave(t *testing.T) {
	t.Parallel()
	noisy := run("layer", 0.01)
	noisy.Config.Order, noisy.Config.NormNoise = runlog.Blocks, 0.00001
	noisy.Steps = []runlog.Step{{Step: 1000000, Loss: 0.5}}
	require.Equal(t, "run,norm,placement,qk_norm,lr,order,norm_noise,seed,step,loss,last_val\n"+
		"layer-pre-lr0.01-blocks-noise1e-05-seed3,layer,pre,false,0.01,blocks,0.00001,3,,,1.5\n"+
		"layer-pre-lr0.01-blocks-noise1e-05-seed3,layer,pre,false,0.01,blocks,0.00001,3,1000000,0.5,\n",
		written(t, tableOf(t, []runlog.Run{noisy}, "loss", "last_val"), "csv"))
	require.Contains(t, written(t, tableOf(t, []runlog.Run{noisy}, "last_val"), "json"),
		`"order": "blocks", "norm_noise": 0.00001, "seed": 3, "last_val": 1.5}`)
}

// TestEventFilesAreTheSame each time, and replace others.
func TestEventFilesAreTheSame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "layer-pre-lr1-seed3", eventFile)
	require.NoError(t, TensorBoard(dir, []runlog.Run{run("layer", 1)}))
	first, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o666))
	require.NoError(t, TensorBoard(dir, []runlog.Run{run("layer", 1)}))
	second, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, first, second)
	blocked := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o666))
	require.ErrorContains(t, TensorBoard(blocked, []runlog.Run{run("layer", 1)}), "export: ")
}
