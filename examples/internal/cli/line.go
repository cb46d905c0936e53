package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// Line shows progress: a line that changes on a terminal, plain lines at intervals
// elsewhere. Text that is written to it stays.
type Line struct {
	w     io.Writer
	live  bool      // w is a terminal
	fd    int       // of the terminal
	shown time.Time // time of the last progress
}

// The intervals of progress, on a terminal and elsewhere.
const (
	liveEvery  = time.Second / 10
	plainEvery = 10 * time.Second
)

// NewLine returns a line on w.
func NewLine(w io.Writer) *Line {
	l := &Line{w: w, shown: time.Now()}
	if f, ok := w.(*os.File); ok {
		l.fd = int(f.Fd())
		l.live = term.IsTerminal(l.fd)
	}
	return l
}

// Due reports whether it is time to show progress again.
func (l *Line) Due() bool {
	if l.live {
		return time.Since(l.shown) >= liveEvery
	}
	return time.Since(l.shown) >= plainEvery
}

// Show shows the text: always on a terminal, only if the line is due elsewhere.
func (l *Line) Show(text string) {
	if !l.live {
		if l.Due() {
			l.shown = time.Now()
			fmt.Fprintln(l.w, text)
		}
		return
	}
	l.shown = time.Now()
	line := []rune(text)
	if width, _, err := term.GetSize(l.fd); err == nil && width > 0 && len(line) >= width {
		line = line[:width-1] // because Clear cannot remove a line that wraps
	}
	l.Clear()
	fmt.Fprint(l.w, string(line))
}

// Clear removes the changing line.
func (l *Line) Clear() {
	if l.live {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}

// Write removes the changing line and writes.
func (l *Line) Write(b []byte) (int, error) {
	l.Clear()
	return l.w.Write(b)
}
