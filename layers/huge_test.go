package layers

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/extent"
)

// Sizes with products that overflow an int of 64 or 32 bits.
const (
	half  = math.MaxInt/2 + 1            // times 2 is negative, times 4 is 0
	third = math.MaxUint/3 + 1           // times 3 is 2
	root  = 1 << (bits.UintSize * 5 / 8) // times itself is 0
)

func tooLarge(what string, shape ...int) string {
	return fmt.Sprintf("%s has shape %v, want sizes of 0 or more and at most %d elements",
		what, tensor.Shape(shape), extent.Max)
}

// TestConstructorsRefuseSizesThatOverflow, before they allocate or add a node.
func TestConstructorsRefuseSizesThatOverflow(t *testing.T) {
	t.Parallel()
	zero := constant(0)
	norm := func(features int) func(*G.ExprGraph, ...Option) error {
		return func(g *G.ExprGraph, opts ...Option) error { return second(NewLayerNorm(g, features, opts...)) }
	}
	for _, c := range []struct {
		make func(g *G.ExprGraph, opts ...Option) error
		opts []Option
		want string
	}{
		{norm(math.MaxInt), nil, "LayerNorm: " + tooLarge("a row", math.MaxInt)},
		{norm(math.MaxInt), []Option{WithoutAffine()}, "LayerNorm: " + tooLarge("a row", math.MaxInt)},
		{norm(4), []Option{WithShape(half, 2, half, 4)}, "LayerNorm: " + tooLarge("a row", half, 2, half, 4)},
		{norm(2), []Option{WithShape(third, 3)}, "LayerNorm: " + tooLarge("a row", third, 3)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewRMSNorm(g, half, opts...)) },
			[]Option{WithPartial(0.5)}, "RMSNorm: " + tooLarge("a row", half)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewDyT(g, half, opts...)) }, nil,
			"DyT: " + tooLarge("a row", half)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewDerf(g, half, opts...)) }, nil,
			"Derf: " + tooLarge("a row", half)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewBatchNorm(g, half, opts...)) }, nil,
			"BatchNorm: " + tooLarge("a row", half)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewBatchNorm(g, 4, opts...)) },
			[]Option{WithPositions(half)}, "BatchNorm: " + tooLarge("the running mean", half, 4)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewBatchNorm(g, 3, opts...)) },
			[]Option{WithPositions(third)}, "BatchNorm: " + tooLarge("the running mean", third, 3)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewGroupNorm(g, half, half, opts...)) }, nil,
			"GroupNorm: " + tooLarge("a row", half)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewGroupNorm(g, half, 4, opts...)) }, nil,
			fmt.Sprintf("GroupNorm: groups is %d, want a divisor of 4 features", half)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewInstanceNorm(g, half, opts...)) }, nil,
			"InstanceNorm: " + tooLarge("a row", half)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewLinear(g, half, 4, zero, opts...)) }, nil,
			"Linear: " + tooLarge("weight", 4, half)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewLinear(g, root, root, zero, opts...)) }, nil,
			"Linear: " + tooLarge("weight", root, root)},
		{func(g *G.ExprGraph, opts ...Option) error { return second(NewEmbedding(g, 3, third, zero, opts...)) }, nil,
			"Embedding: " + tooLarge("weight", 3, third)},
		{func(g *G.ExprGraph, opts ...Option) error {
			return second(NewEmbedding(g, math.MaxInt, 1, zero, opts...))
		}, nil, "Embedding: " + tooLarge("weight", math.MaxInt, 1)},
	} {
		g := G.NewGraph()
		require.EqualError(t, c.make(g, c.opts...), "layers: "+c.want)
		require.Empty(t, g.AllNodes())
	}
	require.Nil(t, Normal(rand.NewPCG(1, 2), 1)(tensor.Float32, half, 4))
}

func TestForwardRefusesShapesThatOverflow(t *testing.T) {
	t.Parallel()
	for kind, build := range everyAndQKNorm() {
		for _, shape := range [][]int{
			{root, root}, {half, 4}, {4, half, 12}, {3, third, 4}, {2, half, 4}, {math.MaxInt, 12}, {-1, 4}, {-1, -1, 12},
		} {
			g := G.NewGraph()
			l, err := build(g)
			require.NoError(t, err)
			x := huge(g, kind == "Embedding", shape...)
			nodes := len(g.AllNodes())
			require.EqualError(t, second(l.Forward(x)), "layers: "+kind+": "+tooLarge("the input", shape...))
			require.Len(t, g.AllNodes(), nodes)
		}
	}
}

func huge(g *G.ExprGraph, ids bool, shape ...int) *G.Node {
	dt := tensor.Float32
	if ids {
		dt = tensor.Int
	}
	return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprint("x", rand.Int())))
}

