package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// oneFile returns the small encoding and added tokens in the format of GPT-2's tokenizer.json.
func oneFile(t testing.TB, added []json.RawMessage) string {
	vocab, err := os.ReadFile(filepath.Join(golden, "vocab.json"))
	require.NoError(t, err)
	merges, err := os.ReadFile(filepath.Join(golden, "merges.txt"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(merges)), "\n")[1:]
	return tokenizerFile(t, string(vocab), lines, added)
}

func tokenizerFile(t testing.TB, vocab string, merges any, added []json.RawMessage) string {
	b, err := json.Marshal(map[string]any{
		"version": "1.0", "truncation": map[string]any{"max_length": 8}, "padding": nil,
		"added_tokens": added, "normalizer": nil,
		"pre_tokenizer":  map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
		"post_processor": map[string]any{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false},
		"decoder":        map[string]any{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true},
		"model": map[string]any{
			"dropout": nil, "unk_token": "", "continuing_subword_prefix": "", "end_of_word_suffix": "",
			"fuse_unk": false, "vocab": json.RawMessage(vocab), "merges": merges,
		},
	})
	require.NoError(t, err)
	return string(b)
}

// TestOneFile reads tokenizer.json with both formats of merges, and with accepted variations.
func TestOneFile(t *testing.T) {
	t.Parallel()
	pairs := [][]string{{"a", "b"}, {"#", "#"}, {"ab", "c"}}
	vocab := string(vocabulary(t, "ab", "##", "abc", "<|endoftext|>"))
	for name, file := range map[string]string{
		"lines": tokenizerFile(t, vocab, []string{"a b", "# #", "ab c"}, nil),
		"pairs": tokenizerFile(t, vocab, pairs, nil),
		"BPE": strings.Replace(tokenizerFile(t, vocab, pairs, nil), `"model":{`,
			`"model":{"type":"BPE","byte_fallback":false,`, 1),
		"a mark": "\ufeff" + tokenizerFile(t, vocab, pairs, nil),
		"templates": strings.Replace(tokenizerFile(t, vocab, pairs, nil), `"post_processor":{`,
			`"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}],`+
				`"pair":[],"was":{`, 1),
		"several": strings.Replace(tokenizerFile(t, vocab, pairs, nil), `"post_processor":{`,
			`"post_processor":{"type":"Sequence","processors":[{"type":"ByteLevel"},`+
				`{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}]}],"was":{`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if n := strings.Count(file, "{") - strings.Count(file, "}"); n > 0 { // closes "was"
				at := strings.Index(file, `"was":{`)
				at += strings.Index(file[at:], "}")
				file = file[:at] + "}" + file[at:]
			}
			b, err := ReadTokenizerJSON(write(t, "tokenizer.json", file))
			require.NoError(t, err)
			ids, err := b.Encode("ab##abc<|endoftext|>")
			require.NoError(t, err)
			require.Equal(t, []int{256, 257, 258, 259}, ids)
		})
	}
}

// TestOneFileWithCompanionFiles also reads their tokens.
func TestOneFileWithCompanionFiles(t *testing.T) {
	t.Parallel()
	dir := goldenDirectory(t, map[string]string{
		"tokenizer.json":        oneFile(t, nil),
		"added_tokens.json":     `{"<pad>": 547}`,
		"tokenizer_config.json": `{"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>"}`,
	})
	b, err := ReadTokenizerJSON(filepath.Join(dir, "tokenizer.json"))
	require.NoError(t, err)
	ids, err := b.Encode("a<pad>")
	require.NoError(t, err)
	require.Equal(t, []int{64, 547}, ids)
}

