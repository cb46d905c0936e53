// Package text reads text and JSON files that people write or save with an editor, and reports their
// faults. Its errors are predicates, such as "is not valid UTF-8: …", to which the caller adds a
// subject.
package text

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Read reads a file of at most MaxText bytes to its end and checks it. It holds only one copy of the
// text in memory.
func Read(f *os.File) (string, error) {
	var b strings.Builder
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() <= MaxText {
		b.Grow(int(info.Size()))
	}
	if n, err := io.Copy(&b, io.LimitReader(f, MaxText+1)); err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	} else if n > MaxText {
		return "", fmt.Errorf("has more than %d bytes", MaxText)
	}
	return b.String(), Check(b.String())
}

const bom = "\ufeff"

// Check returns an error if a text is not UTF-8, or if it has the invisible additions of editors and
// Windows: a byte order mark at the start, or line ends of two characters. Those would become
// characters of the text, although Python's open drops them.
func Check(s string) error {
	if err := checkUnicode(s); err != nil {
		return err
	}
	if strings.HasPrefix(s, bom) {
		return fmt.Errorf("starts with a byte order mark (U+FEFF): remove it, for example with: tail -c +%d OLD >NEW",
			len(bom)+1)
	}
	if n := strings.Count(s, "\r\n"); n > 0 {
		first := strings.Count(s[:strings.Index(s, "\r\n")], "\n") + 1
		return fmt.Errorf("has %d lines that end in CRLF, the first is line %d: "+
			`make the line ends LF, for example with: tr -d '\r' <OLD >NEW`, n, first)
	}
	return nil
}

// WithoutMark returns a file's text without a byte order mark, or an error if it is not UTF-8.
func WithoutMark(file []byte) ([]byte, error) {
	return bytes.TrimPrefix(file, []byte(bom)), checkUnicode(string(file))
}

// checkUnicode returns an error if a text is not UTF-8.
func checkUnicode(s string) error {
	if name := otherUnicode(s); name != "" {
		return fmt.Errorf("is %s, want UTF-8: convert it, for example with: iconv -f %[1]s -t UTF-8 OLD >NEW", name)
	}
	if at, ok := invalid(s); ok {
		return fmt.Errorf("is not valid UTF-8: byte %#02x at %s", s[at], Place(s, at))
	}
	return nil
}

// otherUnicode returns iconv's name for the encoding of a text in UTF-16 or UTF-32, or "". If there is
// no byte order mark, it counts zeros at even and odd positions, because most such texts start with
// ASCII characters.
func otherUnicode(s string) string {
	switch {
	case strings.HasPrefix(s, "\xff\xfe\x00\x00"), strings.HasPrefix(s, "\x00\x00\xfe\xff"):
		return "UTF-32"
	case strings.HasPrefix(s, "\xff\xfe"), strings.HasPrefix(s, "\xfe\xff"):
		return "UTF-16"
	}
	pairs := min(len(s), 4096) / 2
	var zeros [2]int
	for i := range 2 * pairs {
		if s[i] == 0 {
			zeros[i%2]++
		}
	}
	switch {
	case pairs < 2 || 2*max(zeros[0], zeros[1]) <= pairs:
		return ""
	case zeros[0] == 0:
		return "UTF-16LE"
	case zeros[1] == 0:
		return "UTF-16BE"
	}
	return ""
}

// invalid returns the position of the first byte that is not part of a UTF-8 character.
func invalid(s string) (at int, ok bool) {
	if utf8.ValidString(s) {
		return 0, false
	}
	for {
		r, size := utf8.DecodeRuneInString(s[at:])
		if r == utf8.RuneError && size == 1 {
			return at, true
		}
		at += size
	}
}

// Place returns the line and column of a byte. Like editors, it counts lines and characters from 1.
func Place(s string, at int) string {
	before := s[:at]
	line := strings.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("line %d, column %d", strings.Count(before, "\n")+1, utf8.RuneCountInString(before[line:])+1)
}
