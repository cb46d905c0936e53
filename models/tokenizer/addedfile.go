package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/internal/text"
)

// declared is an added token as a file has it. Its id is −1 if the file has none.
type declared struct {
	addedToken
	file string
}

// beside is what the files beside a vocabulary say.
type beside struct {
	class   string // of the tokenizer, in the words of Hugging Face
	refused []string
	config  []declared // tokenizer_config.json's added_tokens_decoder
	named   []declared // tokens that are special because they have a role, such as eos_token
	added   []declared // added_tokens.json
}

// declared lists the tokens of all files. If several files have a token, the first of them
// says how it is found.
func (b beside) declared(f *faults, own ...declared) []declared {
	for _, what := range b.refused {
		f.add("tokenizer_config.json: unsupported settings", "%s", what)
	}
	return slices.Concat(b.config, own, b.named, b.added)
}

// The files beside a vocabulary, as Hugging Face's transformers write them.
const (
	configFile  = "tokenizer_config.json"
	specialFile = "special_tokens_map.json"
	addedFile   = "added_tokens.json"
)

// readBeside reads the files, each of which may be missing.
func readBeside(dir string) (b beside, err error) {
	for _, of := range []struct {
		name string
		read func(file []byte) error
	}{{configFile, b.readConfig}, {specialFile, b.readSpecials}, {addedFile, b.readAdded}} {
		path := filepath.Join(dir, of.name)
		file, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = of.read(file)
		}
		if err != nil {
			return b, fmt.Errorf("tokenizer: %s: %w", path, err)
		}
	}
	return b, nil
}

func (b *beside) readConfig(file []byte) error {
	var c struct {
		Class          string             `json:"tokenizer_class"`
		AddPrefixSpace bool               `json:"add_prefix_space"`
		AddBOS         bool               `json:"add_bos_token"`
		AddEOS         bool               `json:"add_eos_token"`
		Decoder        map[string]written `json:"added_tokens_decoder"`
		roles
	}
	if err := unmarshal(file, &c); err != nil {
		return err
	}
	b.class = c.Class
	for _, s := range []struct {
		name string
		set  bool
	}{{"add_prefix_space", c.AddPrefixSpace}, {"add_bos_token", c.AddBOS}, {"add_eos_token", c.AddEOS}} {
		if s.set {
			b.refused = append(b.refused, s.name+" is true, want false")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Decoder)) {
		id, err := strconv.Atoi(key)
		if err != nil || id < 0 {
			return fmt.Errorf("added_tokens_decoder has %.40q for an id, want a whole number", key)
		}
		t := c.Decoder[key]
		t.ID = &id
		b.config = append(b.config, t.declared(configFile))
	}
	b.named = append(b.named, c.declared(configFile)...)
	return nil
}

func (b *beside) readSpecials(file []byte) error {
	var r roles
	err := unmarshal(file, &r)
	b.named = append(b.named, r.declared(specialFile)...)
	return err
}

func (b *beside) readAdded(file []byte) error {
	entries, err := stoi(file)
	for _, e := range entries {
		id, err := strconv.Atoi(e.id)
		if err != nil || id < 0 {
			return fmt.Errorf("%.40q has the id %.40s, want a whole number", e.token, e.id)
		}
		b.added = append(b.added, declared{addedToken{content: e.token, id: id, normalized: true}, addedFile})
	}
	return err
}

// roles are the special tokens by what they are for.
type roles struct {
	BOS        *written `json:"bos_token"`
	EOS        *written `json:"eos_token"`
	UNK        *written `json:"unk_token"`
	SEP        *written `json:"sep_token"`
	PAD        *written `json:"pad_token"`
	CLS        *written `json:"cls_token"`
	Mask       *written `json:"mask_token"`
	Additional several  `json:"additional_special_tokens"`
	Extra      several  `json:"extra_special_tokens"`
}

// several are tokens in a list, or in an object by name.
type several []written

func (s *several) UnmarshalJSON(b []byte) error {
	if !strings.HasPrefix(string(b), "{") {
		return json.Unmarshal(b, (*[]written)(s))
	}
	var named map[string]written
	err := json.Unmarshal(b, &named)
	for _, name := range slices.Sorted(maps.Keys(named)) {
		*s = append(*s, named[name])
	}
	return err
}

func (r roles) declared(file string) (all []declared) {
	tokens := slices.Concat(r.Additional, r.Extra)
	for _, t := range []*written{r.BOS, r.EOS, r.UNK, r.SEP, r.PAD, r.CLS, r.Mask} {
		if t != nil {
			tokens = append(tokens, *t)
		}
	}
	for _, t := range tokens {
		t.Special, t.ID = true, nil
		if t.Content != "" { // an empty one means none
			all = append(all, t.declared(file))
		}
	}
	return all
}

// written is an added token in JSON: an object, or its text alone.
type written struct {
	ID         *int   `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized *bool  `json:"normalized"`
	Special    bool   `json:"special"`
}

func (w *written) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(string(b), `"`) {
		return json.Unmarshal(b, &w.Content)
	}
	type object written // without this method
	return json.Unmarshal(b, (*object)(w))
}

func (w written) declared(file string) declared {
	t := addedToken{content: w.Content, id: -1, special: w.Special, normalized: !w.Special, singleWord: w.SingleWord, lstrip: w.LStrip, rstrip: w.RStrip}
	if w.Normalized != nil {
		t.normalized = *w.Normalized
	}
	if w.ID != nil {
		t.id = *w.ID
	}
	return declared{t, file}
}

// unmarshal reads a JSON object, which may have comments.
func unmarshal(file []byte, v any) error {
	b, err := text.JSON(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("is not as it should be: %w", err)
	}
	return nil
}

// resolve merges the declarations of each token into one. ids are those of the
// vocabulary.
func (f *faults) resolve(all []declared, ids map[string]int) []addedToken {
	if _, ok := ids[endOfText]; ok {
		all = append(all, declared{addedToken{content: endOfText, id: -1, special: true}, ""})
	}
	at := make(map[string]int)
	var tokens []addedToken
	for _, d := range all {
		if d.content == "" {
			f.add("added tokens: without a text", "in %s", d.file)
			continue
		}
		i, ok := at[d.content]
		if !ok {
			i = len(tokens)
			at[d.content] = i
			t := d.addedToken
			if id, ok := ids[d.content]; ok {
				t.id = id
			}
			tokens = append(tokens, t)
		}
		t := &tokens[i]
		t.special = t.special || d.special
		switch {
		case t.id < 0:
			t.id = d.id
		case d.id >= 0 && d.id != t.id:
			f.add("added tokens: of two ids", "%.40q of %d, and of %d in %s", d.content, t.id, d.id, d.file)
		}
	}
	slices.SortFunc(tokens, func(s, t addedToken) int { return cmp.Or(cmp.Compare(s.id, t.id), cmp.Compare(s.content, t.content)) })
	f.checkAdded(tokens, ids)
	return tokens
}

// checkAdded notes added tokens without an id, and those whose entry in the vocabulary
// stands for other bytes.
func (f *faults) checkAdded(tokens []addedToken, ids map[string]int) {
	for _, t := range tokens {
		_, inVocabulary := ids[t.content]
		switch decoded, ok := toBytes(t.content); {
		case t.id < 0:
			f.add("added tokens: without an id in any file", "%.40q", t.content)
		case inVocabulary && ok && decoded != t.content:
			f.add("added tokens: which the vocabulary writes for other bytes", "%.40q for %.40q", t.content, decoded)
		}
	}
}
