package benchmark

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// written is a Progress that records the lines written.
type written struct{ bytes.Buffer }

func (*written) Show(string) {}
func (*written) Clear()      {}

// quick returns the config of a very short run without PyTorch.
func quick() Config {
	return Config{Sections: Sections, Threads: []int{1, 2}, Rounds: 1, Quick: true}
}

func TestEverySectionPrintsATable(t *testing.T) {
	var stdout bytes.Buffer
	require.NoError(t, Run(context.Background(), quick(), &stdout, &written{}))
	out := stdout.String()
	require.Equal(t, 8, strings.Count(out, "\n### "), out)
	require.Equal(t, 8, strings.Count(out, "\n|--"), out)
	require.Contains(t, out, "PyTorch is left out")
	require.NotContains(t, out, "PyTorch |")
	require.NotContains(t, out, "NaN")
	for _, s := range []string{"| LayerNorm |     64×16 |", "| 16×16×16 NN |", "| limit/step", "| channels |"} {
		require.Contains(t, out, s)
	}
}

// TestStoppingEndsPyTorch has a process that does not answer.
func TestStoppingEndsPyTorch(t *testing.T) {
	if testing.Short() {
		t.Skip("PyTorch takes seconds to start")
	}
	c := quick()
	c.Sections, _ = Choose([]string{"norms"})
	c.Python = []string{pretend(t, hello+"exec sleep 60")}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Second/2, cancel)
	var stdout bytes.Buffer
	var progress written
	require.ErrorIs(t, Run(ctx, c, &stdout, &progress), context.Canceled)
	require.Contains(t, stdout.String(), "PyTorch: 9.9")
	require.Empty(t, progress.String())
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		names        string
		chosen, left string
	}{
		{"", "", ""},
		{"gemm", "gemm", ""},
		{"growth copy gemm", "copy gemm growth", ""},
		{"copy speed copy", "copy", "speed copy"},
	} {
		names := strings.Fields(c.names)
		chosen, left := Choose(names)
		var got []string
		for _, s := range chosen {
			got = append(got, s.Name)
		}
		require.Equal(t, c.chosen, strings.Join(got, " "))
		require.Equal(t, c.left, strings.Join(left, " "))
		require.Equal(t, c.names, strings.Join(names, " "), "Choose changes the names it is given")
	}
}

func TestThreadsAreSortedAndUnique(t *testing.T) {
	c := quick()
	c.Sections, _ = Choose([]string{"gorgonia"})
	c.Threads = []int{3, 1, 3}
	var stdout bytes.Buffer
	require.NoError(t, Run(context.Background(), c, &stdout, &written{}))
	var threads []string
	for line := range strings.Lines(stdout.String()) {
		if cells := strings.Fields(line); len(cells) > 5 && cells[1] == "LayerNorm" {
			threads = append(threads, cells[5])
		}
	}
	require.Equal(t, []string{"1", "3"}, threads)
	require.Equal(t, []int{3, 1, 3}, c.Threads, "Run changes the threads it is given")
}

func TestRunErrors(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"no rounds":    func(c *Config) { c.Rounds = 0 },
		"no threads":   func(c *Config) { c.Threads = nil },
		"zero threads": func(c *Config) { c.Threads = []int{2, 0} },
		"zero config":  func(c *Config) { *c = Config{} },
	} {
		t.Run(name, func(t *testing.T) {
			c := quick()
			spoil(&c)
			var stdout bytes.Buffer
			require.ErrorContains(t, Run(context.Background(), c, &stdout, &written{}), "benchmark: Threads is ")
			require.Empty(t, stdout.String())
		})
	}
}
