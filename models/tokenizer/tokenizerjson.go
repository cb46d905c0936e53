package tokenizer

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"gorgonorm/internal/text"
)

// ReadTokenizerJSON reads tokenizer.json, the single file that Hugging Face's tokenizers library
// writes, and the files next to it (see ReadBPE). The file must describe GPT-2's encoding; one
// error lists all parts that do not. Truncation and padding are ignored.
func ReadTokenizerJSON(path string) (*BPE, error) {
	file, err := text.ReadFile(path, text.MaxJSON)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: reading the tokens: %w", err)
	}
	c, err := readCompanions(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	b, err := parseTokenizerJSON(file, c)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return b, nil
}

// tokenizerJSON holds the parts of the file that affect ids.
type tokenizerJSON struct {
	Added         []tokenJSON `json:"added_tokens"`
	Normalizer    *component  `json:"normalizer"`
	PreTokenizer  *component  `json:"pre_tokenizer"`
	PostProcessor *component  `json:"post_processor"`
	Decoder       *component  `json:"decoder"`
	Model         struct {
		Type         string          `json:"type"` // empty in old files
		Vocab        json.RawMessage `json:"vocab"`
		Merges       []mergeJSON     `json:"merges"`
		Dropout      float64         `json:"dropout"`
		Prefix       string          `json:"continuing_subword_prefix"`
		Suffix       string          `json:"end_of_word_suffix"`
		ByteFallback bool            `json:"byte_fallback"`
		IgnoreMerges bool            `json:"ignore_merges"`
	} `json:"model"`
}

// component is a part with a type, and the settings of known types that affect ids.
type component struct {
	Type           string                             `json:"type"`
	AddPrefixSpace *bool                              `json:"add_prefix_space"`
	UseRegex       *bool                              `json:"use_regex"`
	Single         []struct{ SpecialToken *struct{} } `json:"single"` // of TemplateProcessing
	Processors     []component                        `json:"processors"`
}

// mergeJSON is the pair of tokens of a merge: a list of two, or a string with a space between them.
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

func parseTokenizerJSON(file []byte, c companions) (*BPE, error) {
	// The model's type determines the format of its vocabulary, so check it first.
	var kind struct {
		Model struct {
			Type string `json:"type"`
		} `json:"model"`
	}
	if err := unmarshal(file, &kind); err != nil {
		return nil, fmt.Errorf("the file %w", err)
	}
	if t := kind.Model.Type; t != "" && t != "BPE" {
		return nil, fmt.Errorf("the model is %.40q, want BPE, as in GPT-2", t)
	}
	var t tokenizerJSON
	if err := unmarshal(file, &t); err != nil {
		return nil, fmt.Errorf("the file %w", err)
	}
	if d := t.differences(); len(d) > 0 {
		return nil, fmt.Errorf("it is not GPT-2's encoding: %s", strings.Join(d, "; "))
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
	d.added = c.declared(&f, own...)
	return d.build(&f)
}

// differences lists the differences from GPT-2's encoding.
func (t tokenizerJSON) differences() (all []string) {
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
		add("the pre_tokenizer's add_prefix_space is true or missing, want false")
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
		{"dropout", m.Dropout != 0}, {"continuing_subword_prefix", m.Prefix != ""},
		{"end_of_word_suffix", m.Suffix != ""}, {"byte_fallback", m.ByteFallback}, {"ignore_merges", m.IgnoreMerges},
	} {
		if s.set {
			add("the model sets %s", s.name)
		}
	}
	return all
}

// adds reports whether a post-processor adds tokens to a text, or has a type that may add tokens.
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
