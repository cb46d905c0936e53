package host

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	n, known := Memory()
	require.True(t, known)
	require.Greater(t, n, 1e8)
	require.LessOrEqual(t, n, totalIn("/proc/meminfo"))

	path := filepath.Join(t.TempDir(), "meminfo")
	require.True(t, math.IsInf(totalIn(path), 1))
	require.NoError(t, os.WriteFile(path, []byte("MemFree: 5 kB\nMemTotal:       24576 kB\n"), 0o666))
	require.Equal(t, 24576*1024.0, totalIn(path))
}
