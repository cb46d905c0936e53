package report

import (
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/internal/runtest"
)

// unread matches what readers of a page's text do not see.
var (
	unread = regexp.MustCompile(`(?s)<(style|script|svg|head)\b.*?</(style|script|svg|head)>`)
	breaks = regexp.MustCompile(`</?(h\d|p|li|ul|tr|dt|div|figure|figcaption|section|summary|details|main|nav|table)` +
		`[^>]*>`)
	cells  = regexp.MustCompile(`</(th|td|dt|span)>`)
	tags   = regexp.MustCompile(`<[^>]*>`)
	blanks = regexp.MustCompile(`[ \n]+`)
)

// reduced returns a page as text: a line for each heading, paragraph, line of a table and the like.
// Of long tables of all runs it keeps the first lines.
func reduced(page string) string {
	page = unread.ReplaceAllString(page, "")
	page = strings.ReplaceAll(page, "\n", " ")
	page = breaks.ReplaceAllString(page, "\n")
	page = strings.ReplaceAll(page, "</strong></td>", " ★</td>")
	page = cells.ReplaceAllString(page, " | ")
	page = html.UnescapeString(tags.ReplaceAllString(page, ""))
	var lines []string
	inTable := 0
	for line := range strings.SplitSeq(page, "\n") {
		line = strings.TrimSuffix(strings.TrimSpace(blanks.ReplaceAllString(line, " ")), " |")
		switch {
		case line == "":
			continue
		case strings.Contains(line, ", lr ") && strings.Count(line, " | ") > 5:
			if inTable++; inTable > 3 {
				continue
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\n"
}

// TestPages compares the text of the page of each kind of directory with what it was.
func TestPages(t *testing.T) {
	t.Parallel()
	for name, records := range runtest.Pages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := renderRecords(t, records)
			golden := filepath.Join("testdata", "pages", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(reduced(page)), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), reduced(page))
			assert.Less(t, len(page), 2_000_000)
		})
	}
}

// TestPagesOfIncompleteDataClaimNothing: no page says of missing, lost or short runs what only
// finished ones can show.
func TestPagesOfIncompleteDataClaimNothing(t *testing.T) {
	t.Parallel()
	pages := runtest.Pages()
	short := runtest.Grid()
	for i := range short {
		short[i].Config.Steps = 99
	}
	brief := pages["broken"]
	brief.Runs, brief.Plan, brief.Broken = short, nil, nil
	comparisons := []string{
		" ★", "before the other by chance", "By the loss", "By LR sensitivity", "trained stably at all",
		"All 6 variants", "All 2 variants trained",
	}
	for _, c := range []struct {
		name   string
		page   string
		absent []string
	}{
		{"empty", renderRecords(t, pages["empty"]), append(comparisons, "diverged", "stable", "best")},
		{"half-finished", renderRecords(t, pages["half-finished"]), append(comparisons, "as predicted: without a norm",
			"as predicted: qk-norm", "as predicted: LayerNorm", "as predicted: BatchNorm", "| place |")},
		{"too short", renderRecords(t, brief), append(comparisons, "as predicted: without a norm",
			"as predicted: qk-norm", "as predicted: LayerNorm", "as predicted: BatchNorm", "| place |")},
		{
			"all-diverged", renderRecords(t, pages["all-diverged"]),
			[]string{
				" ★", "| best loss |", "| top lr |", "| place |", "| seeds from, to |", "trained stably", "largest at which",
			},
		},
		{
			"one-run", renderRecords(t, pages["one-run"]),
			append(comparisons, "What the literature predicts", "| place |", "All runs"),
		},
	} {
		text := reduced(c.page)
		for _, words := range c.absent {
			assert.NotContains(t, text, words, c.name)
		}
	}
}
