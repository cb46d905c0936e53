package host

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommandCanBeTypedAgain: a shell reads the words that were given.
func TestCommandCanBeTypedAgain(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	words := []string{"/somewhere/stability", "-out", "a b", "-lr", "1e-3,0.01", "it's", "", "$HOME", "*", "größer"}
	command := Command(words)
	require.True(t, strings.HasPrefix(command, "stability -out 'a b' -lr 1e-3,0.01 "), command)
	out, err := exec.Command(sh, "-c", `stability() { printf '%s\n' "$@"; }; `+command).Output()
	require.NoError(t, err)
	require.Equal(t, strings.Join(words[1:], "\n")+"\n", string(out))
}

func TestProcessorHasAName(t *testing.T) {
	t.Parallel()
	require.NotEmpty(t, Processor())
	require.NotContains(t, Processor(), "\n")
}
