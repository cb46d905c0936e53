package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/png"
	"math"
	"slices"

	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// depthMaps are a measure of several runs at each depth and probed step, one map a run, all with
// the same scale of colours.
type depthMaps struct {
	depthView
	Maps   []depthMap
	Lo, Hi string       // the values at the ends of the scale, which is logarithmic
	Scale  template.CSS // as a gradient
}

// depthMap is the map of a run: a picture with a point a probe from left to right, and a point a
// layer from the foot to the top.
type depthMap struct {
	Name        string
	Picture     template.URL
	Depth       int
	First, Last int // steps
}

// depthMaps returns the maps of the selected runs that have some.
func (s selection) depthMaps() (all []depthMaps, err error) {
	for _, v := range depthViews {
		lo, hi, ok := s.depthRange(v)
		if !ok {
			continue
		}
		m := depthMaps{depthView: v, Lo: significant(lo), Hi: significant(hi)}
		m.Scale = gradient(func(t float64) float64 { return t })
		for _, r := range s.rows {
			values := depthValues(v, r.Run)
			if len(values) == 0 {
				continue
			}
			picture, depth, err := paint(values, lo, hi)
			if err != nil {
				return nil, err
			}
			m.Maps = append(m.Maps, depthMap{
				r.Name, picture, depth, probedStep(v, r.Probes), r.Probes[len(r.Probes)-1].Step,
			})
		}
		all = append(all, m)
	}
	return all, nil
}

// probedStep returns the first step at which the measure was taken.
func probedStep(v depthView, probes []runlog.Probe) int {
	i := slices.IndexFunc(probes, func(p runlog.Probe) bool { return len(v.at(p)) > 0 })
	return probes[i].Step
}

// depthValues returns the measure at each probe that took it, from the first layer on.
func depthValues(v depthView, r runlog.Run) (values [][]runlog.Float) {
	for _, p := range r.Probes {
		if at := v.at(p); len(at) > 0 {
			values = append(values, at)
		}
	}
	return values
}

// depthRange returns the range of the positive values of the runs that did not diverge, or of all
// runs if all did.
func (s selection) depthRange(v depthView) (lo, hi runlog.Float, ok bool) {
	for _, diverged := range []bool{false, true} {
		var all []runlog.Float
		for _, r := range s.rows {
			if r.Summary.DivergedAt > 0 && !diverged {
				continue
			}
			for _, values := range depthValues(v, r.Run) {
				for _, f := range values {
					if f.Finite() && f > 0 {
						all = append(all, f)
					}
				}
			}
		}
		if r := results.RangeOf(all); len(all) > 0 {
			return r.Lo, r.Hi, true
		}
	}
	return 0, 0, false
}

// paint draws values as a picture. What is not finite is transparent.
func paint(values [][]runlog.Float, lo, hi runlog.Float) (picture template.URL, depth int, err error) {
	for _, column := range values {
		depth = max(depth, len(column))
	}
	img := image.NewNRGBA(image.Rect(0, 0, len(values), depth))
	width := math.Log(float64(hi / lo))
	for x, column := range values {
		for layer, f := range column {
			if !f.Finite() {
				continue
			}
			t := 0.0
			if f > 0 && width > 0 {
				t = math.Log(float64(f/lo)) / width
			}
			img.SetNRGBA(x, depth-1-layer, shade(t))
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return "", 0, fmt.Errorf("report: %w", err)
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())), depth, nil
}
