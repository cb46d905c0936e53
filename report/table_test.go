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
			require.NoError(t, Table(&b, runlog.Records{Runs: runs}))
			golden := filepath.Join("testdata", file)
			if *update {
				require.NoError(t, os.WriteFile(golden, b.Bytes(), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), b.String())
			table, text, _ := strings.Cut(b.String(), "\n\n")
			for line := range strings.Lines(table) {
				assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 110, line)
			}
			for line := range strings.Lines(text) {
				assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), terminal, line)
			}
		})
	}
}

func TestTableOfEdges(t *testing.T) {
	t.Parallel()
	for name, runs := range runtest.Edges() {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, Table(&b, runlog.Records{Runs: runs}))
			assert.NotContains(t, b.String(), "NaN")
		})
	}
}

func TestNoRuns(t *testing.T) {
	t.Parallel()
	for _, render := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return Table(b, runlog.Records{}) },
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
	for _, err := range []error{Table(full{}, runlog.Records{Runs: runtest.OneEach()}), HTML(full{}, runlog.Records{Runs: runtest.OneEach()})} {
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
	require.NoError(t, Table(&with, runlog.Records{Runs: runtest.OneEach(), Broken: broken}))
	require.NoError(t, Table(&without, runlog.Records{Runs: runtest.OneEach()}))
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
