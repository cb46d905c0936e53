package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"gorgonorm/internal/text"
)

// ReadMeta reads the vocabulary of a character model of nanoGPT's: the dictionary that its
// data/shakespeare_char/prepare.py writes as meta.pkl, converted to JSON, which needs only Python:
//
//	python3 -c "import json, pickle; json.dump(pickle.load(open('meta.pkl', 'rb')), open('meta.json', 'w'))"
//
// The object has the members itos, from ids to characters, {"0": "\n", …} or ["\n", …], and stoi,
// from characters to ids, {"\n": 0, …}. One of them is enough. They must agree with each other, and
// with vocab_size if present. One error lists all faults.
func ReadMeta(path string) (*Characters, error) {
	b, err := text.ReadFile(path, text.MaxJSON)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: reading the vocabulary: %w", err)
	}
	vocabulary, err := parseMeta(b)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return NewCharacters(vocabulary)
}

// parseMeta returns the characters in the order of their ids.
func parseMeta(b []byte) (string, error) {
	all, err := members(b)
	if err != nil {
		return "", fmt.Errorf("the file %w", err)
	}
	var f faults
	given := f.unique(all)
	var tables []tokens
	for _, t := range []struct {
		name string
		read func(json.RawMessage) ([]entry, error)
	}{{"itos", itos}, {"stoi", stoi}} {
		value, ok := given[t.name]
		if !ok {
			continue
		}
		entries, err := t.read(value)
		if err != nil {
			f.add("unreadable tables", "%s %v", t.name, err)
			continue
		}
		f.checkTable(t.name, entries, given["vocab_size"])
		tables = append(tables, f.byID(t.name, entries))
	}
	if given["itos"] == nil && given["stoi"] == nil {
		f.add("missing members", "itos or stoi")
	}
	if len(tables) == 2 {
		f.compare(tables[0], tables[1])
	}
	if err := f.err(); err != nil {
		return "", err
	}
	return strings.Join(tables[0], ""), nil
}

// unique returns members by name, and adds a fault for each name that is given twice.
func (f *faults) unique(all []member) map[string]json.RawMessage {
	byName := make(map[string]json.RawMessage)
	for _, m := range all {
		if _, ok := byName[m.name]; ok {
			f.add("members given twice", "%.40q", m.name)
		}
		byName[m.name] = m.value
	}
	return byName
}

// checkTable adds a fault if a table is empty, has a token that is not one character, or disagrees
// with vocab_size, which is nil if the file has none.
func (f *faults) checkTable(table string, entries []entry, vocabSize json.RawMessage) {
	if len(entries) == 0 {
		f.add("tables without characters", "%s", table)
	}
	for _, e := range entries {
		if utf8.RuneCountInString(e.token) != 1 {
			f.add(table+": tokens that are not one character", "%.40q of id %.40s", e.token, e.id)
		}
	}
	if vocabSize != nil && string(vocabSize) != strconv.Itoa(len(entries)) {
		f.add("tables that vocab_size disagrees with",
			"%s has %d characters, vocab_size is %.40s", table, len(entries), vocabSize)
	}
}

// compare adds a fault for each id whose character differs between the tables.
func (f *faults) compare(itos, stoi tokens) {
	for id := range max(len(itos), len(stoi)) {
		switch {
		case id >= len(itos):
			f.add("ids that itos lacks", "%d of %q", id, stoi[id])
		case id >= len(stoi):
			f.add("ids that stoi lacks", "%d of %q", id, itos[id])
		case itos[id] != stoi[id]:
			f.add("ids that itos and stoi disagree about", "%d of %q and %q", id, itos[id], stoi[id])
		}
	}
}

// stoi reads an object from characters to ids.
func stoi(b json.RawMessage) ([]entry, error) {
	all, err := members(b)
	var entries []entry
	for _, m := range all {
		entries = append(entries, entry{token: m.name, id: string(m.value)})
	}
	return entries, err
}

// itos reads an object from ids to characters, or a list of characters.
func itos(b json.RawMessage) ([]entry, error) {
	var entries []entry
	if bytes.HasPrefix(b, []byte("[")) {
		var list []any
		if err := json.Unmarshal(b, &list); err != nil {
			return nil, err
		}
		for i, v := range list {
			token, _ := v.(string) // checkTable reports other values as not one character
			entries = append(entries, entry{token: token, id: strconv.Itoa(i)})
		}
		return entries, nil
	}
	all, err := members(b)
	for _, m := range all {
		var v any
		if err := json.Unmarshal(m.value, &v); err != nil {
			return nil, err
		}
		token, _ := v.(string)
		entries = append(entries, entry{token: token, id: m.name})
	}
	return entries, err
}
