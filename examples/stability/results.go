package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"gorgonorm/lab"
	"gorgonorm/report"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

var errNoRuns = errors.New("there are no runs")

// summarize reads the runs from their files and reports on them. It lists runs that cannot
// be used, with the reasons.
func summarize(dir string, stdout io.Writer) error {
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
	if err := report.Table(stdout, records); err != nil {
		return err
	}
	fmt.Fprintln(stdout)
	if err := report.Speed(stdout, records.Runs); err != nil {
		return err
	}
	page := filepath.Join(dir, lab.ReportFile)
	if err := runlog.WriteFile(page, func(w io.Writer) error { return report.HTML(w, records) }); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Page: %s\n", page)
	return writeFigure(filepath.Join(dir, lab.FigureFile), records, stdout)
}

// writeFigure writes the losses by learning rate, if there are several rates.
func writeFigure(path string, records runlog.Records, stdout io.Writer) error {
	var figure bytes.Buffer
	switch written, err := report.SVG(&figure, records); {
	case err != nil:
		return err
	case !written:
		return nil
	}
	if err := runlog.WriteFile(path, func(w io.Writer) error { _, err := figure.WriteTo(w); return err }); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Losses by learning rate: %s\n", path)
	return nil
}