// TestForwardRefusesResultsThatOverflow, of inputs that do not.
func TestForwardRefusesResultsThatOverflow(t *testing.T) {
	t.Parallel()
	const rows = extent.Max / 8
	g := G.NewGraph()
	linear, err := NewLinear(g, 2, 64, constant(0))
	require.NoError(t, err)
	table, err := NewEmbedding(g, 64, 2, constant(0))
	require.NoError(t, err)
	attention := func(heads int) *CausalSelfAttention {
		l, err := NewCausalSelfAttention(heads)
		require.NoError(t, err)
		return l
	}
	qkNorm := func(heads int) error {
		query, err := NewLayerNorm(g, 2, WithName("query"+fmt.Sprint(heads)))
		require.NoError(t, err)
		key, err := NewLayerNorm(g, 2, WithName("key"+fmt.Sprint(heads)))
		require.NoError(t, err)
		return second(NewQKNorm(heads, query, key))
	}
	batch, err := NewBatchNorm(g, 4)
	require.NoError(t, err)
	for _, c := range []struct {
		err  error
		want string
	}{
		{second(linear.Forward(huge(g, false, rows, 2))), "Linear: " + tooLarge("the output", rows, 64)},
		{second(table.Forward(huge(g, true, rows*8))), "Embedding: " + tooLarge("the output", rows*8, 2)},
		{second(table.Attend(huge(g, false, rows, 2))), "Embedding head: " + tooLarge("the output", rows, 64)},
		{second(attention(1).Forward(huge(g, false, 2, rows/8, 3))),
			"CausalSelfAttention: " + tooLarge("the attention matrix", 2, 1, rows/8, rows/8)},
		{second(attention(third).Forward(huge(g, false, 1, 1, 6))),
			fmt.Sprintf("CausalSelfAttention: input shape is (1, 1, 6), "+
				"want (batch, time, 3·channels) with channels a multiple of %d heads", third)},
		{second(attention(half).Forward(huge(g, false, 1, 1, 6))),
			fmt.Sprintf("CausalSelfAttention: input shape is (1, 1, 6), "+
				"want (batch, time, 3·channels) with channels a multiple of %d heads", half)},
		{qkNorm(third), "QKNorm: " + tooLarge("a row", 3, third, 2)},
		{qkNorm(half), "QKNorm: " + tooLarge("a row", 3, half, 2)},
		{second(batch.ForwardMasked(huge(g, false, 2, 4), huge(g, true, half, 4))),
			fmt.Sprintf("BatchNorm: the mask has shape (%d, 4), want (2) (input shape (2, 4))", half)},
	} {
		require.EqualError(t, c.err, "layers: "+c.want)
	}
}

// TestCachesThatOverflowAreRefused, for their tokens or for tokens times width.
func TestCachesThatOverflowAreRefused(t *testing.T) {
	t.Parallel()
	_, err := NewKVCache(math.MaxInt)
	require.EqualError(t, err,
		fmt.Sprintf("layers: KVCache: has room for %d tokens, want at most %d", math.MaxInt, extent.Max/64))
	attention, err := NewCausalSelfAttention(1)
	require.NoError(t, err)
	cache, err := NewKVCache(extent.Max / 64)
	require.NoError(t, err)
	_, err = attention.Cached(cache).Forward(huge(G.NewGraph(), false, 1, 1, 192))
	require.EqualError(t, err, "layers: CausalSelfAttention: "+tooLarge("the cache", extent.Max/64, 192))
}

func TestCombineMomentsRefusesCountsThatOverflow(t *testing.T) {
	t.Parallel()
	part := func(count int) Moments { return Moments{Count: count, Mean: []float64{1}, M2: []float64{2}} }
	_, err := CombineMoments(part(math.MaxInt), part(math.MaxInt))
	require.EqualError(t, err, fmt.Sprintf("layers: CombineMoments: part 1 has a count of %d, "+
		"which with the %d before it is more than %d", math.MaxInt, math.MaxInt, math.MaxInt))
	_, err = CombineMoments(part(1), part(math.MaxInt-1), part(1))
	require.EqualError(t, err, fmt.Sprintf("layers: CombineMoments: part 2 has a count of 1, "+
		"which with the %d before it is more than %d", math.MaxInt, math.MaxInt))
	whole, err := CombineMoments(part(1), part(math.MaxInt-1))
	require.NoError(t, err)
	require.Equal(t, math.MaxInt, whole.Count)
}

// TestTheCountOfBatchesDoesNotOverflow, and a cumulative average continues with the largest count.
func TestTheCountOfBatchesDoesNotOverflow(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	l, err := NewBatchNorm(g, 1, WithCumulativeAverage())
	require.NoError(t, err)
	state := l.State()
	state["num_batches_tracked"].Int64s()[0] = math.MaxInt64
	state["running_mean"].Float32s()[0] = 5
	require.NoError(t, l.Load(state))
	x := G.NewMatrix(g, tensor.Float32, G.WithName("x"),
		G.WithValue(tensor.New(tensor.WithShape(2, 1), tensor.WithBacking([]float32{1, 2}))))
	_, err = l.Forward(x)
	require.NoError(t, err)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	require.Equal(t, int64(math.MaxInt64), l.State()["num_batches_tracked"].Int64s()[0])
	require.Equal(t, []float32{5}, l.State()["running_mean"].Float32s())

	state["num_batches_tracked"].Int64s()[0] = -1
	require.EqualError(t, l.Load(state),
		"layers: BatchNorm: cannot load the state: num_batches_tracked holds -1, want 0 or more")
}
