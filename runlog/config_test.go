package runlog

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRecordsWithoutInitAreAsBefore, to the byte.
func TestRecordsWithoutInitAreAsBefore(t *testing.T) {
	b, err := json.Marshal(Config{Norm: "layer"})
	require.NoError(t, err)
	require.NotContains(t, string(b), "init")
}
