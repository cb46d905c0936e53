package layers

import (
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// Snapshot is a copy of what running a training graph changes in layers: BatchNorm's
// running statistics, not the learnables. A training loop that skips steps whose loss or
// gradient is not finite needs one, because the forward pass has put the batch into the
// statistics before the loss is known:
//
//	s := layers.Stack{norm}.Snapshot()
//	for … {
//		s.Take()
//		err := machine.RunAll()
//		… // unless the loss or a gradient is not finite: solver.Step, else
//		s.Restore()
//	}
//
// With a machine made with gorgonia.BindDualValues, which accumulates gradients, a skipped
// step must also set the gradients to zero. The example of train.ClipGradNorm is a whole
// loop.
//
// Placements of a layer share its statistics, so a snapshot of one is a snapshot of all.
// Take and Restore allocate nothing. No graph that the layers stand on may run meanwhile.
type Snapshot struct {
	values, copies []*tensor.Dense
}

// Snapshot takes a snapshot of the stack's layers that are of this package or embed one
// that is.
func (s Stack) Snapshot() *Snapshot {
	snapshot := new(Snapshot)
	for _, l := range s {
		m, ok := l.(interface{ self() *module })
		if !ok {
			continue
		}
		for _, b := range m.self().buffers {
			snapshot.values = append(snapshot.values, b.value)
			snapshot.copies = append(snapshot.copies, op.Clone(b.value))
		}
	}
	return snapshot
}

// Take copies the present statistics, for Restore.
func (s *Snapshot) Take() {
	for i, v := range s.values {
		op.Copy(s.copies[i], v)
	}
}

// Restore brings back the statistics of the last Take or, before any, those of when the
// snapshot was made.
func (s *Snapshot) Restore() {
	for i, c := range s.copies {
		op.Copy(s.values[i], c)
	}
}
