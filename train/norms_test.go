package train

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// TestReportsKnowEveryNorm compares runlog.Norms, which has the order and colours of norms
// in reports, with the norms of models.
func TestReportsKnowEveryNorm(t *testing.T) {
	t.Parallel()
	for _, name := range transformer.NormNames() {
		require.Contains(t, runlog.Norms, name,
			"reports do not know the norm %q of transformer.Norms: add it to runlog.Norms", name)
	}
	for _, name := range runlog.Norms {
		require.Contains(t, transformer.NormNames(), name,
			"models do not have the norm %q of runlog.Norms: add it to transformer.Norms", name)
	}
}
