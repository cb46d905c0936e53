package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"gorgonorm/internal/text"
	"gorgonorm/models/tokenizer"
	"gorgonorm/models/transformer"
)

// promptFor returns the text to continue. By default it is a new line, as in nanoGPT, or the
// first token of a vocabulary without new lines.
func (o options) promptFor(tokens tokenizer.Tokenizer) (string, error) {
	switch {
	case o.file != "":
		return readText(o.file)
	case o.prompt != nil:
		return *o.prompt, nil
	}
	if _, err := tokens.Encode("\n"); err != nil {
		return tokens.Decode([]int{0})
	}
	return "\n", nil
}

// readText reads a file, or standard input if the name is -.
func readText(name string) (string, error) {
	f := os.Stdin
	if name == "-" {
		name = "standard input"
	} else {
		var err error
		if f, err = text.Open(name, text.MaxText); err != nil {
			return "", err
		}
		defer f.Close()
	}
	s, err := text.Read(f)
	if err != nil {
		return "", fmt.Errorf("%s %w", name, err)
	}
	return s, nil
}

// unescape replaces the escapes of Go's strings.
func unescape(s string) (string, error) {
	var b strings.Builder
	for {
		before, _, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		s = s[len(before):]
		r, multibyte, rest, err := strconv.UnquoteChar(s, 0)
		if err != nil {
			return "", fmt.Errorf(`%.10q is not an escape: write \\ for a backslash, or give the text with -prompt-file`, s)
		}
		if multibyte {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r))
		}
		s = rest
	}
}

// encode returns the ids of a text, computed by Encode or Encode32. It returns an error if
// the model has no embedding row for one of them.
func encode[ID int | int32](
	tokens tokenizer.Tokenizer, m *transformer.Model, encoder func(string) ([]ID, error), s string,
) ([]ID, error) {
	ids, err := encoder(s)
	if err != nil {
		return nil, err
	}
	rows := m.Config().Vocab
	for _, id := range ids {
		if int(id) >= rows {
			token, err := tokens.Decode([]int{int(id)})
			if err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("the token %q has the id %d, the model has only ids from 0 to %d", token, id, rows-1)
		}
	}
	return ids, nil
}
