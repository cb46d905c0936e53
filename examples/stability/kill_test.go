package main

import (
	"crypto/sha256"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gorgonorm/lab"
	"gorgonorm/runlog"
)

// TestAKilledGridGoesOn kills the program at random moments and starts it again, until it ends. All
// files of its runs must be those of a grid that nobody killed.
func TestAKilledGridGoesOn(t *testing.T) {
	const argsVariable = "GORGONORM_TEST_KILLED_GRID"
	if args := os.Getenv(argsVariable); args != "" {
		if status := run(t.Context(), strings.Split(args, "\n"), os.Stdout, os.Stderr); status != 0 {
			t.Fatalf("exit status %d", status)
		}
		return
	}
	if testing.Short() {
		t.Skip("starts many processes")
	}
	more := []string{
		"-norms", "batch,rms", "-lr", "0.01", "-steps", "800", "-jobs", "1", "-checkpoint-every", "8",
		"-eval-every", "100", "-probe-every", "20",
	}
	args, out := small(t, more...)
	succeed(t, args)
	want := recorded(t, out)
	require.Len(t, want, 10)

	out = filepath.Join(t.TempDir(), "runs")
	args = append(args, "-out", out)
	moments := rand.New(rand.NewPCG(1, 8))
	var log strings.Builder
	kills := 0
	for done := false; !done; {
		process := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		process.Env = append(os.Environ(), argsVariable+"="+strings.Join(args, "\n"))
		process.Stderr = &log
		before, ended := saved(out), make(chan error, 1)
		require.NoError(t, process.Start())
		go func() { ended <- process.Wait() }()
		for !done && saved(out) == before { // until it has come nearer to its end, or killing would not end
			select {
			case err := <-ended:
				require.NoError(t, err, &log)
				done = true
			case <-time.After(time.Millisecond):
			}
		}
		if !done {
			time.Sleep(time.Duration(moments.IntN(150)) * time.Millisecond)
			_ = process.Process.Kill() // it may have ended
			if done = <-ended == nil; !done {
				kills++
			}
		}
	}
	t.Logf("killed %d times", kills)
	require.Positive(t, kills)
	require.Contains(t, log.String(), " goes on from step ")
	require.Equal(t, want, recorded(t, out))
	require.NoDirExists(t, filepath.Join(out, "checkpoints"))
}

// saved describes how far a grid has come.
func saved(dir string) string {
	checkpoints, _ := filepath.Glob(filepath.Join(dir, "checkpoints", "*", "*"))
	runs, _ := filepath.Glob(filepath.Join(dir, "*", "summary.json"))
	return strings.Join(append(checkpoints, runs...), " ")
}

// recorded returns the hashes of the files of runs, except their speed.
func recorded(t *testing.T, dir string) map[string][sha256.Size]byte {
	t.Helper()
	all := make(map[string][sha256.Size]byte)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch d.Name() {
		case "speed.json", lab.ReportFile, lab.FigureFile, runlog.PlanFile:
			return nil
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = sha256.Sum256(b)
		return err
	}))
	return all
}
