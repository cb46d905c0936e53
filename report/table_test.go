package report

import (
	"bytes"
	"errors"
	"flag"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestTable(t *testing.T) {
	t.Parallel()
	for file, runs := range map[string][]runlog.Run{"table.txt": runtest.OneEach(), "grid.txt": runtest.Grid()} {
		t.Run(file, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, Table(&b, runlog.Records{Runs: runs}, 110))
			golden := filepath.Join("testdata", file)
			if *update {
				require.NoError(t, os.WriteFile(golden, b.Bytes(), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), b.String())
			for line := range strings.Lines(b.String()) {
				assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 110, line)
			}
		})
	}
}

// TestTableFitsTheTerminal: at every width, no line is longer, and no cell is lost.
func TestTableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for name, runs := range map[string][]runlog.Run{"one each": runtest.OneEach(), "grid": runtest.Grid()} {
		s, err := summarize(runlog.Records{Runs: runs})
		require.NoError(t, err)
		for _, width := range []int{40, 80, 200} {
			var b bytes.Buffer
			require.NoError(t, Table(&b, runlog.Records{Runs: runs}, width))
			for line := range strings.Lines(b.String()) {
				line = strings.TrimSuffix(line, "\n")
				if strings.Contains(line, " ") { // a single word may be longer
					assert.LessOrEqual(t, utf8.RuneCountInString(line), width, "%s: %s", name, line)
				}
			}
			table := s.table(false)
			for _, line := range table.Body {
				for c, cell := range line {
					assert.Contains(t, b.String(), cell, "%s: %s", name, table.Head[c])
				}
			}
		}
	}
}

func TestTableOfEdges(t *testing.T) {
	t.Parallel()
	for name, runs := range runtest.Edges() {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, Table(&b, runlog.Records{Runs: runs}, 110))
			assert.NotContains(t, b.String(), "NaN")
		})
	}
}

func TestNoRuns(t *testing.T) {
	t.Parallel()
	for _, render := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return Table(b, runlog.Records{}, 110) },
		func(b *bytes.Buffer) error { return HTML(b, runlog.Records{Runs: []runlog.Run{}}) },
	} {
		var b bytes.Buffer
		require.EqualError(t, render(&b), "report: no runs")
		assert.Zero(t, b.Len())
	}
}

type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteError(t *testing.T) {
	t.Parallel()
	records := runlog.Records{Runs: runtest.OneEach()}
	for _, err := range []error{Table(full{}, records, 110), HTML(full{}, records)} {
		require.ErrorIs(t, err, errFull)
		assert.ErrorContains(t, err, "report: ")
	}
}

// TestBrokenRunsAreListed on the terminal and the page, and change nothing else there.
func TestBrokenRunsAreListed(t *testing.T) {
	t.Parallel()
	broken := []runlog.Broken{
		{Name: "rms-<b>", Reason: "summary.json: best_val is missing"},
		{Name: "a\x1b[2J", Reason: "it is cut short"},
	}
	sentences := []string{
		`"rms-<b>" is left out because it is broken: summary.json: best_val is missing.`,
		`"a\x1b[2J" is left out because it is broken: it is cut short.`,
	}
	var with, without bytes.Buffer
	require.NoError(t, Table(&with, runlog.Records{Runs: runtest.OneEach(), Broken: broken}, 110))
	require.NoError(t, Table(&without, runlog.Records{Runs: runtest.OneEach()}, 110))
	for _, sentence := range sentences {
		require.Contains(t, with.String(), sentence+"\n")
	}
	require.Equal(
		t, without.String(), strings.NewReplacer(sentences[0]+"\n", "", sentences[1]+"\n", "").Replace(with.String()),
	)

	var page bytes.Buffer
	require.NoError(t, HTML(&page, runlog.Records{Runs: runtest.OneEach(), Broken: broken}))
	require.NotContains(t, page.String(), "<b>")
	for _, sentence := range sentences {
		require.Contains(t, html.UnescapeString(page.String()), "<li>"+sentence+"</li>")
	}
}
