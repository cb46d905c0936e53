package transformer

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestEmptyBatchIsAnError, because Gorgonia panics when it adds up the gradients of an empty
// residual stream.
func TestEmptyBatchIsAnError(t *testing.T) {
	t.Parallel()
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	for _, shape := range []tensor.Shape{{0, 3}, {2, 0}} {
		_, err = m.Forward(G.NewMatrix(m.wte.Learnables()[0].Graph(), tensor.Int, G.WithShape(shape...),
			G.WithName("ids")))
		require.EqualError(t, err,
			fmt.Sprintf("transformer: ids have shape %v, want (batch, time), both 1 or more, with time up to the "+
				"context of %d", shape, m.config.Context))
	}
}

func TestNilIdsAreAnError(t *testing.T) {
	t.Parallel()
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	_, err = m.Forward(nil)
	require.EqualError(t, err, "transformer: the node of ids is nil, want one of shape (batch, time)")
	_, err = m.Logits(nil)
	require.Error(t, err)
	_, err = m.Loss(nil, nil)
	require.Error(t, err)
}
