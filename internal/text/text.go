// Package text reads texts and JSON that people write or save with an editor, and says
// what is wrong with them. Its errors are predicates, "is not valid UTF-8: …", for the
// caller to put a subject before.
package text

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Read reads a file to its end and checks it. It holds the text in memory only once.
func Read(f *os.File) (string, error) {
	var b strings.Builder
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() == int64(int(info.Size())) {
		b.Grow(int(info.Size()))
	}
	if _, err := io.Copy(&b, f); err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	return b.String(), Check(b.String())
}

const bom = "\ufeff"

// Check returns an error for what is not UTF-8, and for what editors and Windows add to
// a text unseen: a byte order mark at its start and line ends of two characters. They
// would become characters of the text, which Python's open drops.
func Check(s string) error {
	if err := checkUnicode(s); err != nil {
		return err
	}
	if strings.HasPrefix(s, bom) {
		return fmt.Errorf("starts with a byte order mark (U+FEFF): remove it, for example with: tail -c +%d OLD >NEW", len(bom)+1)
	}
	if n := strings.Count(s, "\r\n"); n > 0 {
		return fmt.Errorf(`has %d lines that end in CRLF, the first is line %d: make the line ends LF, for example with: tr -d '\r' <OLD >NEW`,
			n, strings.Count(s[:strings.Index(s, "\r\n")], "\n")+1)
	}
	return nil
}

// WithoutMark returns a file's text without a byte order mark, or an error if it is not
// UTF-8.
func WithoutMark(file []byte) ([]byte, error) {
	return bytes.TrimPrefix(file, []byte(bom)), checkUnicode(string(file))
}

// checkUnicode returns an error for what is not UTF-8.
func checkUnicode(s string) error {
	if name := otherUnicode(s); name != "" {
		return fmt.Errorf("is %s, want UTF-8: convert it, for example with: iconv -f %[1]s -t UTF-8 OLD >NEW", name)
	}
	if at, ok := invalid(s); ok {
		return fmt.Errorf("is not valid UTF-8: byte %#02x at %s", s[at], Place(s, at))
	}
	return nil
}

// otherUnicode names the encoding of a text in UTF-16 or UTF-32 as iconv does, or "".
// Without a byte order mark it counts zeros at even and odd places, because most such
// texts begin with ASCII characters.
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

// invalid finds the first byte that is in no UTF-8 character.
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

// Place returns the place of a byte as editors count: lines and characters from 1.
func Place(s string, at int) string {
	before := s[:at]
	line := strings.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("line %d, column %d", strings.Count(before, "\n")+1, utf8.RuneCountInString(before[line:])+1)
}
