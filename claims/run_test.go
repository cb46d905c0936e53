package claims

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryExperimentWorksInItsQuickForm measures all claims with tiny sizes, one run at a time
// and several side by side, and once more after a stop. claims.json is the same each time.
func TestEveryExperimentWorksInItsQuickForm(t *testing.T) {
	if testing.Short() {
		t.Skip("training takes a minute")
	}
	t.Parallel()
	results := func(dir string) string {
		b, err := os.ReadFile(filepath.Join(dir, ResultsFile))
		require.NoError(t, err)
		return string(b)
	}
	o := Options{Out: t.TempDir(), Seed: 1, Seeds: 2, Quick: true, Jobs: 1}
	require.NoError(t, o.Check())
	r, err := Run(context.Background(), o, nil)
	require.NoError(t, err)
	require.Len(t, r.Claims, len(All))
	for _, c := range r.Claims {
		require.NotEmpty(t, c.Judgements, c.Name)
		for _, j := range c.Judgements {
			require.Contains(t, []Verdict{Supported, Refuted, Depends, Undecided}, j.Verdict, c.Name)
			require.NotEmpty(t, j.Reason, c.Name)
		}
	}
	page, err := os.ReadFile(filepath.Join(o.Out, PageFile))
	require.NoError(t, err)
	for _, c := range All {
		require.Contains(t, string(page), `id="`+c.Name+`"`)
		require.NotEmpty(t, c.Method+c.Short, c.Name)
		for _, text := range []string{c.Claim, c.Method, c.Rule, c.Literature, c.Limits} {
			require.NotEmpty(t, text, c.Name)
		}
	}
	require.NotContains(t, string(page), "http://www.w3.org/1999/xlink", "the page needs no other file")
	require.NotContains(t, string(page), "<script")

	t.Run("which decide nothing where they are not finite", func(t *testing.T) {
		for _, c := range withTimesOf(All) {
			m, err := readMeasured(o.Out, c, r.Settings)
			require.NoError(t, err)
			spoil(reflect.ValueOf(m.decoded))
			data, err := json.Marshal(m.decoded)
			require.NoError(t, err, c.Name)
			m.decoded, err = c.decode(data)
			require.NoError(t, err, c.Name)
			for _, j := range c.judge(m.decoded) {
				if j.Part != "for each row by itself" { // which trains nothing
					require.Equal(t, Undecided, j.Verdict, "%s: %s", c.Name, j.Part)
				}
			}
			for _, f := range c.figures(m.decoded) {
				_, err := f.picture()
				require.NoError(t, err, c.Name)
			}
		}
	})

	stopped := Options{Out: t.TempDir(), Seed: 1, Seeds: 2, Quick: true, Jobs: 3}
	ctx, cancel := context.WithCancel(context.Background())
	_, err = Run(ctx, stopped, func(p Progress) {
		if p.Done == 2 {
			cancel()
		}
	})
	require.True(t, errors.Is(err, context.Canceled), err)
	require.NoFileExists(t, filepath.Join(stopped.Out, ResultsFile))
	_, err = Run(context.Background(), stopped, nil)
	require.NoError(t, err)
	require.Equal(t, results(o.Out), results(stopped.Out))
}

// spoil makes every number of every series in v NaN.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			spoil(v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		list, ok := v.Interface().(series)
		for i := range list {
			list[i] = math.NaN()
		}
		for i := 0; !ok && i < v.Len(); i++ {
			spoil(v.Index(i))
		}
	}
}

func TestSomeClaimsAreTestedAlone(t *testing.T) {
	t.Parallel()
	o := Options{Out: t.TempDir(), Seed: 1, Seeds: 2, Quick: true, Only: []string{"samples"}}
	var shown []string
	r, err := Run(context.Background(), o, func(p Progress) { shown = append(shown, p.String()) })
	require.NoError(t, err)
	require.Len(t, r.Claims, 1)
	require.NotEmpty(t, shown)
	b, err := os.ReadFile(filepath.Join(o.Out, ResultsFile))
	require.NoError(t, err)
	var read Results
	require.NoError(t, json.Unmarshal(b, &read))
	require.Equal(t, []uint64{1, 2}, read.Seeds)
	require.Equal(t, "samples", read.Claims[0].Name)

	shown = nil
	_, err = Run(context.Background(), o, func(p Progress) { shown = append(shown, p.String()) })
	require.NoError(t, err)
	require.Empty(t, shown, "what is measured is not measured again")

	again := o
	again.Seed, shown = 3, nil
	r, err = Run(context.Background(), again, func(p Progress) { shown = append(shown, p.String()) })
	require.NoError(t, err)
	require.NotEmpty(t, shown, "other seeds are measured")
	require.Equal(t, []uint64{3, 4}, r.Seeds)
	require.NotEqual(t, read.Claims[0].Measurements, r.Claims[0].Measurements)

	// A run that was stopped between a claim and its times does not stand in another claim's way.
	planted := `{"measurements": {"layer": [2, 2], "rms": [2, 2], "places": [{"share": [0.1, 0.1]}], ` +
		`"folded": [0], "unfolded": [0]}}`
	stopped := filepath.Join(o.Out, "measured", "mean-quick-seeds-1-2.json")
	require.NoError(t, os.WriteFile(stopped, []byte(planted), 0o666))
	r, err = Run(context.Background(), o, nil)
	require.NoError(t, err)
	require.Len(t, r.Claims, 2)
	require.Empty(t, r.Claims[1].OnThisMachine)

	path := filepath.Join(o.Out, "measured", "samples-quick-seeds-1-2.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"measurements": {"batch_sizes": `), 0o666))
	_, err = Run(context.Background(), o, nil)
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "remove it, and it is measured again")
}

func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]Options{
		"-out is empty, want a directory":                    {Seeds: 5},
		"-seeds is 1, want 2 to 1000: an interval needs two": {Out: "x", Seeds: 1},
		"-jobs is -1, want 0 or more":                        {Out: "x", Seeds: 5, Jobs: -1},
		`unknown claim "x", want some of ` + strings.Join(Names(), ", "): {
			Out: "x", Seeds: 5, Only: []string{"gauss", "x"},
		},
	} {
		require.ErrorContains(t, o.Check(), want)
	}
}

// TestPagesOfEveryVerdict: the title counts verdicts, and times are marked as this machine's.
func TestPagesOfEveryVerdict(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	all := []tested{{
		claim: Claim{About: About{Name: "a", Claim: "A <claim>."}},
		judgements: []Judgement{
			{Verdict: Supported, Reason: "one", Effect: "e", Size: Interval{1.23456, 1, 2, 5}},
			{Part: "a part", Verdict: Depends, Reason: "two", Effect: "e", Size: interval([]float64{1})},
		},
		timed: []Judgement{{Verdict: Undecided, Reason: "three", Effect: "e"}},
		figures: []Figure{
			{
				Title: "Figure", X: "x", Y: "y", LogY: true,
				Curves: []Curve{{Name: "c", Points: []Point{{1, 2, 1, 3}, {2, 0, 0, 0}}}},
			},
			{Title: "Empty"},
		},
	}}
	require.NoError(t, writePage(&b, Settings{Seeds: []uint64{1, 2}}, all))
	for _, text := range []string{
		"1 supported, 0 refuted, 1 depends, 1 undecided", "A &lt;claim&gt;.", "1.235 (1 to 2)", "(a part)",
		", on this machine: three", "<svg",
	} {
		require.Contains(t, b.String(), text)
	}
}
