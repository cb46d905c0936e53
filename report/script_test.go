package report

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/chart"
	"gorgonorm/report/internal/runtest"
)

// dataOf returns what a page holds for its scripts.
func dataOf(t *testing.T, page string) (d struct {
	Cell  struct{ LR, Seed float64 }
	Rates []float64
	Seeds []float64
	Rate  *struct{ Lo, Hi, Level *float64 }
	Runs  []struct {
		Name   string
		LR     float64
		Seed   float64
		Lost   bool
		Final  *float64
		Curves []struct{ X, Y, RawX, RawY, SpikeX []*float64 }
		Maps   []struct {
			X      []float64
			Values [][]*float64
		}
	}
}) {
	t.Helper()
	_, text, found := strings.Cut(page, `<script type="application/json" id="data">`)
	require.True(t, found)
	text, _, _ = strings.Cut(text, "</script>")
	require.NoError(t, json.Unmarshal([]byte(text), &d))
	return d
}

// TestScriptsHaveEveryRun: the scripts can show each run of a grid, as it was measured.
func TestScriptsHaveEveryRun(t *testing.T) {
	t.Parallel()
	runs := runtest.Grid()
	d := dataOf(t, render(t, runs))
	assert.Equal(t, []float64{0.001, 0.01, 0.1}, d.Rates)
	assert.Equal(t, []float64{1, 2}, d.Seeds)
	require.Len(t, d.Runs, len(runs))
	seen := make(map[string]bool)
	for _, r := range d.Runs {
		seen[fmt.Sprint(r.Name, r.LR, r.Seed)] = true
		assert.Len(t, r.Curves, len(views))
		assert.Len(t, r.Maps, len(depthViews))
	}
	assert.Len(t, seen, len(runs))
	first := d.Runs[0] // none, lr 0.001, seed 1: 100 steps from 4.2 to 2.6
	require.Len(t, first.Curves[0].RawY, 100)
	assert.InDelta(t, 4.2-1.6/100, *first.Curves[0].RawY[0], 5e-4)
	assert.InDelta(t, 2.6, *first.Final, 5e-4)
	assert.Equal(t, []float64{1, 100}, first.Maps[0].X)
	assert.InDelta(t, 6, *first.Maps[0].Values[1][2], 5e-3)
}

// TestScriptsOfEdges: whatever was measured, the scripts get JSON.
func TestScriptsOfEdges(t *testing.T) {
	t.Parallel()
	for name, runs := range runtest.Edges() {
		d := dataOf(t, render(t, runs))
		assert.Len(t, d.Runs, len(runs), name)
	}
}

func TestNumbersOfScripts(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(numbers{1, 0, -2, 1.23456, 1e-5, 123456, 1.5e12, math.NaN(), math.Inf(-1)})
	require.NoError(t, err)
	assert.Equal(t, "[1,0,-2,1.235,1e-5,123456,1.5e+12,null,null]", string(b))
}

// TestPageOf200Runs has less than 2 MB.
func TestPageOf200Runs(t *testing.T) {
	t.Parallel()
	page := render(t, runtest.TwoHundred())
	assert.Less(t, len(page), 2_000_000)
	assert.Greater(t, len(dataOf(t, page).Runs[0].Curves[0].RawX), 100, "curves are still curves")
}

// TestSmoothingOutlivesASpike: a huge value does not change the means of windows without it.
func TestSmoothingOutlivesASpike(t *testing.T) {
	t.Parallel()
	points := make([]chart.Point, 200)
	for i := range points {
		points[i] = chart.Point{X: float64(i), Y: 1}
	}
	points[50].Y = 1e90
	for i, p := range smooth(points) {
		if i < 48 || i > 52 {
			assert.Equal(t, 1.0, p.Y, i)
		}
	}
}

// TestThinningKeepsSpikes.
func TestThinningKeepsSpikes(t *testing.T) {
	t.Parallel()
	points := make([]chart.Point, 10_000)
	for i := range points {
		points[i] = chart.Point{X: float64(i)}
	}
	points[1234].Y, points[4321].Y = 7, -7
	thinned := thin(points, 100)
	assert.LessOrEqual(t, len(thinned), 102)
	assert.Contains(t, thinned, points[1234])
	assert.Contains(t, thinned, points[4321])
	assert.Contains(t, thinned, points[9999])
	some := every(points, 11)
	assert.Len(t, some, 11)
	assert.Equal(t, []chart.Point{points[0], points[9999]}, []chart.Point{some[0], some[10]})
}
