package benchmark

// progress shows what is being measured, with the name of the section before it.
type progress struct {
	Progress
	section string
}

func (p *progress) show(what string) {
	if p.section != "" {
		what = p.section + ": " + what
	}
	p.Show(what)
}
