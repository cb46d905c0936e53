package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/internal/text"
)

// declared is a file's declaration of an added token. The id is −1 if the file has none.
type declared struct {
	addedToken
	file string
}

// companions holds the contents of the files in a vocabulary's directory.
type companions struct {
	class       string     // tokenizer class, by Hugging Face's name
	unsupported []string   // settings of tokenizer_config.json
	config      []declared // tokenizer_config.json's added_tokens_decoder
	roles       []declared // tokens that are special because of a role, such as eos_token
	added       []declared // added_tokens.json
}

// declared returns the tokens of all files. If several files declare a token, the first declaration
// determines how it is matched.
func (c companions) declared(f *faults, own ...declared) []declared {
	for _, setting := range c.unsupported {
		f.add("tokenizer_config.json: unsupported settings", "%s", setting)
	}
	return slices.Concat(c.config, own, c.roles, c.added)
}

// The companion files of a vocabulary, which Hugging Face's transformers library writes.
const (
	configFile  = "tokenizer_config.json"
	specialFile = "special_tokens_map.json"
	addedFile   = "added_tokens.json"
)

// readCompanions reads the companion files. Each of them may be missing.
func readCompanions(dir string) (c companions, err error) {
	for _, f := range []struct {
		name string
		read func(file []byte) error
	}{{configFile, c.readConfig}, {specialFile, c.readSpecials}, {addedFile, c.readAdded}} {
		path := filepath.Join(dir, f.name)
		file, err := text.ReadFile(path, text.MaxJSON)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = f.read(file)
		}
		if err != nil {
			return c, fmt.Errorf("tokenizer: %s: %w", path, err)
		}
	}
	return c, nil
}

func (c *companions) readConfig(file []byte) error {
	var settings struct {
		Class          string               `json:"tokenizer_class"`
		AddPrefixSpace bool                 `json:"add_prefix_space"`
		AddBOS         bool                 `json:"add_bos_token"`
		AddEOS         bool                 `json:"add_eos_token"`
		Decoder        map[string]tokenJSON `json:"added_tokens_decoder"`
		roles
	}
	if err := unmarshal(file, &settings); err != nil {
		return err
	}
	c.class = settings.Class
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"add_prefix_space", settings.AddPrefixSpace}, {"add_bos_token", settings.AddBOS},
		{"add_eos_token", settings.AddEOS},
	} {
		if s.set {
			c.unsupported = append(c.unsupported, s.name+" is true, want false")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(settings.Decoder)) {
		id, err := strconv.Atoi(key)
		if err != nil || id < 0 {
			return fmt.Errorf("added_tokens_decoder has %.40q for an id, want a whole number", key)
		}
		t := settings.Decoder[key]
		t.ID = &id
		c.config = append(c.config, t.declared(configFile))
	}
	c.roles = append(c.roles, settings.declared(configFile)...)
	return nil
}

func (c *companions) readSpecials(file []byte) error {
	var r roles
	err := unmarshal(file, &r)
	c.roles = append(c.roles, r.declared(specialFile)...)
	return err
}

func (c *companions) readAdded(file []byte) error {
	entries, err := stoi(file)
	for _, e := range entries {
		id, err := strconv.Atoi(e.id)
		if err != nil || id < 0 {
			return fmt.Errorf("%.40q has the id %.40s, want a whole number", e.token, e.id)
		}
		c.added = append(c.added, declared{addedToken{content: e.token, id: id, normalized: true}, addedFile})
	}
	return err
}

// roles holds the special tokens by their roles.
type roles struct {
	BOS        *tokenJSON `json:"bos_token"`
	EOS        *tokenJSON `json:"eos_token"`
	UNK        *tokenJSON `json:"unk_token"`
	SEP        *tokenJSON `json:"sep_token"`
	PAD        *tokenJSON `json:"pad_token"`
	CLS        *tokenJSON `json:"cls_token"`
	Mask       *tokenJSON `json:"mask_token"`
	Additional tokensJSON `json:"additional_special_tokens"`
	Extra      tokensJSON `json:"extra_special_tokens"`
}

