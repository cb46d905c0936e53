package text

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const (
	convert = ", want UTF-8: convert it, for example with: iconv -f "
	mark    = "starts with a byte order mark (U+FEFF): remove it, for example with: tail -c +4 OLD >NEW"
	unix    = ` the first is line 2: make the line ends LF, for example with: tr -d '\r' <OLD >NEW`
)

var faults = map[string]struct{ text, want string }{
	"a byte order mark":        {"\xef\xbb\xbfabc", mark},
	"a byte order mark, alone": {"\xef\xbb\xbf", mark},
	"Windows":                  {"é\nb\r\nc\r\n", "has 2 lines that end in CRLF," + unix},
	"one line of Windows":      {"a\nb\r\nc\n", "has 1 lines that end in CRLF," + unix},
	"UTF-16, little-endian":    {"\xff\xfea\x00", "is UTF-16" + convert + "UTF-16 -t UTF-8 OLD >NEW"},
	"UTF-16, big-endian":       {"\xfe\xff\x00a", "is UTF-16" + convert + "UTF-16 -t UTF-8 OLD >NEW"},
	"UTF-16LE without a mark":  {"a\x00\n\x00 \x00\xac\x20", "is UTF-16LE" + convert + "UTF-16LE -t UTF-8 OLD >NEW"},
	"UTF-16BE without a mark":  {"\x00a\x00\n\x00 \x20\xac", "is UTF-16BE" + convert + "UTF-16BE -t UTF-8 OLD >NEW"},
	"UTF-32, little-endian":    {"\xff\xfe\x00\x00a\x00\x00\x00", "is UTF-32" + convert + "UTF-32 -t UTF-8 OLD >NEW"},
	"UTF-32, big-endian":       {"\x00\x00\xfe\xff\x00\x00\x00a", "is UTF-32" + convert + "UTF-32 -t UTF-8 OLD >NEW"},
	"Latin-1":                  {"é\ncaf\xe9\n", "is not valid UTF-8: byte 0xe9 at line 2, column 4"},
	"cut in a character":       {"a\xe6\x97", "is not valid UTF-8: byte 0xe6 at line 1, column 2"},
	"U+FFFD before the fault":  {"\ufffd\xff", "is not valid UTF-8: byte 0xff at line 1, column 2"},
}

func TestErrorsNameTheFaultAndItsRepair(t *testing.T) {
	t.Parallel()
	for name, c := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.EqualError(t, Check(c.text), c.want)
			_, err := read(t, c.text)
			require.EqualError(t, err, c.want)
		})
	}
}

func TestTextsWithoutFaults(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "a", "\x00", "\x00a", "a\x00", "a\rb\n\rc", "a\ufeffb", "日本\n", "ab\x00\x00cd\x00",
		"\ufffd"} {
		require.NoError(t, Check(s), "%q", s)
		got, err := read(t, s)
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
}

func read(t *testing.T, s string) (string, error) {
	path := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(path, []byte(s), 0o666))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	return Read(f)
}

// TestReadFromAPipe reads a file whose size is unknown.
func TestReadFromAPipe(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("the quick brown fox ", 5000)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	go func() {
		_, _ = w.WriteString(want)
		w.Close()
	}()
	got, err := Read(r)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, r.Close())
	_, err = Read(r)
	require.ErrorIs(t, err, os.ErrClosed)
	require.ErrorContains(t, err, "cannot be read: ")
}

// TestReadHoldsATextOnce measures all allocations, garbage included.
func TestReadHoldsATextOnce(t *testing.T) {
	s := strings.Repeat("the quick brown fox\n", 1<<16)
	path := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(path, []byte(s), 0o666))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := Read(f)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.True(t, got == s)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(s)+len(s)/8))
}

func TestJSONWithMarkAndComments(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"plain":       `{"a": "//#/*", "b\"#": [1, "\\"]}`,
		"a mark":      "\ufeff" + `{"a": "//#/*", "b\"#": [1, "\\"]}`,
		"blank lines": "\n\r\n{\n\n\"a\": \"//#/*\",\r\n\r\n \"b\\\"#\": [1, \"\\\\\"]}\n\n",
		"lines":       "// one \"\n# two {\n#\n//\n" + `{"a": "//#/*", // three` + "\n" + `"b\"#": [1, "\\"]} # four`,
		"inside":      `/* é " */{"a"/**/: "//#/*", /* // * / */ "b\"#": /*#*/[1, "\\"/* */]}/* */`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := JSON([]byte(file))
			require.NoError(t, err)
			require.JSONEq(t, `{"a": "//#/*", "b\"#": [1, "\\"]}`, string(b))
			require.Equal(t, strings.Count(file, "\n"), strings.Count(string(b), "\n"))
		})
	}
}

func TestJSONKeepsInvalidJSONInvalid(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", "/", "/*", "/*/", "{}/", "{}/*/", "{} /* ", `{"a": "# }`, `{"a": 1 / 2}`, "//",
		"#"} {
		b, err := JSON([]byte(file))
		require.NoError(t, err)
		require.False(t, json.Valid(b), "%q became %q", file, b)
	}
	_, err := JSON([]byte("\xff\xfe{\x00}\x00"))
	require.EqualError(t, err, "is UTF-16"+convert+"UTF-16 -t UTF-8 OLD >NEW")
	_, err = JSON([]byte("{\"caf\xe9\": 1}"))
	require.EqualError(t, err, "is not valid UTF-8: byte 0xe9 at line 1, column 6")
}

// TestJSONKeepsPositions: JSON without comments does not change, and any other file keeps its length.
func TestJSONKeepsPositions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		valid, err := json.Marshal(rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "object"))
		require.NoError(t, err)
		b, err := JSON(valid)
		require.NoError(t, err)
		require.Equal(t, valid, b)
		pieces := rapid.SliceOf(rapid.SampledFrom([]string{`"`, `\`, "/", "*", "#", "\n", "a", "é", "{", "}"})).Draw(t,
			"pieces")
		file := []byte(strings.Join(pieces, ""))
		b, err = JSON(file)
		require.NoError(t, err)
		require.Len(t, b, len(file))
	})
}

func TestPlace(t *testing.T) {
	t.Parallel()
	require.Equal(t, "line 1, column 1", Place("a", 0))
	require.Equal(t, "line 2, column 3", Place("a\néßx", strings.Index("a\néßx", "x")))
	require.Equal(t, "line 3, column 1", Place("a\n\nb", 3))
}

// TestRandomBytesAreNotUTF16: binary data without a mark are not mistaken for UTF-16.
func TestRandomBytesAreNotUTF16(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		b := make([]byte, 2+r.IntN(200))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		require.NotContains(t, otherUnicode(string(b)), "E")
	}
}
