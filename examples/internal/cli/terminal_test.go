//go:build unix

package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// onTerminal returns what a terminal of that width gets from use.
func onTerminal(t *testing.T, width uint16, use func(tty *os.File)) string {
	t.Helper()
	screen, tty, err := pty.Open()
	require.NoError(t, err)
	defer screen.Close()
	require.NoError(t, pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: width}))
	var got bytes.Buffer
	var reader sync.WaitGroup
	reader.Go(func() { io.Copy(&got, screen) }) // until the terminal is closed
	use(tty)
	tty.Close()
	reader.Wait()
	return got.String()
}

var control = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// TestRowsOnATerminal: rows change in place, none is wider than the terminal, written text stays
// above them, and nothing of them is left in the end.
func TestRowsOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for _, width := range []uint16{40, 80, 200} {
		got := onTerminal(t, width, func(tty *os.File) {
			l := NewLine(tty)
			require.False(t, l.Due())
			require.Equal(t, int(width), Width(tty))
			row := func(text string) Row { return func(width int) string { return fit(text, width) } }
			for i := range 3 {
				l.ShowRows(row(fmt.Sprintf("%d min left", i)), row(strings.Repeat("größe ", 50)))
				time.Sleep(2 * liveEvery)
			}
			fmt.Fprintln(l, "a result that stays")
			l.ShowRows(row("9 min left"))
			time.Sleep(2 * liveEvery)
			require.True(t, l.Due())
			l.Clear()
			l.Clear()
			fmt.Fprintln(l, "the end")
		})
		for line := range strings.SplitSeq(strings.ReplaceAll(got, "\r", "\n"), "\n") {
			require.Less(t, utf8.RuneCountInString(control.ReplaceAllString(line, "")), int(width), "%q", line)
		}
		for _, text := range []string{
			"0 min left", "2 min left", "9 min left", "größe größe", "a result that stays\r\n", "the end\r\n",
		} {
			require.Contains(t, got, text)
		}
		require.NotContains(t, got, "\x1b[3", "colours")
		require.NotContains(t, got, "\x1b[?25l", "a hidden cursor would stay hidden after a kill")
	}
}

// TestADumbTerminalGetsPlainLines.
func TestADumbTerminalGetsPlainLines(t *testing.T) {
	t.Setenv("TERM", "dumb")
	got := onTerminal(t, 80, func(tty *os.File) {
		l := NewLine(tty)
		l.shown = time.Now().Add(-plainEvery)
		l.Show("now")
		l.Show("too early")
		l.Clear()
		fmt.Fprintln(l, "a result")
	})
	require.Equal(t, "now\r\na result\r\n", got)
}
