package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/hostile"
)

// TestNoPanics calls every exported function and method with what nobody means to give.
func TestNoPanics(t *testing.T) {
	characters, err := NewCharacters("abx")
	require.NoError(t, err)
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{
			"NewCharacters": NewCharacters, "ReadBPE": ReadBPE, "ReadMeta": ReadMeta, "ReadTokenizerJSON": ReadTokenizerJSON,
		},
		Values: []any{characters, readGolden(t)},
		Tries:  300,
	})
}
