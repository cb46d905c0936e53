package layers

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// piece is a graph in which cached attention gets some tokens.
type piece struct {
	qkv, y *G.Node
	vm     G.VM
}

func newPiece(t *testing.T, l *CausalSelfAttention, dt tensor.Dtype, time, width int) piece {
	g := G.NewGraph()
	p := piece{qkv: input(g, "qkv", dt, make([]float64, time*width), 1, time, width)}
	var err error
	p.y, err = l.Forward(p.qkv)
	require.NoError(t, err)
	p.vm = G.NewTapeMachine(g)
	t.Cleanup(func() { p.vm.Close() })
	return p
}

func (p piece) run(t *testing.T, x []float64) ([]float64, error) {
	overwrite(p.qkv, x)
	defer p.vm.Reset()
	if err := p.vm.RunAll(); err != nil {
		return nil, err
	}
	return float64s(p.y.Value().(*tensor.Dense)), nil
}

// TestCachedAttentionIsThatOfTheWholeSequence compares bit for bit, for several ways to cut the sequence
// into pieces, and again after Truncate.
func TestCachedAttentionIsThatOfTheWholeSequence(t *testing.T) {
	t.Parallel()
	const heads, channels, context = 3, 15, 150 // longer than the kernel's blocks of rows
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		for _, pieces := range [][]int{
			{150}, {1, 149}, {149, 1}, {70, 1, 1, 70, 8}, {64, 64}, {1, 1, 1}, {2, 3, 5, 7, 11},
		} {
			t.Run(fmt.Sprint(dt, pieces), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 1))
				l, err := NewCausalSelfAttention(heads)
				require.NoError(t, err)
				cache, err := NewKVCache(context)
				require.NoError(t, err)
				placed := make(map[int]piece)
				for _, time := range pieces {
					if _, ok := placed[time]; !ok {
						placed[time] = newPiece(t, l.Cached(cache), dt, time, 3*channels)
					}
				}
				whole := newPiece(t, l, dt, context, 3*channels)
				for range 2 {
					x := normals(rng, context*3*channels, 0, 1)
					want, err := whole.run(t, x)
					require.NoError(t, err)
					at := 0
					for _, time := range pieces {
						y, err := placed[time].run(t, x[at*3*channels:(at+time)*3*channels])
						require.NoError(t, err)
						require.Equal(t, want[at*channels:(at+time)*channels], y, "from token %d", at)
						at += time
						require.Equal(t, at, cache.Tokens())
					}
					cache.Truncate(0)
				}
			})
		}
	}
}

func TestTruncateForgetsTheLastTokens(t *testing.T) {
	t.Parallel()
	l, err := NewCausalSelfAttention(1)
	require.NoError(t, err)
	cache, err := NewKVCache(4)
	require.NoError(t, err)
	p := newPiece(t, l.Cached(cache), tensor.Float64, 1, 6)
	x := normals(rand.New(rand.NewPCG(1, 1)), 4*6, 0, 1)
	var first [][]float64
	for i := range 4 {
		y, err := p.run(t, x[i*6:(i+1)*6])
		require.NoError(t, err)
		first = append(first, y)
	}
	for _, c := range []struct{ to, left int }{{9, 4}, {4, 4}, {2, 2}, {3, 2}, {-1, 0}} {
		cache.Truncate(c.to)
		require.Equal(t, c.left, cache.Tokens(), "%d", c.to)
		if c.left == 2 {
			y, err := p.run(t, x[2*6:3*6])
			require.NoError(t, err)
			require.Equal(t, first[2], y)
			cache.Truncate(2)
		}
	}
}

// TestAFullCacheIsAnErrorOfTheRun expects such a run to add nothing.
func TestAFullCacheIsAnErrorOfTheRun(t *testing.T) {
	t.Parallel()
	l, err := NewCausalSelfAttention(1, WithName("attn"))
	require.NoError(t, err)
	cache, err := NewKVCache(3)
	require.NoError(t, err)
	two := newPiece(t, l.Cached(cache), tensor.Float32, 2, 6)
	one := newPiece(t, l.Cached(cache), tensor.Float32, 1, 6)
	_, err = two.run(t, make([]float64, 12))
	require.NoError(t, err)
	_, err = two.run(t, make([]float64, 12))
	require.ErrorContains(t, err, "layers: CausalSelfAttention attn with a cache forward: "+
		"the cache holds 2 of at most 3 tokens, which leaves no room for 2 more")
	require.Equal(t, 2, cache.Tokens())
	_, err = one.run(t, make([]float64, 6))
	require.NoError(t, err)
	_, err = one.run(t, make([]float64, 6))
	require.ErrorContains(t, err, "the cache holds 3 of at most 3 tokens, which leaves no room for 1 more")
	require.Equal(t, 3, cache.Tokens())
}

func TestWrongUseOfACache(t *testing.T) {
	t.Parallel()
	_, err := NewKVCache(0)
	require.EqualError(t, err, "layers: KVCache: has room for 0 tokens, want 1 or more")
	l, err := NewCausalSelfAttention(2)
	require.NoError(t, err)
	require.Equal(t, l, l.Cached(nil), "no cache")
	cache, err := NewKVCache(3)
	require.NoError(t, err)
	cached := l.Cached(cache)
	require.Nil(t, l.cache)
	forward := func(l *CausalSelfAttention, dt tensor.Dtype, shape ...int) error {
		g := G.NewGraph()
		x := G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName("x"))
		_, err := l.Forward(x)
		if err != nil {
			require.Len(t, g.AllNodes(), 1)
		}
		return err
	}
	require.NoError(t, forward(cached, tensor.Float32, 1, 3, 12))
	for _, c := range []struct {
		err  error
		want string
	}{
		{
			forward(cached, tensor.Float32, 1, 12),
			"input shape is (1, 12), want (batch, time, 3·channels) with channels a multiple of 2 heads",
		},
		{
			forward(cached, tensor.Float32, 2, 3, 12),
			"input shape is (2, 3, 12), want (1, time, 3·channels): a cache holds one sequence",
		},
		{forward(cached, tensor.Float32, 1, 4, 12), "time is 4, want at most the 3 tokens of the cache"},
		{forward(l.Cached(&KVCache{}), tensor.Float32, 1, 1, 12), "time is 1, want at most the 0 tokens of the cache"},
		{forward(cached, tensor.Int, 1, 3, 12), "the input is of type int, want float32 or float64"},
		{
			forward(cached, tensor.Float64, 1, 3, 12),
			"the cache has rows of 12 elements of type float32, want 12 of type float64 as the input",
		},
		{
			forward(cached, tensor.Float32, 1, 3, 18),
			"the cache has rows of 12 elements of type float32, want 18 of type float32 as the input",
		},
	} {
		require.EqualError(t, c.err, "layers: CausalSelfAttention: "+c.want)
	}
}

func TestCachedAttentionHasNoGradient(t *testing.T) {
	t.Parallel()
	l, err := NewCausalSelfAttention(1)
	require.NoError(t, err)
	cache, err := NewKVCache(3)
	require.NoError(t, err)
	x := input(G.NewGraph(), "x", tensor.Float64, make([]float64, 6), 1, 1, 6)
	y, err := l.Cached(cache).Forward(x)
	require.NoError(t, err)
	_, err = G.Grad(G.Must(G.Sum(y)), x)
	require.ErrorContains(t, err, "layers: CausalSelfAttention with a cache forward: has no gradient")
}
