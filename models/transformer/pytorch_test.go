package transformer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
)

// pytorch returns the first Python interpreter that has PyTorch. If there is none, it skips the
// test.
func pytorch(t *testing.T) string {
	t.Helper()
	var why []string
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.Command(python, "-c", "import numpy, torch").CombinedOutput()
		if err == nil {
			return python
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		why = append(why, fmt.Sprintf("%s: %v %s", python, err, lines[len(lines)-1]))
	}
	t.Skip("there is no PyTorch (Debian: apt install python3-torch): " + strings.Join(why, "; "))
	return ""
}

// roundings bounds the differences of logits from PyTorch's on the same weights: 32 times the
// rounding error of the largest logit. Sums in another order cause up to 7.
var roundings = map[tensor.Dtype]golden.Within{
	tensor.Float32: {Rel: 32.0 / (1 << 24)},
	tensor.Float64: {Rel: 32.0 / (1 << 53)},
}

// TestPyTorchReadsWhatWeSave loads files that Save wrote into a torch.nn.Module, which requires
// exactly these tensors, and compares logits (testdata/read_model.py).
func TestPyTorchReadsWhatWeSave(t *testing.T) {
	if testing.Short() {
		t.Skip("PyTorch takes seconds to start")
	}
	python := pytorch(t)
	ids := golden.Ints{Shape: []int{2, 6}, Data: []int{1, 6, 2, 0, 3, 5, 4, 4, 0, 6, 1, 2}}
	var models []*Model
	var names, files []string // one per model
	add := func(name string, c Config) {
		m, err := New(G.NewGraph(), c)
		require.NoError(t, err)
		loadMade(t, m)
		models, files = append(models, m), append(files, saved(t, m))
		names = append(names, fmt.Sprintf("%s/bias=%v/%s/%v", name, c.Bias, c.GELU, c.Dtype))
	}
	for name, c := range arrangements() {
		for _, c.Bias = range []bool{false, true} {
			for _, c.GELU = range GELUs {
				for c.Dtype = range roundings {
					add(name, c)
				}
			}
		}
	}

	script := filepath.Join("..", "..", "testdata", "read_model.py")
	given, err := json.Marshal([][]int{ids.Data[:6], ids.Data[6:]})
	require.NoError(t, err)
	var stderr bytes.Buffer
	cmd := exec.Command(python, append([]string{script}, files...)...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(given), &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)

	answers := json.NewDecoder(bytes.NewReader(out))
	for i, m := range models {
		var want [][][]float64 // (B, T, vocabulary)
		require.NoError(t, answers.Decode(&want))
		logits, _ := outputs(t, m, ids, ids)
		golden.RequireClose(t, slices.Concat(slices.Concat(want...)...), logits, roundings[m.config.Dtype], "%s",
			names[i])
	}
	require.False(t, answers.More())
}
