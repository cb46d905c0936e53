package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/internal/benchmark"
)

// quick returns flags for a very short run.
func quick(more ...string) []string {
	return append([]string{"-quick", "-rounds", "1", "-sample", "1us", "-python", ""}, more...)
}

func TestSectionsAndThreadsAreChosen(t *testing.T) {
	var stdout, stderr bytes.Buffer
	args := quick("-only", " gorgonia", "-threads", "3")
	require.Zero(t, run(context.Background(), args, &stdout, &stderr), stderr.String())
	out := stdout.String()
	require.Equal(t, 1, strings.Count(out, "\n### "))
	require.Contains(t, out, "| LayerNorm |      16×8 |       3 |")
	require.NotContains(t, out, "PyTorch", "the chosen section does not need it")
}

// stopAt cancels a context once something has been written.
type stopAt struct {
	bytes.Buffer
	text string
	stop func()
}

func (s *stopAt) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if strings.Contains(s.String(), s.text) {
		s.stop()
	}
	return n, err
}

func TestStoppingKeepsTheTablesPrinted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	stdout := &stopAt{text: "### Norms on a graph", stop: cancel}
	var stderr bytes.Buffer
	require.Equal(t, cli.Interrupted, run(ctx, quick("-only", "copy,gorgonia,gemm"), stdout, &stderr))
	require.Contains(t, stdout.String(), "### Norm kernels")
	require.NotContains(t, stdout.String(), "### Matrix products")
	require.Contains(t, stderr.String(), "bench: stopped\n")
}

// TestBadInput expects one line of error and exit status 2.
func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown section", []string{"-only", "copy,speed"}, `-only has "speed"`},
		{"section twice", []string{"-only", "copy,copy"}, `-only has "copy"`},
		{"no section", []string{"-only", ","}, "-only is empty"},
		{"threads", []string{"-threads", "1,0"}, `-threads has "0"`},
		{"no number of threads", []string{"-threads", "two"}, `-threads has "two"`},
		{"no threads", []string{"-threads", ""}, "-threads is empty"},
		{"rounds", []string{"-rounds", "0"}, "-rounds is 0"},
		{"sample", []string{"-sample", "long"}, `invalid value "long" for flag -sample`},
		{"unknown flag", []string{"-speed", "9"}, "flag provided but not defined: -speed"},
		{"argument", []string{"copy"}, `unexpected argument "copy"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, cli.Misused, run(context.Background(), quick(c.args...), &stdout, &stderr))
			require.Empty(t, stdout.String())
			require.Contains(t, stderr.String(), c.want)
			require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
		})
	}
}

func TestHelpTeaches(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(context.Background(), []string{"-h"}, &stdout, &stderr))
	require.Empty(t, stderr.String())
	for _, flag := range strings.Fields("only threads rounds sample python quick") {
		require.Contains(t, stdout.String(), "  -"+flag)
	}
	for _, s := range benchmark.Sections {
		require.Contains(t, stdout.String(), "  "+s.Name+" ")
	}
}

// TestKernelsAreChosen measures each kind that this machine can run.
func TestKernelsAreChosen(t *testing.T) {
	for _, name := range benchmark.KernelNames() {
		var stdout, stderr bytes.Buffer
		args := quick("-only", "gemm", "-threads", "1", "-kernels", strings.ToLower(name))
		require.Zero(t, run(context.Background(), args, &stdout, &stderr), stderr.String())
		require.Contains(t, stdout.String(), "our kernels: "+name+".")
		require.Contains(t, stdout.String(), "| of peak |")
	}
	var stderr bytes.Buffer
	require.Equal(t, cli.Misused, run(context.Background(), quick("-kernels", "sse"), &bytes.Buffer{}, &stderr))
	require.Contains(t, stderr.String(), `-kernels is "sse", want one that this machine can run: purego`)
}
