package report

import (
	"bytes"
	"math"
	"slices"
	"strconv"

	"gorgonorm/report/chart"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// What the page holds for its scripts is limited, so that a page of 200 runs has less than 2 MB:
// about so many points of curves, and so many values of maps, in all.
const (
	scriptPoints = 90_000
	scriptValues = 60_000
)

// scriptData is what the scripts of a page draw: the curves of all runs, thinned to what a
// screen shows. The scripts are given numbers, names and colours, and decide nothing about runs.
type scriptData struct {
	Grid     bool            `json:"grid"`
	Rates    numbers         `json:"rates"`
	Seeds    []uint64        `json:"seeds"`
	Cell     scriptCell      `json:"cell"` // that the page shows without scripts
	Scale    []string        `json:"scale"`
	Variants []scriptVariant `json:"variants"`
	Views    []scriptView    `json:"views"`
	Maps     []scriptView    `json:"maps"`
	Rate     *scriptRate     `json:"rate,omitempty"`
	Runs     []scriptRun     `json:"runs"`
}

type scriptCell struct {
	LR   number `json:"lr"`
	Seed uint64 `json:"seed"`
}

type scriptVariant struct {
	Name   string `json:"name"`
	Color  int    `json:"color"` // of the page's variable --series-N
	Dashes string `json:"dashes,omitempty"`
}

type scriptView struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	X     string `json:"x"`
	Label string `json:"label"`
	Log   bool   `json:"log,omitempty"`
	Steps bool   `json:"steps,omitempty"` // measured at each step, so that the curve is smoothed
	Level number `json:"level,omitempty"` // 0 for none
}

// scriptRate is the axis of the figure of losses by learning rate.
type scriptRate struct {
	Lo        number `json:"lo"`
	Hi        number `json:"hi"`
	Level     number `json:"level"` // the loss of an untrained model, NaN if unknown
	LevelName string `json:"levelName"`
	Title     string `json:"title"`
	Label     string `json:"label"`
}

type scriptRun struct {
	Name    string        `json:"name"` // in legends of its cell
	Variant int           `json:"variant"`
	Style   scriptVariant `json:"style"`
	LR      number        `json:"lr"`
	Seed    uint64        `json:"seed"`
	Steps   int           `json:"steps"` // planned
	Fate    string        `json:"fate,omitempty"`
	Lost    bool          `json:"lost,omitempty"` // diverged
	Counts  bool          `json:"counts"`         // for the figure by rate: not interrupted
	Final   number        `json:"final"`
	Curves  []scriptCurve `json:"curves"` // of each view
	Maps    []scriptMap   `json:"maps"`   // of each map
}

type scriptCurve struct {
	X      numbers `json:"x"`
	Y      numbers `json:"y"`
	RawX   numbers `json:"rawX,omitempty"` // the steps themselves, where Y is smoothed
	RawY   numbers `json:"rawY,omitempty"`
	MarkX  numbers `json:"markX,omitempty"`
	MarkY  numbers `json:"markY,omitempty"`
	SpikeX numbers `json:"spikeX,omitempty"`
	SpikeY numbers `json:"spikeY,omitempty"`
}

type scriptMap struct {
	X      numbers   `json:"x"`
	Values []numbers `json:"values"` // at each X, from the first layer on
}

// number and numbers are written with four significant digits, and as null where they are not
// finite.
type (
	number  float64
	numbers []float64
)

func (n number) MarshalJSON() ([]byte, error) { return appendNumber(nil, float64(n)), nil }

func (ns numbers) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, v := range ns {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNumber(b, v)
	}
	return append(b, ']'), nil
}

func appendNumber(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	const digits = 4
	if v == math.Trunc(v) && math.Abs(v) < 1e9 {
		return strconv.AppendInt(b, int64(v), 10)
	}
	return bytes.Replace(strconv.AppendFloat(b, v, 'g', digits, 64), []byte("e-0"), []byte("e-"), 1)
}

// script returns what the scripts draw. The selection is what the page shows without them.
func (s summary) script(shown selection, rate *figure) scriptData {
	d := scriptData{
		Grid: s.Grid, Cell: scriptCell{number(shown.LR), shown.Seed}, Views: scriptViews(s.Rows), Maps: scriptMaps(),
	}
	for _, lr := range s.Rates() {
		d.Rates = append(d.Rates, float64(lr))
	}
	for i := range len(scale) {
		d.Scale = append(d.Scale, css(scale[i]))
	}
	var kinds []results.Kind
	for _, v := range s.Variants {
		kinds = append(kinds, v.Kind)
	}
	for i, style := range styles(kinds) {
		d.Variants = append(d.Variants, scriptStyle(s.Variants[i].Name, style))
	}
	if rate != nil {
		d.Rate = &scriptRate{
			Lo: number(rate.Y.Lo), Hi: number(rate.Y.Hi), Level: number(nan), Title: rate.Title, Label: rate.Y.Label,
		}
		if len(rate.Levels) > 0 {
			d.Rate.Level, d.Rate.LevelName = number(rate.Levels[0].Y), rate.Levels[0].Label
		}
	}
	thin := thinningFor(s.Rows)
	for _, cell := range s.cells() {
		at := s.at(cell)
		for i, r := range at.rows {
			d.Runs = append(d.Runs, s.scriptRun(r, at.styles[i], thin))
		}
		d.Seeds = appendNew(d.Seeds, cell.Seed)
	}
	return d
}

