package lab

import (
	"flag"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
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
