package main

import (
	"io"

	"gorgonorm/examples/internal/cli"
)

// progress shows what is being measured, after the section that it is of.
type progress struct {
	*cli.Line
	section string
}

func newProgress(w io.Writer) *progress { return &progress{Line: cli.NewLine(w)} }

func (p *progress) show(what string) {
	if p.section != "" {
		what = p.section + ": " + what
	}
	p.Show(what)
}
