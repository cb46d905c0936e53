package text

import "bytes"

// JSON removes a byte order mark and comments from a JSON file. Comments extend from // or # to the
// end of the line, or from /* to */. They become spaces, so that the positions in a decoder's errors
// remain valid.
func JSON(file []byte) ([]byte, error) {
	b, err := WithoutMark(file)
	if err != nil {
		return nil, err
	}
	b = bytes.Clone(b)
	for at := 0; at < len(b); {
		n := 1
		switch rest := b[at:]; {
		case rest[0] == '"':
			n = stringLen(rest)
		case rest[0] == '#':
			n = blank(rest, "#", "\n")
		case bytes.HasPrefix(rest, []byte("//")):
			n = blank(rest, "//", "\n")
		case bytes.HasPrefix(rest, []byte("/*")):
			n = blank(rest, "/*", "*/")
		}
		at += n
	}
	return b, nil
}

// stringLen returns the length of the JSON string at the start of b, or the length of b if the string
// does not end.
func stringLen(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// blank overwrites a comment with spaces, except for its line ends, and returns its length. A line
// comment may also end with the file. Any other comment without an end stays, so that the decoder
// returns an error.
func blank(b []byte, start, end string) int {
	n := len(b)
	if at := bytes.Index(b[len(start):], []byte(end)); at >= 0 {
		n = len(start) + at + len(end)
	} else if end != "\n" {
		return n
	}
	for i, c := range b[:n] {
		if c != '\n' {
			b[i] = ' '
		}
	}
	return n
}
