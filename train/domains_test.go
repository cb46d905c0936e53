package train

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
)

// threeDomains is a text of three domains whose characters differ, and whose lengths do not
// fit batches.
func threeDomains(t *testing.T) *Corpus {
	t.Helper()
	var domains []string
	for _, d := range []struct{ name, text string }{
		{"verse", strings.Repeat("the quick brown fox jumps over the lazy dog. ", 40)},
		{"digits", strings.Repeat("0123456789 3141592653 ", 51)},
		{"mixed", strings.Repeat("AAAAAAAAAAAAAAAAAAAAAAAAA ZYXWVUTSRQPONM BCDEFGHIJKL ", 37)},
	} {
		path := filepath.Join(t.TempDir(), d.name)
		require.NoError(t, os.WriteFile(path, []byte(d.text), 0o666))
		domains = append(domains, d.name+"="+path)
	}
	c, err := ReadDomains(domains)
	require.NoError(t, err)
	return c
}

func (c *Corpus) read(ids []int32) string {
	var s strings.Builder
	for _, id := range ids {
		s.WriteRune(c.Vocabulary[id])
	}
	return s.String()
}

func TestEachDomainIsCutByItself(t *testing.T) {
	t.Parallel()
	c := threeDomains(t)
	require.Equal(t, "verse+digits+mixed", c.Path)
	require.Len(t, c.Domains, 3)
	for i, want := range []string{
		strings.Repeat("the quick brown fox jumps over the lazy dog. ", 40),
		strings.Repeat("0123456789 3141592653 ", 51),
		strings.Repeat("AAAAAAAAAAAAAAAAAAAAAAAAA ZYXWVUTSRQPONM BCDEFGHIJKL ", 37),
	} {
		d := c.Domains[i]
		n := len(want) * 9 / 10
		require.Equal(t, want[:n], c.read(c.Train[d.Train.From:d.Train.To]))
		require.Equal(t, want[n:], c.read(c.Val[d.Val.From:d.Val.To]))
	}
	first := c.first(0.05)
	for i, d := range first.Domains {
		whole := c.Domains[i].Train
		n := whole.Len() / 20
		require.Equal(t, c.Train[whole.From:whole.From+n], first.Train[d.Train.From:d.Train.To])
		require.Equal(t, c.Domains[i].Val, d.Val)
	}
	one := corpus(t, verse)
	require.Equal(t, one.Train[:len(one.Train)/4], one.first(0.25).Train)
	require.Nil(t, one.first(0.25).Domains)
}

func TestDomainsOfGo(t *testing.T) {
	t.Parallel()
	c, err := ReadDomains(DomainNames)
	require.NoError(t, err)
	for _, d := range c.Domains {
		require.Equal(t, domainBytes, d.Train.Len()+d.Val.Len(), d.Name)
	}
	require.Less(t, c.Vocabulary[len(c.Vocabulary)-1], rune(0x80))
	for i, word := range []string{"func (", "MOVQ", "<template>", "Refraction"} {
		d := c.Domains[i]
		require.Contains(t, c.read(c.Train[d.Train.From:d.Train.To]), word, d.Name)
	}
	other, err := ReadDomains([]string{"assembly", "go", "html", "english"})
	require.NoError(t, err)
	require.NotEqual(t, c.SHA256, other.SHA256, "the order of domains is part of a text")
}

func TestDomainErrors(t *testing.T) {
	t.Parallel()
	for want, domains := range map[string][]string{
		"a text of domains has 1, want two or more (give a single text with -data)":    {"go"},
		`unknown domain "rust", want one of go, assembly, html, english, or name=file`: {"go", "rust"},
		`domain "go=x" needs a name of its own, before the =`:                          {"go", "go=x"},
		`domain "=x" needs a name of its own, before the =`:                            {"go", "=x"},
		"reading the text: open " + filepath.Join("no", "file") + ": no such file or directory": {
			"go", "x=" + filepath.Join("no", "file")},
	} {
		_, err := ReadDomains(domains)
		require.EqualError(t, err, "train: "+want)
	}
	c := tiny("layer")
	c.TextShare = 0.001
	text := corpus(t, verse)
	require.ErrorContains(t, Check(c, text), "(a share of 0.001) is too short: its training part has 1 characters")
	require.ErrorContains(t, Check(c, threeDomains(t)), "domain verse, is too short")
	c = tiny("layer")
	c.Order = runlog.Blocks
	require.ErrorContains(t, Check(c, text), "order blocks needs a text of several domains")
	require.ErrorContains(t, Check(c, text), "(give -domains go,assembly,html,english)")
	c.Order = runlog.EasyFirst
	require.NoError(t, Check(c, text))
	c.Order = "sorted"
	require.EqualError(t, Check(c, text),
		`train: order is "sorted", want one of blocks, one-domain, easy-first, hard-first`)
	c.Order, c.Steps = runlog.EasyFirst, math.MaxInt
	require.ErrorContains(t, Check(c, text), "has more than 16777216 (give fewer -steps)")
}

