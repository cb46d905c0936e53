package runlog

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/hostile"
)

// FuzzRead replaces a file of a run, and requires that a run which is read has the files' content.
func FuzzRead(f *testing.F) {
	r := finished()
	source := filepath.Join(f.TempDir(), r.Config.ID())
	require.NoError(f, Write(source, r, weights, model))
	files := []string{configFile, metricsFile, probesFile, speedFile, summaryFile, weightsFile}
	for i, name := range files {
		b, err := os.ReadFile(filepath.Join(source, name))
		require.NoError(f, err)
		f.Add(uint8(i), b)
	}
	whole, err := Read(source, model)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		dir := filepath.Join(t.TempDir(), r.Config.ID())
		require.NoError(t, os.CopyFS(dir, os.DirFS(source)))
		name := files[int(which)%len(files)]
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o666))
		hostile.Allocates(t, len(b), func() {
			got, err := Read(dir, model)
			if err == nil && name != speedFile && name != summaryFile {
				require.Equal(t, whole, got, "another file passes for %s", name)
			}
			records, err := ReadAll(filepath.Dir(dir), model)
			require.NoError(t, err)
			require.Equal(t, 1, len(records.Runs)+len(records.Broken))
		})
	})
}

// FuzzReadPlan reads any grid.json.
func FuzzReadPlan(f *testing.F) {
	dir := f.TempDir()
	require.NoError(f, AddToPlan(dir, Provenance{Command: "x"}, []Planned{plannedAt(1), plannedAt(2)}))
	b, err := os.ReadFile(filepath.Join(dir, PlanFile))
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"runs": null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, PlanFile), b, 0o666))
		hostile.Allocates(t, len(b), func() {
			if p, err := ReadPlan(dir); err == nil {
				require.True(t, p.Holds(p.Runs))
				Records{Plan: p}.Missing()
			}
		})
	})
}
