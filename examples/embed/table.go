package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// table has the test accuracy of each norm by learning rate.
type table struct {
	rates []float64
	lines []string
}

// add adds the line of a norm, whose runs are ordered by learning rate.
func (t *table) add(name string, runs []result) {
	line := fmt.Sprintf("%-10s", name)
	best, bestLR := math.NaN(), 0.0
	seeds := len(runs) / len(t.rates)
	for i, lr := range t.rates {
		var accuracies, losses []float64
		for _, r := range runs[i*seeds : (i+1)*seeds] {
			accuracies, losses = append(accuracies, 100*r.accuracy), append(losses, r.loss)
		}
		mean, std := meanStd(accuracies)
		cell := fmt.Sprintf("%.1f", mean)
		if seeds > 1 {
			cell += fmt.Sprintf(" ± %.1f", std)
		}
		line += fmt.Sprintf("  %11s", cell)
		if loss, _ := meanStd(losses); math.IsNaN(best) || loss < best {
			best, bestLR = loss, lr
		}
	}
	seconds := total(runs).Seconds() / float64(len(runs))
	t.lines = append(t.lines, line+fmt.Sprintf("  %10.3f  %6g  %5.2f", best, bestLR, seconds))
}

// print writes the table if it has lines.
func (t *table) print(w io.Writer) error {
	if len(t.lines) == 0 {
		return nil
	}
	head := fmt.Sprintf("%-10s", "norm")
	for _, lr := range t.rates {
		head += fmt.Sprintf("  %11s", fmt.Sprintf("lr %g", lr))
	}
	head += fmt.Sprintf("  %10s  %6s  %5s", "train loss", "at lr", "s/run")
	_, err := fmt.Fprintf(w, "Test accuracy in %%, mean ± standard deviation over the seeds, "+
		"and the lowest training loss, in nats:\n\n%s\n%s\n",
		head, strings.Join(t.lines, "\n"))
	return err
}

// meanStd returns the mean and the sample standard deviation.
func meanStd(x []float64) (mean, std float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		std += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(std / float64(len(x)-1))
}

// total returns the time of all runs.
func total(runs []result) (t time.Duration) {
	for _, r := range runs {
		t += r.time
	}
	return t
}
