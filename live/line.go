package live

import (
	"io"
	"time"
)

// Line is what shows progress elsewhere, such as on the terminal.
type Line interface {
	io.Writer
	Due() bool
	ShowRows(rows ...func(width int) string)
	Clear()
}

// Watch returns a line that shows progress on the given one and on the page. What is written to it
// is the result of a run, so that the page is out of date.
func (s *Server) Watch(line Line) Line { return &watched{Line: line, server: s} }

type watched struct {
	Line
	server *Server
	shown  time.Time // on the page
}

// every is the interval of progress on the page.
const every = time.Second / 2

func (w *watched) Due() bool { return w.Line.Due() || time.Since(w.shown) >= every }

func (w *watched) ShowRows(rows ...func(width int) string) {
	if w.Line.Due() {
		w.Line.ShowRows(rows...)
	}
	switch {
	case w.shown.IsZero():
		w.server.Changed() // the runs have begun
	case time.Since(w.shown) < every:
		return
	}
	w.shown = time.Now()
	var lines []string
	for _, row := range rows {
		lines = append(lines, row(100))
	}
	w.server.Show(lines)
}

func (w *watched) Write(b []byte) (int, error) {
	w.server.Changed()
	return w.Line.Write(b)
}