// TestOrders checks each order by its definition.
func TestOrders(t *testing.T) {
	t.Parallel()
	text := threeDomains(t)
	c := tiny("layer")
	random := newBatches(text.Train, c.Context, c.Seed)
	var drawn []int
	for range c.Steps * c.Batch {
		drawn = append(drawn, random.place())
	}
	domain := func(at int) int {
		return slices.IndexFunc(text.Domains, func(d Domain) bool { return d.Train.From <= at && at < d.Train.To })
	}
	size := func(at int) int {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestCompression)
		require.NoError(t, err)
		fmt.Fprint(w, text.read(text.Train[at:at+c.Context+1]))
		require.NoError(t, w.Close())
		return b.Len()
	}
	for _, order := range runlog.Orders {
		c.Order = order
		got := arranged(c, text)
		require.ElementsMatch(t, drawn, got, "the windows of random order")
		require.Equal(t, got, arranged(c, text))
		mixed, changes := 0, 0
		last := make([]int, 3)
		for batch := range slices.Chunk(got, c.Batch) {
			var of []int
			for _, at := range batch {
				d := domain(at)
				of = append(of, d)
				switch s := size(at); {
				case last[d] == 0:
				case order == runlog.EasyFirst:
					require.LessOrEqual(t, last[d], s)
				case order == runlog.HardFirst:
					require.GreaterOrEqual(t, last[d], s)
				}
				last[d] = size(at)
			}
			if slices.Min(of) != slices.Max(of) {
				mixed++
			}
		}
		for i := range got[1:] {
			if domain(got[i]) != domain(got[i+1]) {
				changes++
			}
		}
		switch order {
		case runlog.Blocks:
			require.Equal(t, 2, changes)
		case runlog.OneDomain:
			require.LessOrEqual(t, mixed, 2)
			require.Greater(t, changes, 10, "batches are in random order")
		default:
			require.Greater(t, mixed, c.Steps/2, "domains at any time")
		}
	}
}

// TestDomainLosses compares them with losses of one window at a time, and checks that their
// mean is the run's loss, and that the record has them.
func TestDomainLosses(t *testing.T) {
	t.Parallel()
	text := threeDomains(t)
	for _, order := range append(slices.Clone(runlog.Orders), "") {
		c := tiny("batch")
		c.Order, c.TextShare = order, 0.5
		model, run, err := Train(t.Context(), c, text, nil)
		require.NoError(t, err)
		var sum float64
		each := c
		each.EvalBatches = 3 // of the shortest domain
		for i, d := range run.Summary.DomainVal {
			require.Equal(t, text.Domains[i].Name, d.Domain)
			val := text.Domains[i].Val
			require.InEpsilon(t, validation(t, model, text.Val[val.From:val.To], each), float64(d.Loss), 1e-5, d.Domain)
			sum += float64(d.Loss)
		}
		require.Len(t, run.Summary.DomainVal, 3)
		require.InEpsilon(t, float64(run.Summary.LastVal), sum/3, 1e-5) // float32 losses of batches
		dir := filepath.Join(t.TempDir(), "run")
		require.NoError(t, WriteRun(dir, run, model))
		back, err := ReadRun(dir)
		require.NoError(t, err)
		require.Equal(t, run.Summary, back.Summary)
		_, again, err := Train(t.Context(), c, text, nil)
		require.NoError(t, err)
		require.Equal(t, run.Steps, again.Steps)
	}
	_, run, err := Train(t.Context(), tiny("layer"), corpus(t, verse), nil)
	require.NoError(t, err)
	require.Nil(t, run.Summary.DomainVal)
}

// TestDomainWindows checks that every domain has as many, none across a border.
func TestDomainWindows(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{0, 30, 41}, windowsIn([]Span{{0, 30}, {30, 41}, {41, 100}}, 5, 1, 6), "the shortest has one")
	spans := []Span{{0, 30}, {30, 60}, {60, 100}}
	require.Equal(t, []int{0, 30, 60, 12, 42, 77}, windowsIn(spans, 5, 1, 6))
	require.Equal(t, []int{0, 30, 60, 12, 42, 77}, windowsIn(spans, 5, 2, 2),
		"a batch of each, though more than asked for")
	require.Equal(t, []int{0, 30, 60, 6, 36, 68, 12, 42, 77, 18, 48, 86}, windowsIn(spans, 5, 2, 6))
}