func TestOtherTokenizersAreErrors(t *testing.T) {
	t.Parallel()
	good := tokenizerFile(t, string(vocabulary(t, "ab")), []string{"a b"}, nil)
	for name, c := range map[string]struct{ old, new, want string }{
		"no object": {good, `[]`, "the file has unexpected content: json: cannot unmarshal array"},
		"nothing":   {good, `{}`, "it is not GPT-2's encoding: there is no pre_tokenizer, want ByteLevel"},
		"UTF-16":    {good, "\xff\xfe{\x00}\x00", "the file is UTF-16, want UTF-8"},
		"Unigram": {`"model":{`, `"model":{"type":"Unigram","vocab":[["a",-1.5]],"was":0,`,
			`the model is "Unigram", want BPE, as in GPT-2`},
		"a normalizer": {`"normalizer":null`, `"normalizer":{"type":"NFC"}`,
			`it is not GPT-2's encoding: the normalizer is "NFC", want none`},
		"other words": {`"pre_tokenizer":{`, `"pre_tokenizer":{"type":"Sequence","pretokenizers":[],"was":{`,
			`it is not GPT-2's encoding: the pre_tokenizer is "Sequence", want ByteLevel`},
		"a prefix": {`"pre_tokenizer":{"add_prefix_space":false`, `"pre_tokenizer":{"add_prefix_space":true`,
			"the pre_tokenizer's add_prefix_space is true or missing, want false"},
		"no words": {`"pre_tokenizer":{`, `"pre_tokenizer":{"use_regex":false,`,
			"the pre_tokenizer's use_regex is false, want true"},
		"tokens at the end": {`"post_processor":{`,
			`"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}}],` +
				`"was":{`,
			`the post_processor "TemplateProcessing" adds tokens, want one that adds none`},
		"RoBERTa": {`"post_processor":{`, `"post_processor":{"type":"RobertaProcessing","was":{`,
			`the post_processor "RobertaProcessing" adds tokens`},
		"one of several": {`"post_processor":{`,
			`"post_processor":{"type":"Sequence","processors":[{"type":"BertProcessing"}],"was":{`,
			`the post_processor "Sequence" adds tokens`},
		"another decoder": {`"decoder":{`, `"decoder":{"type":"WordPiece","was":{`,
			`the decoder is "WordPiece", want ByteLevel`},
		"the model's": {`"model":{"continuing_subword_prefix":""`, `"model":{"continuing_subword_prefix":"##"`,
			"the model sets continuing_subword_prefix"},
		"all of it": {good, `{"normalizer":{"type":"NFC"},"decoder":{"type":"Fuse"},` +
			`"model":{"byte_fallback":true,"ignore_merges":true}}`,
			`it is not GPT-2's encoding: the normalizer is "NFC", want none; there is no pre_tokenizer, want ` +
				`ByteLevel; the decoder is "Fuse", want ByteLevel; the model sets byte_fallback; the model sets ` +
				`ignore_merges`},
		"a bad merge": {`"a b"`, `"a c", "ab", ["a", "b", "a"], ["a", "b"]`,
			`merges: into tokens that the vocabulary lacks (1): merge 0: "a c"; merges: not of two tokens (2): merge ` +
				`1: "ab", merge 2: "a b a"`},
		"a bad vocabulary": {`"ab":256`, `"ab":"256"`, `vocabulary: ids that are not whole numbers (1): "256" of "ab"`},
		"two vocabularies": {`"added_tokens":null`, `"added_tokens":[{"content":"ab","id":7}]`,
			`added tokens: with two ids (1): "ab" is 256, but 7 in tokenizer.json`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, strings.ReplaceAll(good, ": ", ":"), c.old)
			file := strings.Replace(strings.ReplaceAll(good, ": ", ":"), c.old, c.new, 1)
			if at := strings.Index(file, `"was":{`); at >= 0 {
				at += strings.Index(file[at:], "}")
				file = file[:at] + "}" + file[at:]
			}
			path := write(t, "tokenizer.json", file)
			_, err := ReadTokenizerJSON(path)
			require.ErrorContains(t, err, "tokenizer: "+path+": ")
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := ReadTokenizerJSON(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestNoTokenizerJSONPanics changes bytes of a valid file.
func TestNoTokenizerJSONPanics(t *testing.T) {
	t.Parallel()
	good := tokenizerFile(t, string(vocabulary(t, "ab")), []string{"a b"},
		[]json.RawMessage{[]byte(`{"id":257,"content":"<a>","special":true}`)})
	head := good[:strings.Index(good, `"vocab":`)]
	rapid.Check(t, func(t *rapid.T) {
		b, err := parseTokenizerJSON(append(damaged(t, head), good[len(head):]...), companions{})
		if err == nil {
			_, err = b.Encode("ab<a>")
			require.NoError(t, err)
		}
	})
}
