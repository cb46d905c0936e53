package layers

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/hostile"
)

// FuzzReadState reads any file as the state of a layer.
func FuzzReadState(f *testing.F) {
	norm, err := NewBatchNorm(G.NewGraph(), 3)
	require.NoError(f, err)
	var file bytes.Buffer
	require.NoError(f, norm.Save(&file))
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		require.NoError(t, os.WriteFile(path, b, 0o666))
		hostile.Allocates(t, len(b), func() {
			before := norm.State()
			if err := norm.LoadFile(path); err != nil {
				after := norm.State()
				for name, d := range before {
					require.Equal(t, fmt.Sprint(d.Data()), fmt.Sprint(after[name].Data()), "an error changes nothing") // also NaN
				}
			}
			if s, err := ReadState(path); err == nil {
				var again bytes.Buffer
				require.NoError(t, s.Save(&again))
			}
		})
	})
}
