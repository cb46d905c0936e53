package live

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/hostile"
)

// TestNoPanics calls every exported function and method with what nobody means to give.
func TestNoPanics(t *testing.T) {
	t.Chdir(t.TempDir())
	render := func(io.Writer) error { return nil }
	s, err := Listen("127.0.0.1:0", t.TempDir(), render)
	require.NoError(t, err)
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{"Listen": Listen},
		Values:    []any{s, render, &plain{Writer: io.Discard}},
		Tries:     50,
	})
	require.NoError(t, s.Close())
}
