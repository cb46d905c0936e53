package tokenizer

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/internal/text"
)

// ReadBPE reads the two files of GPT-2's encoding. vocab.json is an object from tokens to ids.
// merges.txt has one merge per line, two tokens with a space between them, in the order of
// priority. Blank lines and comments after # are skipped. OpenAI named the files encoder.json and
// vocab.bpe. In both files a byte that is a printable Latin-1 character is written as that
// character, and the other bytes, in order, as the characters from U+0100 on: a space is Ġ. A
// token with other characters stands for itself and is special.
//
// Added tokens, whose ids may be larger than those in vocab.json, come from the files next to it:
// added_tokens.json, special_tokens_map.json and tokenizer_config.json. Settings in the latter
// that go beyond GPT-2's encoding are errors.
//
// Ids must be 0 … n−1, every byte must have a token, and a merge must build a token from two
// others. If the merges build less than half of the tokens that have several bytes, the file is
// taken to be cut off, which is an error. One error lists all faults of the files.
func ReadBPE(vocabPath, mergesPath string) (*BPE, error) {
	vocab, err := text.ReadFile(vocabPath, text.MaxJSON)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: reading the tokens: %w", err)
	}
	merges, err := text.ReadFile(mergesPath, text.MaxJSON)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: reading the merges: %w", err)
	}
	c, err := readCompanions(filepath.Dir(vocabPath))
	if err != nil {
		return nil, err
	}
	b, err := parseBPE(vocab, merges, c)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s with %s: %w", vocabPath, mergesPath, err)
	}
	return b, nil
}

func parseBPE(vocab, merges []byte, c companions) (*BPE, error) {
	var d definition
	var err error
	if d.vocab, err = stoi(vocab); err != nil {
		return nil, fmt.Errorf("the vocabulary %w", err)
	}
	if d.merges, err = mergeLines(merges); err != nil {
		return nil, fmt.Errorf("the list of merges %w", err)
	}
	var f faults
	d.added = c.declared(&f)
	if c.class != "" && !gpt2Classes[c.class] {
		f.add("tokenizer_config.json: classes other than GPT-2's", "%.40q (tokenizer.json would describe it)", c.class)
	}
	return d.build(&f)
}

// gpt2Classes is the set of Hugging Face's tokenizer classes that split and merge like GPT-2's.
var gpt2Classes = map[string]bool{
	"GPT2Tokenizer": true, "GPT2TokenizerFast": true, "CodeGenTokenizer": true, "CodeGenTokenizerFast": true,
}

// definition is the definition of an encoding in its files.
type definition struct {
	vocab  []entry
	merges []mergeLine
	added  []declared
}

// mergeLine is a file's declaration of a merge.
type mergeLine struct {
	place   string // for errors
	tokens  []string
	comment bool // starts with #, so it is a comment unless it is a valid merge
}

func mergeLines(file []byte) (lines []mergeLine, err error) {
	file, err = text.WithoutMark(file)
	n := 0
	for line := range strings.Lines(string(file)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || n == 1 && strings.HasPrefix(line, "#version") {
			continue
		}
		place := fmt.Sprintf("line %d", n)
		lines = append(lines, mergeLine{place, strings.Split(line, " "), strings.HasPrefix(line, "#")})
	}
	return lines, err
}

