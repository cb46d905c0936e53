package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress shows what is being measured: a line that changes on a terminal, a
// plain line now and then elsewhere. It is a writer for lines that are to stay.
type progress struct {
	w       io.Writer
	section string
	live    bool
	fd      int       // of a terminal
	last    time.Time // of the last line shown
}

// plainEvery is the time between two plain lines.
const plainEvery = 10 * time.Second

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok {
		p.fd = int(f.Fd())
		p.live = term.IsTerminal(p.fd)
	}
	return p
}

func (p *progress) show(what string) {
	line := []rune(what)
	if p.section != "" {
		line = []rune(p.section + ": " + what)
	}
	if !p.live {
		if time.Since(p.last) >= plainEvery {
			p.last = time.Now()
			fmt.Fprintln(p.w, string(line))
		}
		return
	}
	if width, _, err := term.GetSize(p.fd); err == nil && width > 0 && len(line) >= width { // a line that wraps cannot be taken back
		line = line[:width-1]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", string(line))
}

// clear takes the line back.
func (p *progress) clear() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func (p *progress) Write(b []byte) (int, error) {
	p.clear()
	return p.w.Write(b)
}
