package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/lab"
	"gorgonorm/report"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

var errNoRuns = errors.New("there are no runs")

// summarize reads the runs from their files and reports on them, on the page and as a table or as
// JSON. It lists runs that cannot be used, with the reasons.
func (o options) summarize() error {
	runlog.RemoveStale(o.Out)
	records, err := train.ReadRuns(o.Out)
	if err != nil {
		return err
	}
	if len(records.Runs) == 0 {
		err := fmt.Errorf("%w in %s to report on", errNoRuns, o.Out)
		for _, b := range records.Broken {
			err = fmt.Errorf("%w\n%s cannot be used: %s", err, b.Name, b.Reason)
		}
		return err
	}
	page, figure := filepath.Join(o.Out, lab.ReportFile), filepath.Join(o.Out, lab.FigureFile)
	if err := runlog.WriteFile(page, func(w io.Writer) error { return report.HTML(w, records) }); err != nil {
		return err
	}
	drawn, err := writeFigure(figure, records)
	if err != nil {
		return err
	}
	if o.json {
		return report.JSON(o.stdout, records)
	}
	if err := report.Table(o.stdout, records, cli.Width(o.stdout)); err != nil {
		return err
	}
	fmt.Fprintln(o.stdout)
	if err := report.Speed(o.stdout, records.Runs); err != nil {
		return err
	}
	fmt.Fprintf(o.stdout, "Page: %s\n", page)
	if drawn {
		fmt.Fprintf(o.stdout, "Losses by learning rate: %s\n", figure)
	}
	return nil
}

// page writes the page of the runs so far.
func (o options) page(w io.Writer) error {
	records, err := train.ReadRuns(o.Out)
	if err != nil {
		return err
	}
	return report.HTML(w, records)
}

// writeFigure writes the losses by learning rate, if there are several rates, and reports whether
// there are.
func writeFigure(path string, records runlog.Records) (written bool, err error) {
	var figure bytes.Buffer
	if written, err = report.SVG(&figure, records); err != nil || !written {
		return false, err
	}
	return true, runlog.WriteFile(path, func(w io.Writer) error { _, err := figure.WriteTo(w); return err })
}
