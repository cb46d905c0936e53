package op

import (
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestFirstGradients takes the first gradients of a process in several goroutines at once, in a
// process of its own. The race detector, if it is on, finds what they share.
func TestFirstGradients(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(os.Args[0], "-test.run=^TestGradientsAtOnce$", "-test.count=1").CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestGradientsAtOnce(t *testing.T) {
	var ready, all sync.WaitGroup
	begin := make(chan struct{})
	for range 16 {
		ready.Add(1)
		all.Go(func() {
			x := G.NewVector(G.NewGraph(), tensor.Float32, G.WithName("x"), G.WithShape(3))
			sum := G.Must(G.Sum(x))
			ready.Done()
			<-begin
			_, err := G.Grad(sum, x)
			assert.NoError(t, err)
		})
	}
	ready.Wait()
	close(begin)
	all.Wait()
}
