package train

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/hostile"
)

// FuzzCheckpoint goes on from any file, which is sealed, so that its content is read.
func FuzzCheckpoint(f *testing.F) {
	path := filepath.Join(f.TempDir(), "text.txt")
	require.NoError(f, os.WriteFile(path, []byte(verse), 0o666))
	text, err := ReadCorpus(path)
	require.NoError(f, err)
	c := tiny("batch")
	c.Layers, c.Channels, c.Steps, c.NormNoise = 1, 4, 4, 0.1
	dir := f.TempDir()
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	_, _, err = Train(ctx, c, text, func(s Step) {
		if s.Step == 2 {
			cancel()
		}
	}, WithCheckpoints(Checkpoints{Dir: dir}))
	require.NoError(f, err)
	b, err := os.ReadFile(filepath.Join(dir, "step2.safetensors"))
	require.NoError(f, err)
	f.Add(b[:len(b)-sha256.Size])
	l, err := newLoop(c, text)
	require.NoError(f, err)
	f.Cleanup(l.close)
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "step2.safetensors")
		seal := sha256.Sum256(b)
		require.NoError(t, os.WriteFile(path, append(b, seal[:]...), 0o666))
		hostile.Allocates(t, len(b), func() {
			before := left(t, l.model, Run{})
			run := Run{Config: on(c, text)}
			if err := l.read(path, &run); err != nil {
				require.Equal(t, before, left(t, l.model, Run{}), "an error changes nothing")
				require.Empty(t, run.Steps)
			} else {
				require.LessOrEqual(t, len(run.Steps), c.Steps)
			}
			l.batches.ordered = nil
		})
	})
}
