package report

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func deps(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-deps"}, args...)...).Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

// TestAReportNeedsRecordsAlone: a report depends on no package of Gorgonia, and of ours
// only on that of the records, which reads its files by internal/text.
func TestAReportNeedsRecordsAlone(t *testing.T) {
	t.Parallel()
	var ours []string
	for _, path := range deps(t, "-test", "./...") {
		require.False(t, strings.HasPrefix(path, "gorgonia.org/"), path)
		if strings.HasPrefix(path, "gorgonorm/") && !strings.HasPrefix(path, "gorgonorm/report") {
			ours = append(ours, path)
		}
	}
	require.Equal(t, []string{"gorgonorm/internal/text", "gorgonorm/runlog", "gorgonorm/internal/hostile"}, ours)
}

// TestPartsHaveOneDirection: results depends neither on the drawing nor on the page, chart
// depends neither on the runs nor on the page.
func TestPartsHaveOneDirection(t *testing.T) {
	t.Parallel()
	for part, others := range map[string][]string{
		"./results": {
			"gorgonorm/report", "gorgonorm/report/chart", "gonum.org/v1/plot", "text/template", "html/template",
		},
		"./chart": {"gorgonorm/report", "gorgonorm/report/results", "gorgonorm/runlog", "html/template"},
	} {
		paths := deps(t, part)
		for _, other := range others {
			assert.False(t, slices.Contains(paths, other), "%s depends on %s", part, other)
		}
	}
}
