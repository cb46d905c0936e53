package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/internal/cpu/simd"
	"gorgonorm/models/transformer"
)

// wantBits is the SHA-256 of all that 50 steps of a tiny model under every norm leave: weights, running
// statistics, losses, gradient norms and probes, in training and evaluation, with clipping and AdamW.
const wantBits = "0ca94e0fa94f7a2a2f73a48853e0f24f5ece8b34bb6f400d4b104cf68b83da29"

// bitsOf trains the models.
func bitsOf(t *testing.T) string {
	t.Helper()
	all := sha256.New()
	text := corpus(t, strings.Repeat("the quick brown fox jumps over the lazy dog. ", 60))
	text.Path = "text.txt" // wherever it is
	for _, norm := range transformer.NormNames() {
		c := Defaults()
		c.Norm, c.Placement, c.QKNorm = norm, "pre", norm == "rms"
		c.Layers, c.Heads, c.Channels, c.Context, c.Batch = 2, 2, 32, 16, 4
		c.Steps, c.Warmup, c.LR, c.MinLR, c.EvalEvery, c.ProbeEvery = 50, 5, 1e-2, 1e-3, 10, 10
		m, r, err := Train(t.Context(), c, text, nil)
		require.NoError(t, err)
		var weights bytes.Buffer
		require.NoError(t, m.Save(&weights))
		record, err := json.Marshal([]any{r.Steps, r.Probes, r.Summary})
		require.NoError(t, err)
		one := sha256.Sum256(append(weights.Bytes(), record...))
		t.Log(norm, hex.EncodeToString(one[:6]))
		all.Write(one[:])
	}
	return hex.EncodeToString(all.Sum(nil))
}

// TestTheSameBitsEverywhere: a training run leaves the same bits with all kernels, for any number of
// threads, with and without the race detector, and however the compiler targets the processor (GOAMD64).
func TestTheSameBitsEverywhere(t *testing.T) {
	best := simd.Of[float32]().Name
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	defer func() { require.NoError(t, simd.Choose(best)) }()
	for _, name := range simd.Names() {
		if testing.Short() && name != best {
			continue
		}
		require.NoError(t, simd.Choose(name))
		for _, threads := range []int{1, 8} {
			if testing.Short() && threads != 8 {
				continue
			}
			runtime.GOMAXPROCS(threads)
			assert.Equal(t, wantBits, bitsOf(t), "%s, %d threads", name, threads)
		}
	}
}

// fused matches the compiler's listing of an instruction that multiplies and adds in one rounding, with
// the place in our source.
var fused = regexp.MustCompile(`\(([^()]*/(?:internal/(?:cpu|portable)|layers|models|train|runlog|claims)/[^()]*\.go:\d+)\)\s+` +
	`(?:VFN?M(?:ADD|SUB)\w*|FN?M(?:ADD|SUB)[SD])\s`)

// TestTheCompilerFusesNothing: where the code does not say math.FMA, no product and sum are rounded
// together, on machines on which the compiler may do that (GOAMD64=v3, arm64): an explicit
// conversion of the product forbids it. Otherwise results would depend on the machine.
func TestTheCompilerFusesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the module for two kinds of machine")
	}
	t.Parallel()
	for _, target := range [][]string{{"GOARCH=amd64", "GOAMD64=v3"}, {"GOARCH=arm64"}} {
		build := exec.Command("go", "build", "-gcflags=gorgonorm/...=-S", "gorgonorm/train", "gorgonorm/claims")
		build.Env = append(build.Environ(), target...)
		listing, err := build.CombinedOutput()
		require.NoError(t, err)
		places := fused.FindAllStringSubmatch(string(listing), -1)
		require.NotEmpty(t, places, "those of math.FMA")
		for _, m := range places {
			drawing := strings.Contains(m[1], "/claims/page.go:")
			meant := strings.Contains(m[1], "/simd/fma_arm64.go:")
			if !drawing && !meant {
				assert.Contains(t, sourceAt(t, m[1]), "math.FMA", "%v: %s", target, m[1])
			}
		}
	}
}

// sourceAt returns a line of the source, given as file:line.
func sourceAt(t *testing.T, place string) string {
	t.Helper()
	file, line, _ := strings.Cut(place, ".go:")
	n, err := strconv.Atoi(line)
	require.NoError(t, err)
	b, err := os.ReadFile(file + ".go")
	require.NoError(t, err)
	return strings.Split(string(b), "\n")[n-1]
}
