package runlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"gorgonorm/internal/text"
)

// indented returns a function that writes a value in JSON.
func indented(v any) func(io.Writer) error {
	return func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
}

// lines returns a function that writes items in JSON, one per line.
func lines[T any](items []T) func(io.Writer) error {
	return func(w io.Writer) error {
		enc := json.NewEncoder(w)
		for _, item := range items {
			if err := enc.Encode(item); err != nil {
				return err
			}
		}
		return nil
	}
}

// readLines reads a file written by lines.
func readLines[T any](path string) (items []T, err error) {
	f, err := text.Open(path, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const longest = 16 << 20 // far above that of a probe
	in := bufio.NewScanner(f)
	in.Buffer(nil, longest)
	for in.Scan() {
		var item T
		if err := parse(in.Bytes(), &item); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, len(items)+1, err)
		}
		items = append(items, item)
	}
	if err := in.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("it has more than %d bytes", longest)
		}
		return nil, fmt.Errorf("%s, line %d: %w", path, len(items)+1, err)
	}
	return items, nil
}

// readJSON reads a file written by indented.
func readJSON(path string, v any) error {
	b, err := text.ReadFile(path, text.MaxJSON)
	if err != nil {
		return err
	}
	if err := parse(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// parse decodes one JSON value into v. It returns an error unless the value has exactly the
// members that v is written with, because json.Unmarshal leaves missing ones zero.
func parse(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is truncated")
	} else if err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("it has data after the JSON value")
	}
	written, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var got, want any
	if err := errors.Join(json.Unmarshal(b, &got), json.Unmarshal(written, &want)); err != nil {
		return err
	}
	if name := missing(got, want); name != "" {
		return fmt.Errorf("%s is missing", name)
	}
	return nil
}

// missing returns the name of the first member of want that got lacks or has as null, or
// "" if there is none.
func missing(got, want any) string {
	switch want := want.(type) {
	case map[string]any:
		members, _ := got.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if members[name] == nil {
				return name
			}
			if inner := missing(members[name], want[name]); inner != "" {
				return name + "." + inner
			}
		}
	case []any:
		for i, item := range got.([]any) { // want was decoded from got
			if inner := missing(item, want[i]); inner != "" {
				return fmt.Sprintf("%d.%s", i, inner)
			}
		}
	}
	return ""
}
