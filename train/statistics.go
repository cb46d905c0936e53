package train

import (
	"math"

	"gorgonorm/layers"
	"gorgonorm/runlog"
)

// section is a part of a text: where its training text is, and its validation windows.
type section struct {
	train   []Span
	windows []int
}

// recomputedLosses records the validation losses of the last weights with BatchNorm's
// statistics over training batches in place of its running ones: those of the whole text and,
// if it has domains, of each domain on its own validation text. Under norms without running
// statistics these are the ordinary losses. They are NaN if the run ended before its last step.
func (l *loop) recomputedLosses(run *Run) (err error) {
	if l.StatisticsBatches == 0 {
		return nil
	}
	measure := func(sections ...section) *runlog.Float {
		loss := runlog.Float(math.NaN())
		if err == nil && len(run.Steps) == l.Steps {
			loss, err = l.recomputedLoss(sections)
		}
		return &loss
	}
	whole := section{windows: l.windows}
	var domains []section
	for i, d := range l.parts {
		whole.train = append(whole.train, d.Train)
		domains = append(domains, section{[]Span{d.Train}, l.windowsOf(i)})
	}
	run.Summary.PreciseVal = measure(whole)
	if len(domains) > 1 {
		run.Summary.DomainStatisticsVal = measure(domains...)
	}
	return err
}

// recomputedLoss returns the mean loss over the validation windows of sections, which share the
// number of windows, each with the statistics of its training text. It leaves the running
// statistics as they are.
func (l *loop) recomputedLoss(sections []section) (runlog.Float, error) {
	l.buffers.Take()
	defer l.buffers.Restore()
	var sum runlog.Float
	for _, s := range sections {
		if possible, err := l.recompute(s.train); err != nil || !possible {
			return runlog.Float(math.NaN()), err
		}
		loss, err := l.evaluateOn(&l.eval, s.windows)
		if err != nil {
			return 0, err
		}
		sum += loss
	}
	return sum / runlog.Float(len(sections)), nil
}

// recompute sets BatchNorm's running statistics to those of its inputs over StatisticsBatches
// training batches, which are spread evenly over spans of the training text and have windows of
// each (PreciseBN; Wu & Johnson 2021, arXiv 2105.07576, section 3). As there, each batch passes
// through the network normalized by its own statistics. It reports whether the statistics are
// finite numbers, as those of a model that diverged may not be; if not, it stops.
func (l *loop) recompute(spans []Span) (possible bool, err error) {
	text := l.text.Train
	at := windowsIn(spans, l.Context, l.Batch, l.StatisticsBatches)
	batch := min(l.Batch, len(at)/len(spans))
	p, err := passOn(l.model, layers.Training, batch, l.Context)
	if err != nil {
		return false, err
	}
	defer p.close()
	norms := make(map[*layers.BatchNorm]layers.Moments)
	for _, n := range p.activations.Norms {
		if b, ok := n.Layer.(*layers.BatchNorm); ok {
			norms[b] = layers.Moments{}
		}
	}
	for ; len(norms) > 0 && len(at) > 0; at = at[batch:] {
		for i, from := range at[:batch] {
			widen(p.ids[i*l.Context:(i+1)*l.Context], text[from:])
			widen(p.targets[i*l.Context:(i+1)*l.Context], text[from+1:])
		}
		if _, err := p.run(); err != nil {
			return false, err
		}
		for b, m := range norms {
			if norms[b], err = layers.CombineMoments(m, b.Moments()); err != nil {
				return false, err
			}
		}
	}
	for b, m := range norms {
		if !finiteMoments(m) {
			return false, nil
		}
		if err := b.SetStatistics(m); err != nil {
			return false, err
		}
	}
	return true, nil
}

// finiteMoments reports whether a float32 holds the means and variances.
func finiteMoments(m layers.Moments) bool {
	for j, squares := range m.M2 {
		variance := float32(squares / float64(m.Count-1))
		if !runlog.Float(float32(m.Mean[j])).Finite() || !runlog.Float(variance).Finite() {
			return false
		}
	}
	return true
}
