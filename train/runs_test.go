package train

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestARunIsWrittenWithItsOwnModel also checks that no other model is accepted.
func TestARunIsWrittenWithItsOwnModel(t *testing.T) {
	t.Parallel()
	c := tiny("batch")
	c.Steps, c.EvalBatches = 2, 1
	m, run, err := Train(t.Context(), c, corpus(t, verse), nil)
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "runs", c.ID())
	require.NoError(t, WriteRun(dir, run, m))
	got, err := ReadRun(dir)
	require.NoError(t, err)
	require.Equal(t, run.Config, got.Config)
	require.Equal(t, run.Speed, got.Speed)
	faster := run
	faster.Speed.Seconds = 1e-3
	require.NoError(t, WriteRun(dir, faster, m))

	require.EqualError(t, WriteRun(dir, run, nil), "train: WriteRun: the model is nil")
	wrong := run
	wrong.Config.Channels *= 2
	err = WriteRun(dir, wrong, m)
	require.ErrorContains(t, err, "train: transformer: cannot load ")
	require.ErrorContains(t, err, "channels is 16, want 32")
	require.ErrorContains(t, err, "(in the files to be written to "+dir)
	got, err = ReadRun(dir)
	require.NoError(t, err)
	require.Equal(t, run.Speed, got.Speed, "the finished run stays")
}
