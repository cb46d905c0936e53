package op

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestEveryNodeIsReadOnce builds a chain of operations and names on one graph and takes its gradient.
// The work for each node must not grow with the graph.
func TestEveryNodeIsReadOnce(t *testing.T) {
	t.Parallel()
	for _, n := range []int{10, 1000} {
		g := G.NewGraph()
		y := newInput(g, "x", layouts(t)["row-major"])
		var weights G.Nodes
		for i := range n {
			name := FreeName(g, "Weighted", ".weight")
			if i > 0 {
				require.Equal(t, fmt.Sprintf("Weighted_%d", i), name)
			}
			w := newInput(g, name+".weight", G.NewF64(2))
			weights = append(weights, w)
			y = applyWeighted(t, tensor.Shape{2, 3}, y, w)
		}
		_, err := G.Grad(applyWeighted(t, tensor.ScalarShape(), y, weights[0]), weights...)
		require.NoError(t, err)
		x := indexOf(g)
		require.LessOrEqual(t, x.work, len(g.AllNodes())+2*n,
			"a name is tried once while it is free and once when it is taken")
		x.mu.Unlock()
	}
}

func TestIndexFollowsTheGraph(t *testing.T) {
	t.Parallel()
	value := G.NewF64(1)
	free := func(g *G.ExprGraph) string { return FreeName(g, "k", ".a", ".b") }
	cases := map[string]struct {
		change func(g *G.ExprGraph, a, b *G.Node)
		want   string // free after
		named  []string
		gone   []string
	}{
		"nothing": {func(*G.ExprGraph, *G.Node, *G.Node) {}, "k_2", []string{"k.a", "k_1.b"}, nil},
		"an input is added": {func(g *G.ExprGraph, _, _ *G.Node) {
			newInput(g, "k_2.b", value)
		}, "k_3", []string{"k.a", "k_1.b", "k_2.b"}, nil},
		"the last node is removed": {func(g *G.ExprGraph, _, b *G.Node) {
			g.RemoveNode(b)
		}, "k_1", []string{"k.a"}, []string{"k_1.b"}},
		"the first node is removed": {func(g *G.ExprGraph, a, _ *G.Node) {
			g.RemoveNode(a)
		}, "k", []string{"k_1.b"}, []string{"k.a"}},
		"a node takes a removed one's place": {func(g *G.ExprGraph, a, _ *G.Node) {
			g.RemoveNode(a)
			newInput(g, "other", value)
		}, "k", []string{"k_1.b", "other"}, []string{"k.a"}},
		"nodes are removed and one comes back": {func(g *G.ExprGraph, a, b *G.Node) {
			g.RemoveNode(a)
			g.RemoveNode(b)
			newInput(g, "other", value)
			g.AddNode(b)
		}, "k", []string{"k_1.b", "other"}, []string{"k.a"}},
		"an input is renamed": {func(_ *G.ExprGraph, a, _ *G.Node) {
			G.WithName("other")(a)
		}, "k", []string{"k_1.b", "other"}, []string{"k.a"}},
		"an operation has the name": {func(g *G.ExprGraph, a, b *G.Node) {
			G.WithName("k_2.a")(G.Must(G.Add(a, b)))
		}, "k_2", []string{"k.a", "k_1.b"}, []string{"k_2.a"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := G.NewGraph()
			a, b := newInput(g, "k.a", value), newInput(g, "k_1.b", value)
			require.Equal(t, "k_2", free(g))
			c.change(g, a, b)
			for _, gone := range c.gone {
				require.Nil(t, Input(g, gone))
			}
			for _, named := range c.named {
				require.NotNil(t, Input(g, named), named)
				require.Equal(t, named, Input(g, named).Name())
			}
			require.Equal(t, c.want, free(g))
			for _, n := range g.AllNodes() {
				require.True(t, hashTaken(g, n.Hashcode()))
			}
		})
	}
}

// TestIndexDoesNotKeepItsGraph waits until the garbage collector has collected both.
func TestIndexDoesNotKeepItsGraph(t *testing.T) {
	key := func() weak.Pointer[G.ExprGraph] {
		g := G.NewGraph()
		newInput(g, "x", G.NewF64(1))
		require.NotNil(t, Input(g, "x"))
		return weak.Make(g)
	}()
	require.Eventually(t, func() bool {
		runtime.GC()
		_, kept := indexes.Load(key)
		return key.Value() == nil && !kept
	}, 10*time.Second, time.Millisecond)
}

func TestGraphsAreBuiltInParallel(t *testing.T) {
	t.Parallel()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			g := G.NewGraph()
			for i := range 200 {
				newInput(g, fmt.Sprint(i), G.NewF64(1))
				if Input(g, fmt.Sprint(i)) == nil {
					t.Error("an input is not found")
				}
			}
		})
	}
	group.Wait()
}
