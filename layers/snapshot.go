package layers

import (
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// Snapshot is a copy of the running statistics of layers, without the learnables. A training loop
// that skips steps whose loss or gradient is not finite needs one, because the forward pass has
// changed the statistics before the loss is known:
//
//	s := layers.Stack{norm}.Snapshot()
//	for … {
//		s.Take()
//		err := machine.RunAll()
//		… // unless the loss or a gradient is not finite: solver.Step, else
//		s.Restore()
//	}
//
// A skipped step must also set the gradients to zero if the machine accumulates them, which is the
// case with gorgonia.BindDualValues. The example of train.ClipGradNorm is a complete loop.
//
// Placements of a layer share its statistics, so a snapshot of one is a snapshot of all. Take and
// Restore allocate nothing. No graph with the layers may run meanwhile.
type Snapshot struct {
	values, copies []*tensor.Dense
}

// Snapshot returns a snapshot of the layers. It skips layers from outside this package, except types
// that embed a layer of this package.
func (s Stack) Snapshot() *Snapshot {
	snapshot := new(Snapshot)
	for _, l := range s {
		m, ok := l.(interface{ self() *module })
		if !ok || op.IsNil(l) {
			continue
		}
		for _, b := range m.self().buffers {
			snapshot.values = append(snapshot.values, b.value)
			snapshot.copies = append(snapshot.copies, op.Clone(b.value))
		}
	}
	return snapshot
}

// Take copies the present statistics into the snapshot.
func (s *Snapshot) Take() {
	for i, v := range s.values {
		op.Copy(s.copies[i], v)
	}
}

// Restore sets the statistics to those of the last Take or, before the first, to those at the time
// of Stack.Snapshot.
func (s *Snapshot) Restore() {
	for i, c := range s.copies {
		op.Copy(s.values[i], c)
	}
}
