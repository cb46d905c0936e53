package cli

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestALineOnAFile checks that it shows progress only when it is due.
func TestALineOnAFile(t *testing.T) {
	var b bytes.Buffer
	l := NewLine(&b)
	require.False(t, l.Due())
	l.Show("too early")
	require.Empty(t, b.String())
	l.shown = time.Now().Add(-plainEvery)
	require.True(t, l.Due())
	l.Show("now")
	l.Show("too early again")
	l.Clear()
	fmt.Fprintln(l, "a result")
	require.Equal(t, "now\na result\n", b.String())
	require.False(t, l.Due())
}
