package lab

import (
	"flag"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gorgonorm/train"
)

// TestOrdersAndSharesAreAxes checks that values which mean the default leave a config, and so
// the name of its run, as without the flags.
func TestOrdersAndSharesAreAxes(t *testing.T) {
	t.Parallel()
	f := flag.NewFlagSet("lab", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	o := DefineFlags(f)
	require.NoError(t, f.Parse([]string{
		"-norms", "layer", "-lr", "1e-3", "-order", "random,blocks", "-text-share", "0.05,1"}))
	require.NoError(t, o.Check())
	var ids []string
	for _, c := range o.Grid.Configs() {
		ids = append(ids, c.ID())
	}
	require.Equal(t, []string{
		"layer-pre-lr0.001-text0.05-seed1", "layer-pre-lr0.001-seed1",
		"layer-pre-lr0.001-blocks-text0.05-seed1", "layer-pre-lr0.001-blocks-seed1",
	}, ids)
	for _, bad := range [][]string{{"-text-share", "1.5"}, {"-text-share", "NaN"}, {"-order", "blocks,blocks"}} {
		require.Error(t, f.Parse(bad))
	}
}

func TestCheckpointsAtADistance(t *testing.T) {
	t.Parallel()
	f := flag.NewFlagSet("lab", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	o := DefineFlags(f)
	require.Equal(t, &train.Interval{Time: 30 * time.Second}, o.Checkpoints)
	for text, want := range map[string]*train.Interval{
		"0": nil, "500": {Steps: 500}, "1m30s": {Time: 90 * time.Second},
	} {
		require.NoError(t, f.Parse([]string{"-checkpoint-every", text}))
		require.Equal(t, want, o.Checkpoints, text)
	}
	for _, text := range []string{"", "-1", "-5s", "0s", "often", "1e3", "99999999999999999999", "9999999h"} {
		err := f.Parse([]string{"-checkpoint-every", text})
		require.ErrorContains(t, err, "want a number of steps, a time such as 30s, or 0 for no checkpoints", text)
	}
}
