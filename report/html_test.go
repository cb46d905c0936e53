package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
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
	return renderRecords(t, runlog.Records{Runs: runs})
}

func renderRecords(t *testing.T, records runlog.Records) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, HTML(&b, records))
	return b.String()
}

// has and hasNot print what they look for, but not the page.
func has(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		assert.True(t, strings.Contains(page, part), "the page lacks %q", part)
	}
}

func hasNot(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		assert.False(t, strings.Contains(page, part), "the page has %q", part)
	}
}

// shown returns what readers see of a page, without its style and scripts.
func shown(page string) string {
	_, page, _ = strings.Cut(page, "</style>")
	page, _, _ = strings.Cut(page, "<script")
	return html.UnescapeString(page)
}

var figureOf = regexp.MustCompile(`(?s)<figure id="figure-([a-z-]+)">.*?<svg(.*?)</svg>.*?</figure>`)

// figures returns the figures of a page by their IDs: the drawing, which must be well-formed, with
// the legend.
func figures(t *testing.T, page string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, m := range figureOf.FindAllStringSubmatch(page, -1) {
		require.NoError(t, wellFormed("<svg"+m[2]+"</svg>"))
		all[m[1]] = m[0]
	}
	return all
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
	assert.True(t, page == render(t, runs), "two renderings differ")
	hasNot(t, page, "/somewhere", "<?xml")
	hasNot(t, shown(page), runs[0].Config.Vocabulary, "NaN")
	has(t, page, "29 characters")
	hasNot(t, page, `id="map-loss"`, `id="figure-rate"`) // no grid
	for _, id := range []string{"loss", "gradient"} {
		f := figures(t, page)[id]
		for i := range 4 { // none, batch, layer, rms
			has(t, f, fmt.Sprintf("stroke:var(--series-%d,", i))
		}
		has(t, f, "none, diverged at step 57</li>", `role="img" aria-label="`)
	}
}

// TestHTMLAgreesWithTable: the page has all cells and sentences of the table.
func TestHTMLAgreesWithTable(t *testing.T) {
	t.Parallel()
	for _, runs := range [][]runlog.Run{runtest.OneEach(), runtest.Grid()} {
		page := html.UnescapeString(render(t, runs))
		s, err := summarize(runlog.Records{Runs: runs})
		require.NoError(t, err)
		text := strings.NewReplacer("<strong>", "", "</strong>", "").Replace(page)
		for _, cells := range s.table(true).Body {
			has(t, text, "</th><td>"+strings.Join(cells[1:], "</td><td>")+"</td></tr>")
		}
		has(t, text, "<h1>"+s.title()+"</h1>")
		has(t, text, s.Verdict...)
		for _, f := range s.Facts {
			has(t, text, f.Claim, f.Found, f.Outcome.String())
		}
		text = regexp.MustCompile(`<a href="https[^>]*>|</a>`).ReplaceAllString(text, "")
		has(t, text, s.Notes...)
	}
}

func TestHTMLOfEdges(t *testing.T) {
	t.Parallel()
	for name, runs := range runtest.Edges() {
		t.Run(name, func(t *testing.T) {
			page := render(t, runs)
			figures(t, page)
			hasNot(t, page, "<b>")
			hasNot(t, shown(page), "Inf", "NaN")
		})
	}
}

// TestHTMLOfGrid: the page of a grid has the map of losses, a table of all runs with links to
// them, the axes, and its figures.
func TestHTMLOfGrid(t *testing.T) {
	t.Parallel()
	page := render(t, runtest.Grid())
	text := html.UnescapeString(page)
	s, err := summarize(runlog.Records{Runs: runtest.Grid()})
	require.NoError(t, err)
	for i, cells := range tabulate(runColumns, true, s.Rows).Body {
		has(t, text, `<a href="`+s.Rows[i].Config.ID()+`/">`+cells[0]+"</a></th><td>"+strings.Join(cells[1:], "</td><td>")+
			"</td></tr>")
	}
	for _, axis := range []string{
		"norm</dt><dd>none, batch, layer, rms", "placement</dt><dd>pre, post", "qk norm</dt><dd>false, true",
		"lr</dt><dd>0.001, 0.01, 0.1", "min lr</dt><dd>0.0001, 0.001, 0.01", "seed</dt><dd>1, 2",
	} {
		has(t, text, "<dt>"+axis+"</dd>")
	}
	hasNot(t, shown(page), "that differ", "NaN")
	all := figures(t, page)
	for id, label := range map[string]string{
		"rate": "Final validation loss by learning rate: none pre; batch pre;", "loss": "Training loss by step: none pre; ",
		"gradient": "Gradient norm by step", "depth": "Residual stream by depth by block",
	} {
		has(t, all[id], `aria-label="`+label)
	}
	has(t, all["batch-mean"], "batch pre")
	hasNot(t, all["batch-mean"], "layer") // BatchNorm's figure shows no others
	has(t, text, `<h3>Residual stream by depth and step</h3>`,
		"layer pre qk at a learning rate of 0.01: 2 runs, validation loss")
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
	many := map[float64][]runlog.Float{0.01: {2, 2, 2, 2, 2}, 0.1: {2, 2, 2, 2, 2}}
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
		{"many runs", runtest.Plain("layer", many), 3},
		{
			"many runs, none at its end",
			change(runtest.Plain("layer", many), func(r *runlog.Run) { r.Summary.Interrupted = true }), 3,
		},
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
		{"bare records", make([]runlog.Run, 3), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			page := render(t, c.runs)
			assert.Len(t, figures(t, page), c.figures)
			hasNot(t, page, "<b>")
			hasNot(t, shown(page), "NaN")
			var b bytes.Buffer
			require.NoError(t, Table(&b, runlog.Records{Runs: c.runs}, 110))
			assert.NotContains(t, b.String(), "NaN")
		})
	}
}

var (
	orange = regexp.MustCompile(`<path d="([^"]*)"\s+style="fill:none;stroke:var\(--series-1,`)
	point  = regexp.MustCompile(`[ML]([^,]+),([^ML]+)`)
)

// TestCurveStaysInFrame: a curve stays between the axes, however large its values.
func TestCurveStaysInFrame(t *testing.T) {
	t.Parallel()
	run := runtest.Noisy("batch", 1)
	run.Steps[3].Loss, run.Steps[3].GradNorm = 3e38, 3e38
	const axis = 40 // less than the labels below the axis need
	all := figures(t, render(t, []runlog.Run{run}))
	require.Len(t, all, 2)
	for _, svg := range all {
		svg, _, _ = strings.Cut(svg, `<ul class="legend">`)
		paths := orange.FindAllStringSubmatch(svg, -1)
		require.NotEmpty(t, paths)
		for _, path := range paths {
			for _, m := range point.FindAllStringSubmatch(path[1], -1) {
				x, errX := strconv.ParseFloat(m[1], 64)
				y, errY := strconv.ParseFloat(m[2], 64)
				require.NoError(t, errors.Join(errX, errY), m[0])
				require.True(t, x >= axis && x <= 520 && y >= axis && y <= 320, m[0])
			}
		}
	}
}
