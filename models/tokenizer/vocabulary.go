package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"gorgonorm/internal/text"
)

// entry is a token and its id, as written in a file.
type entry struct{ token, id string }

// byID returns the tokens by id. It adds faults, which name the table, unless the ids are
// 0 … len(entries)−1 and no id or token occurs twice.
func (f *faults) byID(table string, entries []entry) tokens {
	t := make(tokens, len(entries))
	taken := make([]bool, len(entries))
	given := make(map[string]bool)
	for _, e := range entries {
		if given[e.token] {
			f.add(table+": tokens given twice", "%.40q", e.token)
		}
		given[e.token] = true
		id, err := strconv.Atoi(e.id)
		switch {
		case err != nil || strconv.Itoa(id) != e.id:
			f.add(table+": ids that are not whole numbers", "%.40s of %.40q", e.id, e.token)
		case id < 0 || id >= len(t):
			f.add(fmt.Sprintf("%s: ids outside 0…%d", table, len(t)-1), "%d of %.40q", id, e.token)
		case taken[id]:
			f.add(table+": ids of more than one token", "%d of %.40q and %.40q", id, t[id], e.token)
		default:
			t[id], taken[id] = e.token, true
		}
	}
	for id, ok := range taken {
		if !ok {
			f.add(table+": ids without a token", "%d", id)
		}
	}
	return t
}

// member is a member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// members decodes a JSON object that may contain comments. Unlike a map in encoding/json, it keeps
// names that are given twice.
func members(file []byte) ([]member, error) {
	b, err := text.JSON(file)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	start, err := d.Token()
	if err == nil && start != json.Delim('{') {
		err = errors.New("it does not start with a brace")
	}
	var all []member
	for err == nil && d.More() {
		var m member
		var name json.Token
		if name, err = d.Token(); err == nil {
			m.name, _ = name.(string) // the name of a member is always a string
			err = d.Decode(&m.value)
			all = append(all, m)
		}
	}
	if err == nil {
		_, err = d.Token() // the closing brace
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("is not a JSON object: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("has more than one JSON object")
	}
	return all, nil
}