// tokensJSON is several added tokens in JSON: a list, or an object with arbitrary names.
type tokensJSON []tokenJSON

func (t *tokensJSON) UnmarshalJSON(b []byte) error {
	if !strings.HasPrefix(string(b), "{") {
		return json.Unmarshal(b, (*[]tokenJSON)(t))
	}
	var named map[string]tokenJSON
	err := json.Unmarshal(b, &named)
	for _, name := range slices.Sorted(maps.Keys(named)) {
		*t = append(*t, named[name])
	}
	return err
}

func (r roles) declared(file string) (all []declared) {
	tokens := slices.Concat(r.Additional, r.Extra)
	for _, t := range []*tokenJSON{r.BOS, r.EOS, r.UNK, r.SEP, r.PAD, r.CLS, r.Mask} {
		if t != nil {
			tokens = append(tokens, *t)
		}
	}
	for _, t := range tokens {
		t.Special, t.ID = true, nil
		if t.Content != "" { // an empty token means that the role has none
			all = append(all, t.declared(file))
		}
	}
	return all
}

// tokenJSON is an added token in JSON: an object, or only its text.
type tokenJSON struct {
	ID         *int   `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized *bool  `json:"normalized"`
	Special    bool   `json:"special"`
}

func (j *tokenJSON) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(string(b), `"`) {
		return json.Unmarshal(b, &j.Content)
	}
	type object tokenJSON // without this method
	return json.Unmarshal(b, (*object)(j))
}

func (j tokenJSON) declared(file string) declared {
	t := addedToken{
		content: j.Content, id: -1, special: j.Special, normalized: !j.Special,
		singleWord: j.SingleWord, lstrip: j.LStrip, rstrip: j.RStrip,
	}
	if j.Normalized != nil {
		t.normalized = *j.Normalized
	}
	if j.ID != nil {
		t.id = *j.ID
	}
	return declared{t, file}
}

// unmarshal decodes a JSON object that may contain comments.
func unmarshal(file []byte, v any) error {
	b, err := text.JSON(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("has unexpected content: %w", err)
	}
	return nil
}

// resolve merges the declarations of each token into one. The ids are the vocabulary's.
func (f *faults) resolve(all []declared, ids map[string]int) []addedToken {
	if _, ok := ids[endOfText]; ok {
		all = append(all, declared{addedToken{content: endOfText, id: -1, special: true}, ""})
	}
	index := make(map[string]int)
	var tokens []addedToken
	for _, d := range all {
		if d.content == "" {
			f.add("added tokens: without text", "in %s", d.file)
			continue
		}
		i, ok := index[d.content]
		if !ok {
			i = len(tokens)
			index[d.content] = i
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
			f.add("added tokens: with two ids", "%.40q is %d, but %d in %s", d.content, t.id, d.id, d.file)
		}
	}
	slices.SortFunc(tokens, func(s, t addedToken) int {
		return cmp.Or(cmp.Compare(s.id, t.id), cmp.Compare(s.content, t.content))
	})
	f.checkAdded(tokens, ids)
	return tokens
}

// checkAdded adds a fault for each added token that has no id or whose entry in the vocabulary
// stands for other bytes.
func (f *faults) checkAdded(tokens []addedToken, ids map[string]int) {
	for _, t := range tokens {
		_, inVocabulary := ids[t.content]
		switch decoded, ok := toBytes(t.content); {
		case t.id < 0:
			f.add("added tokens: without an id in any file", "%.40q", t.content)
		case inVocabulary && ok && decoded != t.content:
			f.add("added tokens: whose entry in the vocabulary stands for other bytes", "%.40q for %.40q", t.content,
				decoded)
		}
	}
}
