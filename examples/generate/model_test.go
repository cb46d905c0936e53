package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/examples/internal/cli"
)

// TestTheFormOfGELU checks that -gelu takes precedence over config.json, for weights that
// lack the form. The losses must equal those of a config.json with the same form.
func TestTheFormOfGELU(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testdata, "checkpoints", "nanogpt.safetensors"))
	require.NoError(t, err)
	for at := 8 + int(binary.LittleEndian.Uint64(b)); at < len(b); at += 4 { // weights so large that the forms differ
		v := math.Float32frombits(binary.LittleEndian.Uint32(b[at:]))
		binary.LittleEndian.PutUint32(b[at:], math.Float32bits(3*v))
	}
	weights := filepath.Join(t.TempDir(), "nanogpt.safetensors")
	require.NoError(t, os.WriteFile(weights, b, 0o666))
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("a bad cab fed a gaggä\n"), 0o666))
	loss := func(config string, args ...string) string {
		dir := directory(t, weights, map[string]string{"meta.json": meta, "config.json": config})
		out, _ := succeed(t, append(args, "-model", dir, "-heads", "2", "-eval", text)...)
		return out
	}
	const tanhConfig, exactConfig = `{"activation_function": "gelu_new"}`, `{"activation_function": "gelu"}`
	tanh, exact := loss(tanhConfig), loss(exactConfig)
	require.NotEqual(t, tanh, exact)
	for _, config := range []string{`{}`, tanhConfig, exactConfig} {
		require.Equal(t, tanh, loss(config, "-gelu", "tanh"), config)
		require.Equal(t, exact, loss(config, "-gelu", "exact"), config)
	}
}

func TestInvalidFlags(t *testing.T) {
	dir := aRun(t)
	for _, c := range []struct {
		flag, value string
		status      int
		want        string
	}{
		{"-gelu", "relu", cli.Misused, `-gelu is "relu", want one of ["tanh" "exact"]`},
		{"-gelu", "exact", cli.Failed, `its metadata has gelu "tanh", want "exact"`},
		{"-seed", "-1", cli.Misused,
			`invalid value "-1" for flag -seed: want a whole number from 0 to 18446744073709551615`},
	} {
		status, stdout, stderr := call(context.Background(), "-model", dir, c.flag, c.value)
		require.Equal(t, c.status, status, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, c.want)
	}
}

// TestPartsOfAModel loads them from their directory and from their index.
func TestPartsOfAModel(t *testing.T) {
	run := aRun(t)
	config, err := os.ReadFile(filepath.Join(run, "config.json"))
	require.NoError(t, err)
	args := []string{"-prompt", "t", "-n", "20", "-model"}
	whole, _ := succeed(t, append(args, run)...)
	dir := directory(t, filepath.Join(run, "model.safetensors"), map[string]string{"config.json": string(config)})
	require.NoError(t, os.Rename(filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "part.safetensors")))
	index := filepath.Join(dir, "model.safetensors.index.json")
	writeIndex := func(part string) {
		weightMap := fmt.Sprintf(`{"weight_map": {"transformer.wte.weight": %q}}`, part)
		require.NoError(t, os.WriteFile(index, []byte(weightMap), 0o666))
	}
	writeIndex("part.safetensors")
	for _, path := range []string{dir, index} {
		parts, _ := succeed(t, append(args, path)...)
		require.Equal(t, whole, parts)
	}
	writeIndex("../part.safetensors")
	status, _, stderr := call(context.Background(), append(args, dir)...)
	require.Equal(t, cli.Failed, status)
	require.Contains(t, stderr, `"../part.safetensors" is not the name of a file in its directory`)
}
