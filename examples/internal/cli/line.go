package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// Line shows how work gets on: a line that changes on a terminal, a plain line now
// and then elsewhere. It is a writer for lines that are to stay.
type Line struct {
	w     io.Writer
	live  bool
	fd    int       // of a terminal
	shown time.Time // when the last one was
}

// The times between two lines: as fast as one can read, and as one cares to scroll.
const (
	liveEvery  = time.Second / 10
	plainEvery = 10 * time.Second
)

// NewLine makes a line on w.
func NewLine(w io.Writer) *Line {
	l := &Line{w: w, shown: time.Now()}
	if f, ok := w.(*os.File); ok {
		l.fd = int(f.Fd())
		l.live = term.IsTerminal(l.fd)
	}
	return l
}

// Due says whether it is time to show how work that goes on all the time gets on.
func (l *Line) Due() bool {
	if l.live {
		return time.Since(l.shown) >= liveEvery
	}
	return time.Since(l.shown) >= plainEvery
}

// Show shows the text: on a terminal at once, elsewhere if it is due.
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
	if width, _, err := term.GetSize(l.fd); err == nil && width > 0 && len(line) >= width { // a line that wraps cannot be taken back
		line = line[:width-1]
	}
	l.Clear()
	fmt.Fprint(l.w, string(line))
}

// Clear takes the changing line away.
func (l *Line) Clear() {
	if l.live {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}

// Write takes the changing line away and writes.
func (l *Line) Write(b []byte) (int, error) {
	l.Clear()
	return l.w.Write(b)
}
