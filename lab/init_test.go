package lab

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/transformer"
)

func TestByReason(t *testing.T) {
	const f64 = "is of type F64, which float32 does not hold"
	require.Equal(t, []string{
		"not in the file: a, transformer.h.{0..1,3}.b",
		"shape (3), want (4): c",
		`not in the model: 100%d.h.x.y, "two words"`,
		"of type F64, which float32 does not hold: e, f",
	}, byReason(transformer.Faults{
		{Name: "a", Reason: "is missing"}, {Name: "c", Reason: "has shape (3), want (4)"}, {Name: "transformer.h.{0..1,3}.b", Reason: "is missing"},
		{Name: "100%d.h.x.y", Reason: "is unexpected"}, {Name: "e", Reason: f64}, {Name: "two words", Reason: "is unexpected"}, {Name: "f", Reason: f64},
	}))
	require.Empty(t, byReason(nil))
}

func TestFewCharactersAreNamed(t *testing.T) {
	require.Equal(t, `'a', '\n'`, named([]rune("a\n")))
	require.Equal(t, `'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't' and 2 more`, named([]rune("abcdefghijklmnopqrstuv")))
}
