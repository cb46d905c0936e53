package train

import (
	"flag"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/blas"
	"gorgonorm/models/transformer"
)

var soak = flag.Int("soak", 1000, "`steps` of TestALongRunDoesNotGrow")

// TestALongRunDoesNotGrow, except by the record of each step.
func TestALongRunDoesNotGrow(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a thousand steps")
	}
	text := corpus(t, verse)
	for _, norm := range transformer.NormNames() {
		c := tiny(norm)
		c.Steps, c.ProbeEvery, c.EvalEvery = *soak, 0, 50
		const first, record = 200, 80 // steps until all memory is there, bytes of a step's record
		before := make(map[string]int)
		now := func() map[string]int {
			var m runtime.MemStats
			for range 3 { // a pool keeps its values for two collections
				runtime.GC()
			}
			runtime.ReadMemStats(&m)
			files, _ := os.ReadDir("/proc/self/fd")
			return map[string]int{"bytes": int(m.HeapAlloc), "goroutines": runtime.NumGoroutine(), "files": len(files)}
		}
		after := before
		k := Checkpoints{Dir: t.TempDir(), Every: Interval{Steps: 100}}

		_, _, err := Train(t.Context(), c, text, func(s Step) {
			switch s.Step {
			case first:
				before = now()
			case c.Steps:
				after = now()
			}
		}, WithCheckpoints(k))
		require.NoError(t, err)
		t.Logf("%s: %v after %d steps, %v after %d", norm, before, first, after, c.Steps)
		require.LessOrEqual(t, after["bytes"], before["bytes"]+64<<10+record*(c.Steps-first))
		require.LessOrEqual(t, after["goroutines"], before["goroutines"])
		require.LessOrEqual(t, after["files"], before["files"])
	}
}

// TestRunsSideBySide trains two models while other goroutines multiply with our BLAS in Gorgonia, and
// while the number of threads changes. Each leaves the bits that it leaves alone.
func TestRunsSideBySide(t *testing.T) {
	text := corpus(t, verse)
	configs := []Config{stateful("batch"), stateful("layer")}
	want := make([]string, len(configs))
	for i, c := range configs {
		m, r, err := Train(t.Context(), c, text, nil)
		require.NoError(t, err)
		want[i] = left(t, m, r)
	}
	G.Use(blas.Implementation{}) // which Gorgonia keeps in a variable that nothing guards
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	ended := make(chan struct{})
	var others, runs sync.WaitGroup
	others.Go(func() {
		for rng := rand.New(rand.NewPCG(1, 1)); ; {
			select {
			case <-ended:
				return
			default:
				runtime.GOMAXPROCS(1 + rng.IntN(8))
			}
		}
	})
	others.Go(func() {
		var first []float32
		for {
			select {
			case <-ended:
				return
			default:
			}
			g := G.NewGraph()
			a := G.NewMatrix(g, tensor.Float32, G.WithShape(70, 90), G.WithName("a"), G.WithInit(G.RangedFromWithStep(-1, 0.001)))
			b := G.NewMatrix(g, tensor.Float32, G.WithShape(90, 80), G.WithName("b"), G.WithInit(G.RangedFromWithStep(-2, 0.001)))
			product := G.Must(G.Mul(a, b))
			vm := G.NewTapeMachine(g)
			if err := vm.RunAll(); err != nil {
				t.Error(err)
				return
			}
			got := product.Value().Data().([]float32)
			if first == nil {
				first = append(first, got...)
			}
			for i, v := range got {
				if v != first[i] {
					t.Errorf("element %d is %g, was %g", i, v, first[i])
					return
				}
			}
			if err := vm.Close(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 2 { // each model twice at a time
		for i, c := range configs {
			runs.Go(func() {
				for range 3 {
					m, r, err := Train(t.Context(), c, text, nil)
					if err != nil {
						t.Error(err)
						return
					}
					if left(t, m, r) != want[i] {
						t.Errorf("%s leaves other bits than alone", c.Norm)
					}
				}
			})
		}
	}
	runs.Wait()
	close(ended)
	others.Wait()
}
