package benchmark

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// pretend returns the path of an interpreter that ignores its arguments and runs a shell
// script.
func pretend(t *testing.T, script string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	path := filepath.Join(t.TempDir(), "python")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o777))
	return path
}

const hello = `echo '{"version": "9.9", "kernels": "AVX9"}'` + "\n"

func TestPeerAnswers(t *testing.T) {
	ctx := context.Background()
	python := pretend(t, hello+`
read task; echo "$task" >&2
echo '{"seconds": 0.25}'
read task; echo boom >&2; exit 3`)
	var warn bytes.Buffer
	ps, err := startPeers(ctx, []string{"/no/such/python", python}, []int{2}, &warn)
	require.NoError(t, err)
	defer ps.close()
	require.Equal(t, " PyTorch: 9.9, its kernels: AVX9.", ps.String())

	c := ps.contestant(ctx, 2, task{"task": "gemm", "m": 3})
	seconds, err := c(7)
	require.NoError(t, err)
	require.Equal(t, 0.25, seconds)
	for range 2 { // the end is reported once
		seconds, err = c(7)
		require.NoError(t, err)
		require.True(t, math.IsNaN(seconds))
	}
	require.Equal(t, "bench: PyTorch on 2 threads ended, its other measurements are left out: exit status 3 boom\n",
		warn.String())
	require.Equal(t, `{"m":3,"repeat":7,"task":"gemm"}`+"\nboom\n", ps.byThreads[2].stderr.String())
}

func TestPeersThatCannotStart(t *testing.T) {
	for want, script := range map[string]string{
		"ModuleNotFoundError: No module": `echo '{"error": "ModuleNotFoundError: No module"}'`,
		"exit status 1 Sorry":            "echo Hello >&2; echo Sorry >&2; exit 1",
		"no answer":                      "exit 0",
		"invalid character":              "echo no JSON",
	} {
		_, err := startPeers(context.Background(), []string{pretend(t, script)}, []int{1, 2}, nil)
		require.ErrorContains(t, err, want)
	}
	_, err := startPeers(context.Background(), nil, []int{1}, nil)
	require.ErrorContains(t, err, "there are no interpreters to search")
}

func TestNoPeers(t *testing.T) {
	var ps *peers
	seconds, err := ps.contestant(context.Background(), 1, nil)(1)
	require.NoError(t, err)
	require.True(t, math.IsNaN(seconds))
	ps.close()
}

// TestPyTorchDoesEveryTask needs PyTorch.
func TestPyTorchDoesEveryTask(t *testing.T) {
	if testing.Short() {
		t.Skip("PyTorch takes seconds to start")
	}
	ctx := context.Background()
	var warn bytes.Buffer
	ps, err := startPeers(ctx, []string{"python3", "/usr/bin/python3"}, []int{1}, &warn)
	if err != nil {
		t.Skip(err)
	}
	defer ps.close()
	b := &bench{ctx: ctx, out: &warn, progress: &progress{Progress: &written{}},
		meter: meter{rounds: 1}, sizes: tiny, threads: []int{1}, peers: ps}
	for _, s := range Sections {
		if s.pytorch {
			require.NoError(t, s.run(b))
		}
	}
	require.NotContains(t, warn.String(), "ended")
	require.Contains(t, warn.String(), "PyTorch's best/ours")

	// The error of a failed task has Python's own text.
	seconds, err := ps.contestant(ctx, 1, task{"task": "norm", "kind": "GroupNorm", "rows": 1, "cols": 1})(1)
	require.NoError(t, err)
	require.True(t, math.IsNaN(seconds))
	require.Contains(t, warn.String(), "KeyError: 'GroupNorm'")
}
