package simd

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAVX2KernelsKeepToItsRegisters looks for registers that need AVX-512. The assembler accepts them, and a
// machine without AVX-512 would fault on them.
func TestAVX2KernelsKeepToItsRegisters(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("kernels_amd64.s")
	require.NoError(t, err)
	foreign := regexp.MustCompile(`\b([XY](1[6-9]|2\d|3[01])|Z\d+|K[0-7])\b`)
	kernels := 0
	for _, text := range strings.Split(string(source), "\nTEXT ·")[1:] {
		name, _, _ := strings.Cut(text, "(")
		if strings.HasSuffix(name, "AVX2") {
			kernels++
			require.Empty(t, foreign.FindString(text), name)
		}
	}
	require.NotZero(t, kernels)
}
