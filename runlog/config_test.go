package runlog

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRecordsWithoutInitLackItsFields so that they equal those written before -init existed.
func TestRecordsWithoutInitLackItsFields(t *testing.T) {
	b, err := json.Marshal(Config{Norm: "layer"})
	require.NoError(t, err)
	require.NotContains(t, string(b), "init")
}