// build returns the encoding, or an error that lists all faults.
func (d definition) build(f *faults) (*BPE, error) {
	ids := make(map[string]int) // by token, in the files' spelling
	for _, e := range d.vocab {
		ids[e.token], _ = strconv.Atoi(e.id) // byID reports invalid ids
	}
	added := f.resolve(d.added, ids)
	all := d.vocab
	verbatim := make(map[string]bool)
	for _, t := range added {
		verbatim[t.content] = true
		if _, ok := ids[t.content]; !ok && t.id >= 0 {
			all = append(all[:len(all):len(all)], entry{token: t.content, id: strconv.Itoa(t.id)})
		}
	}
	b := &BPE{tokens: f.byID("vocabulary", all), ranks: make(map[[2]int]int)}
	var long []int // tokens that only merges build
	for id, written := range b.tokens {
		if verbatim[written] {
			continue
		}
		if decoded, ok := toBytes(written); ok {
			b.tokens[id] = decoded
			if len(decoded) > 1 {
				long = append(long, id)
			}
		} else if written != "" {
			added = append(added, addedToken{content: written, id: id, special: true})
		}
	}
	if _, ok := ids[""]; ok {
		f.add("vocabulary: tokens that are empty", "of id %d", ids[""])
	}
	for i, r := range alphabet {
		id, ok := ids[string(r)]
		if !ok {
			f.add("vocabulary: bytes without a token", "%#02x, written %c", i, r)
		}
		b.bytes[i] = id
	}
	b.addMerges(f, ids, d.merges)
	b.checkReached(f, long)
	if err := f.err(); err != nil {
		return nil, err
	}
	b.added = slices.SortedFunc(slices.Values(added), func(s, t addedToken) int { return s.id - t.id })
	b.passes = newPasses(added)
	return b, nil
}

// checkReached adds faults if the merges build less than half of the long tokens, because then the
// list of merges is missing or cut off. A few tokens that no merge builds are merely unused.
func (b *BPE) checkReached(f *faults, long []int) {
	made := make(map[int]bool)
	for _, m := range b.merges {
		made[m.both] = true
	}
	unmade := slices.DeleteFunc(slices.Clone(long), func(id int) bool { return made[id] })
	if 2*len(unmade) <= len(long) {
		return
	}
	for _, id := range unmade {
		f.add("vocabulary: tokens that no merge makes, more than half", "%.40q", b.tokens[id])
	}
}

func (b *BPE) addMerges(f *faults, ids map[string]int, merges []mergeLine) {
	given := make(map[string]bool)
	for _, m := range merges {
		var known [2]bool
		var id [2]int
		if len(m.tokens) == 2 {
			id[0], known[0] = ids[m.tokens[0]]
			id[1], known[1] = ids[m.tokens[1]]
		}
		line := strings.Join(m.tokens, " ")
		switch ofTokens := known[0] && known[1]; {
		case !ofTokens && m.comment:
			continue
		case len(m.tokens) != 2:
			f.add("merges: not of two tokens", "%s: %.40q", m.place, line)
			continue
		case !ofTokens:
			f.add("merges: of tokens that the vocabulary lacks", "%s: %.40q", m.place, line)
		}
		both, ok := ids[m.tokens[0]+m.tokens[1]]
		if !ok && m.comment {
			continue
		}
		if !ok {
			f.add("merges: into tokens that the vocabulary lacks", "%s: %.40q", m.place, line)
		}
		if given[line] {
			f.add("merges: given twice", "%s: %.40q", m.place, line)
		}
		given[line] = true
		b.ranks[id] = len(b.merges)
		b.merges = append(b.merges, merge{id[0], id[1], both})
	}
}

// alphabet maps each byte to the character that stands for it in the files, like bytes_to_unicode
// in OpenAI's encoder.py.
var alphabet = func() (a [256]rune) {
	next := rune(0x100)
	for i := range a {
		if a[i] = rune(i); i < '!' || i > '~' && i < '¡' || i == '\u00ad' {
			a[i] = next
			next++
		}
	}
	return a
}()

var byteOf = func() map[rune]byte {
	m := make(map[rune]byte)
	for i, r := range alphabet {
		m[r] = byte(i)
	}
	return m
}()

// toBytes decodes a token in the files' spelling to its bytes. It reports whether that is possible.
func toBytes(written string) (string, bool) {
	var b []byte
	for _, r := range written {
		c, ok := byteOf[r]
		if !ok {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), len(b) > 0
}
