package report

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAReportNeedsRecordsAlone: no package of Gorgonia, and of ours none but that of the
// records.
func TestAReportNeedsRecordsAlone(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "-test", ".").Output()
	require.NoError(t, err)
	var ours []string
	for _, path := range strings.Fields(string(out)) {
		require.False(t, strings.HasPrefix(path, "gorgonia.org/"), path)
		if strings.HasPrefix(path, "gorgonorm/") && !strings.HasPrefix(path, "gorgonorm/report") {
			ours = append(ours, path)
		}
	}
	require.Equal(t, []string{"gorgonorm/runlog"}, ours)
}
