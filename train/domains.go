package train

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Domain is a part of a text that has a name, such as the part in English. It is cut into
// training and validation text by itself.
type Domain struct {
	Name  string
	Train Span // of Corpus.Train
	Val   Span // of Corpus.Val
}

// Span is the range of places from From to before To.
type Span struct{ From, To int }

// Len returns the number of places.
func (s Span) Len() int { return s.To - s.From }

// DomainNames are the domains that come with Go.
var DomainNames = []string{"go", "assembly", "html", "english"}

// goFiles says where below GOROOT/src the files of a domain that comes with Go are. The page
// in HTML is the largest there, with its templates, styles and scripts.
var goFiles = map[string]struct{ root, suffix string }{
	"go":       {"net", ".go"},
	"assembly": {"crypto", ".s"},
	"html":     {"internal/trace/traceviewer", ".html"},
	"english":  {"testdata", "Newton-Opticks.txt"},
}

// Every domain that comes with Go has the same size, and lines that people write: longer ones
// are data and minified scripts.
const (
	domainBytes = 150_000
	domainLine  = 120
)

// ReadDomains reads a text of several domains. Each is the name of one that comes with Go, or
// name=file. Together they have one vocabulary.
func ReadDomains(domains []string) (*Corpus, error) {
	if len(domains) < 2 {
		return nil, fmt.Errorf("train: a text of domains has %d, want two or more (give a single text with -data)",
			len(domains))
	}
	var names, texts []string
	hash := sha256.New()
	for _, d := range domains {
		name, path, isFile := strings.Cut(d, "=")
		if name == "" || slices.Contains(names, name) {
			return nil, fmt.Errorf("train: domain %q needs a name of its own, before the =", d)
		}
		read := readText
		if !isFile {
			path, read = name, readGoFiles
		}
		text, err := read(path)
		if err != nil {
			return nil, err
		}
		names, texts = append(names, name), append(texts, text)
		fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text)
	}
	c := &Corpus{Path: strings.Join(names, "+"), SHA256: hex.EncodeToString(hash.Sum(nil))}
	if err := c.encode(texts); err != nil {
		return nil, err
	}
	for i, name := range names {
		c.Domains[i].Name = name
	}
	return c, nil
}

// readGoFiles returns the start of a domain that comes with Go: the ASCII characters of its
// files in the order of their paths, without long lines.
func readGoFiles(name string) (string, error) {
	files, ok := goFiles[name]
	if !ok {
		return "", fmt.Errorf("train: unknown domain %q, want one of %s, or name=file", name, strings.Join(DomainNames, ", "))
	}
	root, err := goroot()
	if err != nil {
		return "", err
	}
	root = filepath.Join(root, "src", filepath.FromSlash(files.root))
	var text strings.Builder
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata" && path != root: // files for tests, not by people
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, files.suffix):
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(data)) {
			if len(line) <= domainLine {
				text.WriteString(strings.Map(ascii, line))
			}
		}
		if text.Len() >= domainBytes {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("train: reading the domain %s: %w (give name=file)", name, err)
	}
	if text.Len() < domainBytes {
		return "", fmt.Errorf("train: this Go distribution has %d bytes of the domain %s, want %d (give name=file)",
			text.Len(), name, domainBytes)
	}
	return text.String()[:domainBytes], nil
}

// ascii maps a character that is not ASCII, and the one that Windows has at the ends of lines,
// to none.
func ascii(r rune) rune {
	if r >= 0x80 || r == '\r' {
		return -1
	}
	return r
}

// check returns an error if there is no text, or if its domains are not parts of it.
func (c *Corpus) check() error {
	if c == nil {
		return errors.New("train: the text is nil")
	}
	for _, d := range c.Domains {
		if !d.Train.within(len(c.Train)) || !d.Val.within(len(c.Val)) {
			return fmt.Errorf("train: the domain %q has the spans %v and %v of texts of %d and %d characters",
				d.Name, d.Train, d.Val, len(c.Train), len(c.Val))
		}
	}
	return nil
}

// within reports whether the span is one of n characters.
func (s Span) within(n int) bool { return 0 <= s.From && s.From <= s.To && s.To <= n }

// parts returns the domains, of a text without domains its whole.
func (c *Corpus) parts() []Domain {
	if len(c.Domains) > 0 {
		return c.Domains
	}
	return []Domain{{Train: Span{0, len(c.Train)}, Val: Span{0, len(c.Val)}}}
}

// valSpans returns where the domains' validation texts are.
func (c *Corpus) valSpans() (spans []Span) {
	for _, d := range c.parts() {
		spans = append(spans, d.Val)
	}
	return spans
}

// first returns the text with the first share of each domain's training text only, of a
// share of 0 with all of it.
func (c *Corpus) first(share float64) *Corpus {
	if share == 0 {
		return c
	}
	s := *c
	s.Path = fmt.Sprintf("%s (a share of %g)", c.Path, share)
	s.Train, s.Domains = nil, nil
	for _, d := range c.parts() {
		from := len(s.Train)
		n := int(share * float64(d.Train.Len()))
		s.Train = append(s.Train, c.Train[d.Train.From:d.Train.From+n]...)
		d.Train = Span{from, len(s.Train)}
		s.Domains = append(s.Domains, d)
	}
	if len(c.Domains) == 0 {
		s.Domains = nil
	}
	return &s
}
