package benchmark

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// The contestants of a comparison must do the same work. These tests compare their results.

func TestProductsAreEqual(t *testing.T) {
	for _, p := range append(ofLinear(5, 7, 3), newProduct(4, 4, 4, false, false)) {
		t.Run(p.String(), func(t *testing.T) {
			at := func(v []float32, ld, i, j int, trans bool) float64 {
				if trans {
					i, j = j, i
				}
				return float64(v[i*ld+j])
			}
			var want []float64
			for i := range p.m {
				for j := range p.n {
					var s float64
					for l := range p.k {
						s += at(p.a, p.lda, i, l, p.transA) * at(p.b, p.ldb, l, j, p.transB)
					}
					want = append(want, s)
				}
			}
			for _, multiply := range []func(){p.multiply, p.gonum} {
				clear(p.c)
				multiply()
				for i := range want {
					require.InDelta(t, want[i], float64(p.c[i]), 1e-5)
				}
			}
		})
	}
}

func TestNormsAreEqual(t *testing.T) {
	s := matrixSize{6, 5}
	o := newOperands(s.rows, s.cols)
	for j := range s.cols { // initial values of the layers
		o.gamma[j], o.beta[j] = 1, 0
	}
	for _, k := range kernels {
		t.Run(k.name, func(t *testing.T) {
			k.forward(o)
			k.backward(o)
			want := [][]float32{o.y, o.dx, o.dgamma, o.dbeta}
			for who, norm := range map[string]graphNorm{"ours": ours(k.name), "Gorgonia's": gorgoniaOnly(k.name)} {
				g, out, err := differentiated(s, norm)
				require.NoError(t, err)
				if k.name == "RMSNorm" {
					require.Len(t, out, 3)
				} else {
					require.Len(t, out, 4)
				}
				values := make([]G.Value, len(out))
				for i, n := range out {
					G.Read(n, &values[i])
				}
				m := machine{G.NewTapeMachine(g)}
				defer m.close()
				require.NoError(t, m.run())
				for i, v := range values {
					require.InDeltaSlice(t, want[i], v.Data(), 1e-4, "%s, output %d", who, i)
				}
			}
		})
	}
}

func TestSumsAreEqual(t *testing.T) {
	for _, k := range sumKernels {
		one, apart := newSumOperands(6, 5), newSumOperands(6, 5)
		k.forward(one)
		k.backward(one)
		k.apart.forward(apart)
		k.apart.backward(apart)
		require.Equal(t, [][]float32{apart.x, apart.y, apart.dx, apart.dgamma, apart.dbeta},
			[][]float32{one.x, one.y, one.dx, one.dgamma, one.dbeta}, k.name)
	}
}

func TestFLOPs(t *testing.T) {
	c := full.model
	const tokens, channels, layers, vocabulary = 12 * 64, 128, 4, 65
	linear := 6.0 * tokens * (layers*12*channels*channels + vocabulary*channels)
	attention := 0.0
	for range 6 { // Q·Kᵀ, P·V, dV, dP, dQ, dK
		for token := range 64 {
			attention += 2 * float64(token+1) * channels * 12 * layers
		}
	}
	require.Equal(t, linear, flopsOf(ofStep(c, vocabulary)))
	require.Equal(t, attention, attentionFLOPs(c))
	require.Equal(t, linear+attention, stepFLOPs(c, vocabulary))
}

func TestCopyInParts(t *testing.T) {
	src := random(1, 10)
	for _, parts := range []int{1, 2, 3, 20} {
		dst := make([]float32, len(src))
		copyInParts(dst, src, parts)
		require.Equal(t, src, dst, fmt.Sprint(parts))
	}
}

func TestTrainerStopsAtAnyStep(t *testing.T) {
	tr, err := newTrainer(tiny.model, tiny.vocabulary)
	require.NoError(t, err)
	require.NoError(t, tr.step())
	bytes, err := tr.allocated()
	require.NoError(t, err)
	require.Less(t, bytes, 1e6)
	tr.stop()
	require.Error(t, tr.step())

	c := tiny.model
	c.Heads = 3
	_, err = newTrainer(c, tiny.vocabulary)
	require.ErrorContains(t, err, "3 heads do not divide 8 channels")
}
