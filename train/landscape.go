package train

import (
	"math"
	"strconv"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/layers"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// landscape measures the loss and its gradients around the weights of a step, on its batch, as
// Santurkar et al. 2018 (arXiv 1805.11604) do. Its passes change weights and running
// statistics, and restore them: a run with landscapes is equal to one without.
type landscape struct {
	pass     *pass
	buffers  *layers.Snapshot
	weights  G.Nodes
	depths   []int // of the weights
	layers   int
	before   [][]float32 // the weights before the update
	gradient [][]float32 // before it is clipped
}

func newLandscape(p *pass, m *transformer.Model) *landscape {
	s := &landscape{pass: p, buffers: m.Snapshot(), weights: m.Learnables(), layers: m.Config().Layers}
	for _, n := range s.weights {
		s.depths = append(s.depths, depthOf(n.Name(), s.layers))
	}
	return s
}

// depthOf returns the index of the block that a parameter belongs to, -1 for the embeddings
// and the number of layers for the final norm.
func depthOf(parameter string, layers int) int {
	parts := strings.Split(strings.TrimPrefix(parameter, "transformer."), ".")
	if parts[0] != "h" {
		if strings.HasPrefix(parts[0], "ln") {
			return layers
		}
		return -1
	}
	i, _ := strconv.Atoi(parts[1]) // the model's own name
	return i
}

// start copies the weights and their gradients. It is called after the backward pass of a
// step, before its gradients are clipped.
func (s *landscape) start() { s.before, s.gradient = s.values(), s.gradients() }

// read measures the landscape, given the step's loss. It is called after the weights are
// updated, and leaves them as they are.
func (s *landscape) read(loss runlog.Float) (*runlog.Landscape, error) {
	after := s.values()
	s.buffers.Take()
	defer func() {
		s.buffers.Restore()
		s.set(func(i int) []float32 { return after[i] })
	}()
	r := new(runlog.Landscape)
	all := func(int) bool { return true }
	update := math.Sqrt(s.compare(s.before, after, all).distance)
	length := math.Sqrt(s.compare(s.gradient, s.gradient, all).a)
	for _, times := range runlog.LandscapeTimes {
		s.move(-times * update / length)
		there, err := s.pass.run()
		if err != nil {
			return nil, err
		}
		change := s.compare(s.gradient, s.gradients(), all)
		r.Along = append(r.Along, runlog.Along{
			Times: runlog.Float(times), Loss: (there - loss) / loss, Gradient: change.relative(),
		})
	}
	for block := range s.layers {
		s.set(func(i int) []float32 {
			if s.depths[i] < block {
				return after[i]
			}
			return s.before[i]
		})
		if _, err := s.pass.run(); err != nil {
			return nil, err
		}
		change := s.compare(s.gradient, s.gradients(), func(i int) bool { return s.depths[i] == block })
		r.Blocks = append(r.Blocks, runlog.BlockChange{Gradient: change.relative(), Cosine: change.cosine()})
	}
	return r, nil
}

// values returns a copy of the weights.
func (s *landscape) values() (v [][]float32) {
	for _, n := range s.weights {
		v = append(v, append([]float32(nil), values(n)...))
	}
	return v
}

// gradients returns a copy of the gradients.
func (s *landscape) gradients() (g [][]float32) {
	for _, n := range s.weights {
		var d []float32
		if v, err := n.Grad(); err == nil { // ClipGradNorm reports a missing one
			d = append(d, v.(*tensor.Dense).Float32s()...)
		}
		g = append(g, d)
	}
	return g
}

// set sets each weight.
func (s *landscape) set(to func(i int) []float32) {
	for i, n := range s.weights {
		copy(values(n), to(i))
	}
}

// move sets the weights to those before the update plus a multiple of their gradient.
func (s *landscape) move(by float64) {
	for i, n := range s.weights {
		w := values(n)
		for j, g := range s.gradient[i] {
			w[j] = s.before[i][j] + float32(by*float64(g))
		}
	}
}

// comparison has the squared lengths of two vectors and of their difference.
type comparison struct{ a, b, distance float64 }

// compare compares those parts of two vectors that belong to chosen weights.
func (s *landscape) compare(a, b [][]float32, chosen func(i int) bool) (c comparison) {
	for i := range a {
		if chosen(i) {
			c.a += cpu.SumSquares(a[i])
			c.b += cpu.SumSquares(b[i])
			c.distance += cpu.SquaredDistance(a[i], b[i])
		}
	}
	return c
}

// relative returns ‖a − b‖/‖a‖.
func (c comparison) relative() runlog.Float { return runlog.Float(math.Sqrt(c.distance / c.a)) }

// cosine returns that of the angle between the vectors, by the law of cosines.
func (c comparison) cosine() runlog.Float {
	return runlog.Float((c.a + c.b - c.distance) / (2 * math.Sqrt(c.a*c.b)))
}
