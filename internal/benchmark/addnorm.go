package benchmark

import "fmt"

// addNorm compares a residual connection and the norm after it in one pass with both in turn.
func (b *bench) addNorm() error {
	t := newTable("norm", "rows×cols", "threads", "forward", "apart/one", "backward", "apart/one", "both", "apart/one", "target")
	for _, s := range []matrixSize{b.sizes.inCache, b.sizes.outOfCache} {
		o := newSumOperands(s.rows, s.cols)
		for _, k := range sumKernels {
			for _, n := range b.threads {
				m, err := b.compare(n, fmt.Sprintf("%s of a sum, %v", k.name, s),
					plain(func() { k.forward(o) }), plain(func() { k.apart.forward(o) }),
					plain(func() { k.backward(o) }), plain(func() { k.apart.backward(o) }),
					plain(func() { k.forward(o); k.backward(o) }), plain(func() { k.apart.forward(o); k.apart.backward(o) }))
				if err != nil {
					return err
				}
				t.add(k.name, s.String(), fmt.Sprint(n), duration(m.median(0)), number(m.ratio(1, 0)),
					duration(m.median(2)), number(m.ratio(3, 2)), duration(m.median(4)), number(m.ratio(5, 4)),
					atLeast(1.3, m.ratio(5, 4)))
			}
		}
	}
	return b.print("A residual connection and a norm",
		`The sum of two tensors and its norm in one pass, and the gradient of the sum, to which the norm and its other uses
contribute; and how many times as long an addition and a norm take in turn. The kernels alone.`, t)
}
