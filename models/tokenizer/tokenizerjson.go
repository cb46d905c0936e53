package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ReadTokenizerJSON reads tokenizer.json, the one file that Hugging Face's tokenizers
// write, and the files beside it (see ReadBPE). It must describe GPT-2's encoding; one
// error names all parts that do not. Truncation and padding are ignored.
func ReadTokenizerJSON(path string) (*BPE, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: reading the tokens: %w", err)
	}
	beside, err := readBeside(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	b, err := parseTokenizerJSON(file, beside)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return b, nil
}

// tokenizerJSON is the file, as far as it changes ids.
type tokenizerJSON struct {
	Added         []written  `json:"added_tokens"`
	Normalizer    *component `json:"normalizer"`
	PreTokenizer  *component `json:"pre_tokenizer"`
	PostProcessor *component `json:"post_processor"`
	Decoder       *component `json:"decoder"`
	Model         struct {
		Type         string          `json:"type"` // old files have none
		Vocab        json.RawMessage `json:"vocab"`
		Merges       []mergeJSON     `json:"merges"`
		Dropout      float64         `json:"dropout"`
		Prefix       string          `json:"continuing_subword_prefix"`
		Suffix       string          `json:"end_of_word_suffix"`
		ByteFallback bool            `json:"byte_fallback"`
		IgnoreMerges bool            `json:"ignore_merges"`
	} `json:"model"`
}

// component is a part with a type, and the settings of known types that change ids.
type component struct {
	Type           string                             `json:"type"`
	AddPrefixSpace *bool                              `json:"add_prefix_space"`
	UseRegex       *bool                              `json:"use_regex"`
	Single         []struct{ SpecialToken *struct{} } `json:"single"` // of TemplateProcessing
	Processors     []component                        `json:"processors"`
}

// mergeJSON is the pair of a merge: a list of two, or a text with a space between.
type mergeJSON []string

func (m *mergeJSON) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(string(b), "[") {
		return json.Unmarshal(b, (*[]string)(m))
	}
	var line string
	err := json.Unmarshal(b, &line)
	*m = strings.Split(line, " ")
	return err
}

func parseTokenizerJSON(file []byte, beside beside) (*BPE, error) {
	// The model's type decides what its vocabulary is.
	var kind struct {
		Model struct {
			Type string `json:"type"`
		} `json:"model"`
	}
	if err := unmarshal(file, &kind); err != nil {
		return nil, fmt.Errorf("the file %w", err)
	}
	if t := kind.Model.Type; t != "" && t != "BPE" {
		return nil, fmt.Errorf("the model is %.40q, want BPE as GPT-2's", t)
	}
	var t tokenizerJSON
	if err := unmarshal(file, &t); err != nil {
		return nil, fmt.Errorf("the file %w", err)
	}
	if others := t.others(); len(others) > 0 {
		return nil, fmt.Errorf("it is not GPT-2's encoding: %s", strings.Join(others, "; "))
	}
	var d definition
	var err error
	if d.vocab, err = stoi(t.Model.Vocab); err != nil {
		return nil, fmt.Errorf("the vocabulary %w", err)
	}
	for i, m := range t.Model.Merges {
		d.merges = append(d.merges, mergeLine{place: fmt.Sprintf("merge %d", i), tokens: m})
	}
	var own []declared
	for _, w := range t.Added {
		own = append(own, w.declared("tokenizer.json"))
	}
	var f faults
	d.added = beside.declared(&f, own...)
	return d.build(&f)
}

// others lists what differs from GPT-2's encoding.
func (t tokenizerJSON) others() (all []string) {
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if t.Normalizer != nil {
		add("the normalizer is %.40q, want none", t.Normalizer.Type)
	}
	switch p := t.PreTokenizer; {
	case p == nil:
		add("there is no pre_tokenizer, want ByteLevel")
	case p.Type != "ByteLevel":
		add("the pre_tokenizer is %.40q, want ByteLevel", p.Type)
	case p.AddPrefixSpace == nil || *p.AddPrefixSpace:
		add("the pre_tokenizer's add_prefix_space is not false")
	case p.UseRegex != nil && !*p.UseRegex:
		add("the pre_tokenizer's use_regex is false, want true")
	}
	if p := t.PostProcessor; p != nil && p.adds() {
		add("the post_processor %.40q adds tokens, want one that adds none", p.Type)
	}
	if d := t.Decoder; d != nil && d.Type != "ByteLevel" {
		add("the decoder is %.40q, want ByteLevel", d.Type)
	}
	m := t.Model
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"dropout", m.Dropout != 0}, {"continuing_subword_prefix", m.Prefix != ""}, {"end_of_word_suffix", m.Suffix != ""},
		{"byte_fallback", m.ByteFallback}, {"ignore_merges", m.IgnoreMerges},
	} {
		if s.set {
			add("the model sets %s", s.name)
		}
	}
	return all
}

// adds reports whether a post-processor adds tokens to a text, or is of a type that may.
func (c component) adds() bool {
	switch c.Type {
	case "ByteLevel":
		return false
	case "TemplateProcessing":
		for _, piece := range c.Single {
			if piece.SpecialToken != nil {
				return true
			}
		}
		return false
	case "Sequence":
		for _, p := range c.Processors {
			if p.adds() {
				return true
			}
		}
		return false
	}
	return true
}
