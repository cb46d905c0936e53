package checkpoint

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/hostile"
)

// FuzzConfig reads any config.json.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{runConfig, nanoGPTConfig, gpt2Config, `{"n_layer": 1e300}`, `{"vocabulary": "\ud800"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), configFile)
		require.NoError(t, os.WriteFile(path, b, 0o666))
		hostile.Allocates(t, len(b), func() {
			_, vocabulary, err := readConfig(path)
			if err == nil {
				_, err = readTokenizer(filepath.Dir(path), vocabulary)
			}
			_ = err
		})
	})
}
