package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

func render(t *testing.T, runs []runlog.Run) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, HTML(&b, runlog.Records{Runs: runs}))
	return b.String()
}

// svgs returns the pictures of a page, which must be well-formed.
func svgs(t *testing.T, page string, count int) (out []string) {
	t.Helper()
	for _, rest := range strings.Split(page, "<svg")[1:] {
		body, _, closed := strings.Cut(rest, "</svg>")
		require.True(t, closed)
		out = append(out, "<svg"+body+"</svg>")
	}
	require.Len(t, out, count)
	for _, s := range out {
		require.NoError(t, wellFormed(s))
	}
	return out
}

func wellFormed(s string) error {
	for d := xml.NewDecoder(strings.NewReader(s)); ; {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestHTML(t *testing.T) {
	t.Parallel()
	runs := runtest.OneEach()
	page := render(t, runs)
	assert.Equal(t, page, render(t, runs), "two renderings differ")
	assert.NotContains(t, page, "NaN")
	assert.NotContains(t, page, "/somewhere", "a folder's name leaks")
	assert.NotContains(t, page, runs[0].Config.Vocabulary)
	assert.NotContains(t, page, "<?xml")
	assert.NotContains(t, page, " id=")
	assert.Contains(t, page, "29 characters")

	for _, svg := range svgs(t, page, 2) {
		for _, color := range []string{"#000000", "#D55E00", "#0072B2", "#009E73"} { // none, batch, layer, rms
			assert.Contains(t, svg, "stroke:"+color)
		}
		assert.Contains(t, svg, "none, diverged at step 57")
		assert.Contains(t, svg, `role="img" aria-label="`)
	}
}

// TestHTMLAgreesWithTable: the page has all cells and sentences of the table.
func TestHTMLAgreesWithTable(t *testing.T) {
	t.Parallel()
	page := html.UnescapeString(render(t, runtest.OneEach()))
	s, err := summarize(runlog.Records{Runs: runtest.OneEach()})
	require.NoError(t, err)
	for _, cells := range s.table(true).Body {
		assert.Contains(t, page, ">"+cells[0]+"</th><td>"+strings.Join(cells[1:], "</td><td>")+"</td></tr>")
	}
	for _, sentence := range append(s.Verdict, s.Notes...) {
		assert.Contains(t, page, sentence)
	}
}

func TestHTMLOfEdges(t *testing.T) {
	t.Parallel()
	for name, runs := range runtest.Edges() {
		t.Run(name, func(t *testing.T) {
			page := render(t, runs)
			svgs(t, page, 2)
			assert.NotContains(t, page, "NaN")
			assert.NotContains(t, page, "Inf")
			assert.NotContains(t, page, "<b>", "mark-up in a name is not escaped")
		})
	}
}

// TestHTMLOfGrid: the page of a grid has what its table has, a table of all runs, the axes,
// and its figures.
func TestHTMLOfGrid(t *testing.T) {
	t.Parallel()
	page := html.UnescapeString(render(t, runtest.Grid()))
	pictures := svgs(t, render(t, runtest.Grid()), 12)
	s, err := summarize(runlog.Records{Runs: runtest.Grid()})
	require.NoError(t, err)
	for _, cells := range append(s.table(true).Body, tabulate(runColumns, true, s.Rows).Body...) {
		assert.Contains(t, page, ">"+cells[0]+"</th><td>"+strings.Join(cells[1:], "</td><td>")+"</td></tr>")
	}
	for _, sentence := range append(s.Verdict, s.Notes...) {
		assert.Contains(t, page, sentence)
	}
	for _, f := range s.Facts {
		for _, text := range []string{f.Claim, f.Source, f.Found, f.Outcome.String()} {
			assert.Contains(t, page, text)
		}
	}
	for _, axis := range []string{
		"norm</dt><dd>none, batch, layer, rms", "placement</dt><dd>pre, post", "qk norm</dt><dd>false, true",
		"lr</dt><dd>0.001, 0.01, 0.1", "min lr</dt><dd>0.0001, 0.001, 0.01", "seed</dt><dd>1, 2",
	} {
		assert.Contains(t, page, "<dt>"+axis+"</dd>")
	}
	assert.NotContains(t, page, "that differ")
	assert.NotContains(t, page, "NaN")

	for i, want := range []string{
		"Final validation loss",
		"Loss by step: none pre, lr 0.001; batch pre, lr 0.01; layer pre, lr 0.01;",
		"Loss at the largest learning rate by step: none pre, diverged at step 12; batch pre; ",
		"Gradient norm",
		"Residual stream by depth by block",
	} {
		assert.Contains(t, pictures[i], `aria-label="`+want)
	}
	assert.Contains(t, pictures[9], "batch pre")
	assert.NotContains(t, pictures[9], "layer", "BatchNorm's figure shows others")
}

func TestHTMLOfOddGrids(t *testing.T) {
	t.Parallel()
	rates := map[float64][]runlog.Float{0.01: {2, 2.1}, 0.1: {3, inf}}
	change := func(runs []runlog.Run, change func(*runlog.Run)) []runlog.Run {
		for i := range runs {
			change(&runs[i])
		}
		return runs
	}
	for _, c := range []struct {
		name    string
		runs    []runlog.Run
		figures int
	}{
		{"few runs", runtest.Plain("layer", rates), 3},
		{"an unknown norm", runtest.Plain("<b>odd</b>", rates), 3},
		{"nothing finite", runtest.Plain("none", map[float64][]runlog.Float{0.01: {nan, nan}, 0.1: {inf, nan}}), 3},
		{"one rate", runtest.Plain("layer", map[float64][]runlog.Float{0.01: {2, 2, 2, 2, 2, 2, 2, 2, 2}}), 2},
		{"a rate of zero", runtest.Plain("layer", map[float64][]runlog.Float{0: {4}, 0.01: {2}}), 2},
		{
			"many runs",
			runtest.Plain("layer", map[float64][]runlog.Float{0.01: {2, 2, 2, 2, 2}, 0.1: {2, 2, 2, 2, 2}}), 4,
		},
		{"many runs, none at its end", change(
			runtest.Plain("layer", map[float64][]runlog.Float{0.01: {2, 2, 2, 2, 2}, 0.1: {2, 2, 2, 2, 2}}),
			func(r *runlog.Run) { r.Summary.Interrupted = true }), 1},
		{
			"no loss at initialisation",
			change(runtest.Plain("layer", rates), func(r *runlog.Run) { r.Summary.InitVal = nan }), 3,
		},
		{
			"empty probes",
			change(runtest.Plain("layer", rates), func(r *runlog.Run) { r.Probes = make([]runlog.Probe, 3) }), 4,
		},
		{"probes that are not finite", change(runtest.Plain("layer", rates), func(r *runlog.Run) {
			*r = runtest.Probed(*r, []runlog.Float{nan, inf}, []runlog.Float{nan, inf})
		}), 7},
		{"bare records", make([]runlog.Run, 3), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			page := render(t, c.runs)
			svgs(t, page, c.figures)
			assert.NotContains(t, page, "NaN")
			assert.NotContains(t, page, "<b>")
			var b bytes.Buffer
			require.NoError(t, Table(&b, runlog.Records{Runs: c.runs}))
			assert.NotContains(t, b.String(), "NaN")
		})
	}
}

var (
	orange = regexp.MustCompile(`<path d="([^"]*)"\s+style="fill:none;stroke:#D55E00`)
	point  = regexp.MustCompile(`[ML]([^,]+),([^ML]+)`)
)

// TestCurveStaysInFrame: a curve stays between the axes, however large its values.
func TestCurveStaysInFrame(t *testing.T) {
	t.Parallel()
	run := runtest.Noisy("batch", 1)
	run.Steps[3].Loss, run.Steps[3].GradNorm = 3e38, 3e38
	const axis = 40 // less than the labels below the axis need
	for _, svg := range svgs(t, render(t, []runlog.Run{run}), 2) {
		paths := orange.FindAllStringSubmatch(svg, -1)
		require.NotEmpty(t, paths)
		for _, path := range paths {
			for _, m := range point.FindAllStringSubmatch(path[1], -1) {
				x, errX := strconv.ParseFloat(m[1], 64)
				y, errY := strconv.ParseFloat(m[2], 64)
				require.NoError(t, errors.Join(errX, errY), m[0])
				require.True(t, x >= axis && x <= 800 && y >= axis && y <= 380, m[0])
			}
		}
	}
}
