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
func summarize(dir string, stdout io.Writer, asJSON bool) error {
	records, err := train.ReadRuns(dir)
	if err != nil {
		return err
	}
	if len(records.Runs) == 0 {
		err := fmt.Errorf("%w in %s to report on", errNoRuns, dir)
		for _, b := range records.Broken {
			err = fmt.Errorf("%w\n%s cannot be used: %s", err, b.Name, b.Reason)
		}
		return err
	}
	page, figure := filepath.Join(dir, lab.ReportFile), filepath.Join(dir, lab.FigureFile)
	if err := runlog.WriteFile(page, func(w io.Writer) error { return report.HTML(w, records) }); err != nil {
		return err
	}
	drawn, err := writeFigure(figure, records)
	if err != nil {
		return err
	}
	if asJSON {
		return report.JSON(stdout, records)
	}
	if err := report.Table(stdout, records, cli.Width(stdout)); err != nil {
		return err
	}
	fmt.Fprintln(stdout)
	if err := report.Speed(stdout, records.Runs); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Page: %s\n", page)
	if drawn {
		fmt.Fprintf(stdout, "Losses by learning rate: %s\n", figure)
	}
	return nil
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
