package runlog

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRecordsWithoutInitLackItsFields keeps them equal to records written before the fields
// existed.
func TestRecordsWithoutInitLackItsFields(t *testing.T) {
	b, err := json.Marshal(Config{Norm: "layer"})
	require.NoError(t, err)
	require.NotContains(t, string(b), "init")
}
