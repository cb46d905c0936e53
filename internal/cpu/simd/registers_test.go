package simd

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAVX2KernelsKeepToItsRegisters: the assembler would take more for those of
// AVX-512, and a machine without that would stop at them.
func TestAVX2KernelsKeepToItsRegisters(t *testing.T) {
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
