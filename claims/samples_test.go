package claims

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"

	"gorgonorm/layers"
)

// TestALayerNormThatLooksAtOtherRowsIsFound passes a BatchNorm off as LayerNorm.
func TestALayerNormThatLooksAtOtherRowsIsFound(t *testing.T) {
	t.Parallel()
	impostor := arm{"layer", func(g *G.ExprGraph, name string, features int) (layers.Layer, error) {
		return layers.NewBatchNorm(g, features, layers.WithName(name))
	}}
	b := &Bench{Settings: Settings{Seeds: []uint64{1, 2}, Quick: true}}
	d, err := measureSamplesOf(context.Background(), b, []arm{armOf("batch"), impostor})
	require.NoError(t, err)
	require.Equal(t, Refuted, judgeOthers(d).Verdict)
	d, err = measureSamplesOf(context.Background(), b, []arm{armOf("batch"), armOf("layer")})
	require.NoError(t, err)
	require.Equal(t, Supported, judgeOthers(d).Verdict)
}
