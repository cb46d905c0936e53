package benchmark

import (
	"fmt"
	"sync"
)

// copying compares the kernels with copying, because a norm must at least read a tensor and
// write one.
func (b *bench) copying() error {
	t := newTable("norm", "rows×cols", "threads", "copy, GB/s",
		"forward, GB/s", "copy/forward", "target", "backward, GB/s", "copy/backward", "target")
	for _, s := range []struct {
		matrixSize
		forward, backward float64 // targets
	}{
		{b.sizes.inCache, 0.6, 0.3},
		{b.sizes.outOfCache, 0.85, 0.55},
	} {
		o := newOperands(s.rows, s.cols)
		gigabytes := 4e-9 * float64(s.rows*s.cols)
		for _, k := range kernels {
			for _, n := range b.threads {
				m, err := b.compare(n, fmt.Sprintf("%s %v", k.name, s.matrixSize),
					plain(func() { copyInParts(o.y, o.x, n) }),
					plain(func() { k.forward(o) }),
					plain(func() { k.backward(o) }),
					plain(func() { copy(o.y, o.x) }))
				if err != nil {
					return err
				}
				copied := 0
				if m.median(3) < m.median(0) { // starting goroutines may take longer than copying
					copied = 3
				}
				t.add(k.name, s.String(), fmt.Sprint(n), number(2*gigabytes/m.median(copied)),
					number(2*gigabytes/m.median(1)), number(m.ratio(copied, 1)), atLeast(s.forward, m.ratio(copied, 1)),
					number(3*gigabytes/m.median(2)), number(m.ratio(copied, 2)), atLeast(s.backward, m.ratio(copied, 2)))
			}
		}
	}
	return b.print("Norm kernels and copying memory",
		`The time to copy x, divided by that of the training forward pass and of the whole backward pass. The copy is Go's,
whole or with a goroutine for each thread, whichever is faster. GB/s count what must be read and written: x and y
forward, x, dy and dx backward.`, t)
}

// copyInParts copies src in a number of parts, concurrently.
func copyInParts(dst, src []float32, parts int) {
	if parts == 1 {
		copy(dst, src)
		return
	}
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			from, to := i*len(src)/parts, (i+1)*len(src)/parts
			copy(dst[from:to], src[from:to])
		})
	}
	wg.Wait()
}
