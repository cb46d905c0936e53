package benchmark

// progress shows what is being measured, after the section that it belongs to.
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