// cells returns the cells of a grid, or one for all runs of what is none.
func (s summary) cells() (cells []results.Cell) {
	for _, r := range s.Runs {
		cells = appendNew(cells, results.CellOf(r))
		if !s.Grid {
			break
		}
	}
	return cells
}

func appendNew[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

func scriptViews(rows []row) (vs []scriptView) {
	for _, v := range views {
		x := "step"
		if v.byDepth {
			x = "block"
		}
		view := scriptView{ID: v.ID, Title: v.Title, X: x, Label: v.Label, Log: v.log, Steps: v.steps != nil}
		if v.ID == "gradient" {
			view.Level = number(sharedClip(rows))
		}
		vs = append(vs, view)
	}
	return vs
}

func scriptMaps() (vs []scriptView) {
	for _, v := range depthViews {
		vs = append(vs, scriptView{ID: v.ID, Title: v.Title, X: "step", Label: v.Rows, Log: true})
	}
	return vs
}

func scriptStyle(name string, s chart.Style) scriptVariant {
	return scriptVariant{name, s.Color % chart.Colors, s.Dashes()}
}

func (s summary) scriptRun(r row, style chart.Style, thin thinning) scriptRun {
	run := scriptRun{
		Name: r.Name, Style: scriptStyle("", style), LR: number(results.Rate(r.Run)), Seed: r.Config.Seed,
		Steps: r.Config.Steps, Lost: r.Summary.DivergedAt > 0, Counts: !r.Summary.Interrupted,
		Final: number(results.Final(r.Run)), Fate: r.lost(),
	}
	for i, v := range s.Variants {
		if v.Kind == results.KindOf(r.Run) {
			run.Variant = i
		}
	}
	for _, v := range views {
		run.Curves = append(run.Curves, v.scriptCurve(r, thin))
	}
	for _, v := range depthViews {
		run.Maps = append(run.Maps, v.scriptMap(r, thin))
	}
	return run
}

// thinning says how much of each run's curves and maps the page can hold.
type thinning struct {
	points int // of a curve of values at each step
	probes int // of a run
}

func thinningFor(rows []row) thinning {
	depth := 1
	for _, r := range rows {
		for _, p := range r.Probes {
			depth = max(depth, len(p.Residual)+len(p.Attention)+len(p.Norms))
		}
	}
	n := max(1, len(rows))
	return thinning{
		points: max(60, min(mostPoints, scriptPoints/(3*n))),
		probes: max(8, min(100, scriptValues/(n*depth))),
	}
}

func (v view) scriptCurve(r row, t thinning) (c scriptCurve) {
	points := drawable(v.points(r.Run), v.log)
	if v.steps == nil {
		c.X, c.Y = coordinates(every(points, t.probes))
		return c
	}
	c.X, c.Y = coordinates(every(smooth(points), t.points/2))
	c.RawX, c.RawY = coordinates(thin(points, t.points))
	series := v.series(trace{row: r, points: points})
	c.MarkX, c.MarkY = coordinates(series.Marks)
	c.SpikeX, c.SpikeY = coordinates(series.Spikes)
	return c
}

func (v depthView) scriptMap(r row, t thinning) (m scriptMap) {
	var probes []runlog.Probe
	for _, p := range r.Probes {
		if len(v.at(p)) > 0 {
			probes = append(probes, p)
		}
	}
	for _, p := range every(probes, t.probes) {
		m.X = append(m.X, float64(p.Step))
		var column numbers
		for _, f := range v.at(p) {
			column = append(column, float64(f))
		}
		m.Values = append(m.Values, column)
	}
	return m
}

func drawable(points []chart.Point, log bool) (kept []chart.Point) {
	for _, p := range points {
		if chart.Drawable(p.Y, log) {
			kept = append(kept, p)
		}
	}
	return kept
}

// every returns at most n of the items, about equally far apart, the first and the last among
// them.
func every[T any](items []T, n int) (some []T) {
	if len(items) <= n {
		return items
	}
	for i := range n {
		some = append(some, items[i*(len(items)-1)/(n-1)])
	}
	return some
}

func coordinates(points []chart.Point) (xs, ys numbers) {
	for _, p := range points {
		xs, ys = append(xs, p.X), append(ys, p.Y)
	}
	return xs, ys
}
