package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// Line shows progress: lines that change on a terminal, plain lines at intervals elsewhere. Text
// that is written to it stays.
type Line struct {
	w     io.Writer
	live  bool      // w is a terminal
	shown time.Time // time of the last progress

	display *mpb.Progress // nil while nothing is shown
	bars    []*mpb.Bar    // one for each changing line
	mu      sync.Mutex    // guards rows, which the display reads
	rows    []Row
}

// Row returns a line of progress with at most width characters, or as many as it has if width
// is 0.
type Row = func(width int) string

// The intervals of progress, on a terminal and elsewhere.
const (
	liveEvery  = time.Second / 10
	plainEvery = 10 * time.Second
)

// NewLine returns a line on w.
func NewLine(w io.Writer) *Line {
	f, ok := w.(*os.File)
	return &Line{w: w, shown: time.Now(), live: ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"}
}

// Width returns the number of characters in a line of a terminal, or 110 if w is none.
func Width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 110
}

// Due reports whether it is time to show progress again.
func (l *Line) Due() bool {
	if l.live {
		return time.Since(l.shown) >= liveEvery
	}
	return time.Since(l.shown) >= plainEvery
}

// Show shows the text, which a terminal that is too narrow cuts off.
func (l *Line) Show(text string) { l.ShowRows(func(width int) string { return fit(text, width) }) }

func fit(text string, width int) string {
	if line := []rune(text); width > 0 && len(line) > width {
		return string(line[:width-1]) + "…"
	}
	return text
}

// ShowRows shows rows below each other: always on a terminal, in one line and only if the line is
// due elsewhere. They may be called from other goroutines.
func (l *Line) ShowRows(rows ...Row) {
	if !l.live {
		if l.Due() {
			l.shown = time.Now()
			var parts []string
			for _, row := range rows {
				parts = append(parts, row(0))
			}
			fmt.Fprintln(l.w, strings.Join(parts, "  "))
		}
		return
	}
	l.shown = time.Now()
	l.mu.Lock()
	l.rows = rows
	l.mu.Unlock()
	if l.display == nil {
		l.display = mpb.New(mpb.WithOutput(l.w), mpb.WithAutoRefresh(), mpb.WithRefreshRate(liveEvery))
	}
	for len(l.bars) > len(rows) {
		last := len(l.bars) - 1
		l.bars[last].Abort(true)
		l.bars = l.bars[:last]
	}
	for i := len(l.bars); i < len(rows); i++ {
		bar, err := l.display.Add(0, l.row(i), mpb.BarFillerTrim(), mpb.BarPriority(i))
		if err != nil { // the display has ended, because the terminal has
			return
		}
		l.bars = append(l.bars, bar)
	}
}

// row returns what draws the i-th row.
func (l *Line) row(i int) mpb.BarFiller {
	return mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		l.mu.Lock()
		var row Row
		if i < len(l.rows) {
			row = l.rows[i]
		}
		l.mu.Unlock()
		if row == nil || s.AvailableWidth < 2 {
			return nil
		}
		_, err := io.WriteString(w, row(s.AvailableWidth-1)) // a full line wraps on some terminals
		return err
	})
}

// Clear removes the changing lines.
func (l *Line) Clear() {
	if l.display == nil {
		return
	}
	for _, bar := range l.bars {
		bar.Abort(true)
	}
	l.display.Wait()
	l.display, l.bars = nil, nil
}

// Write writes above the changing lines.
func (l *Line) Write(b []byte) (int, error) {
	if l.display != nil {
		return l.display.Write(b)
	}
	return l.w.Write(b)
}
