package layers

import (
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// x has shape (4, 8, 120). GroupNorm has four groups of 30 features. testdata/numerics.py has the same
// sizes.
const (
	caseSamples, caseOuter, caseFeatures, caseGroups = 4, 8, 120, 4

	caseSize = caseSamples * caseOuter * caseFeatures
)

// normCase is a norm and a layout of x.
type normCase struct {
	name, layout string
	new          constructor
	set          func(sample, outer, feature int) int // the set with which a number is normalized
	shape        []int
}

var normCases = func() (cases []normCase) {
	const perGroup = caseFeatures / caseGroups
	row := func(n, i, _ int) int { return n*caseOuter + i }
	column := func(_, _, j int) int { return j }
	last, images := []int{caseSamples, caseOuter, caseFeatures}, []int{caseSamples, caseFeatures, caseOuter}
	add := func(name, layout string, shape []int, set func(n, i, j int) int, new constructor) {
		cases = append(cases, normCase{name, layout, new, set, shape})
	}
	for _, n := range norms {
		if n.byRow() {
			add(n.kind, "", last, row, func(g *G.ExprGraph, opts ...Option) (Layer, error) {
				return n.make(g, caseFeatures, opts...)
			})
		}
	}
	batch := func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewBatchNorm(g, caseFeatures, opts...) }
	group := func(g *G.ExprGraph, opts ...Option) (Layer, error) {
		return NewGroupNorm(g, caseGroups, caseFeatures, opts...)
	}
	instance := func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewInstanceNorm(g, caseFeatures, opts...) }
	for _, layout := range []string{"", "axis 1"} {
		shape := last
		if layout != "" {
			shape = images
		}
		add("BatchNorm", layout, shape, column, batch)
		add("GroupNorm", layout, shape, func(n, _, j int) int { return n*caseGroups + j/perGroup }, group)
		add("InstanceNorm", layout, shape, func(n, _, j int) int { return n*caseFeatures + j }, instance)
	}
	add("GroupNorm of rows", "", []int{caseSamples * caseOuter, caseFeatures}, func(n, i, j int) int {
		return row(n, i, j)*caseGroups + j/perGroup
	}, group)
	return cases
}()

// norm returns the case's entry of norms.
func (c normCase) norm() normSpec {
	kind, _, _ := strings.Cut(c.name, " ")
	return normOf(kind)
}

func (c normCase) centred() bool { return c.norm().centred }

// gainAt returns the index of the weight that multiplies feature j.
func (c normCase) gainAt(j int) int {
	if c.norm().scalar {
		return 0
	}
	return j
}

// sets returns, for each number of x, the set with which it is normalized.
func (c normCase) sets() []int {
	sets := make([]int, caseSize)
	for i := range sets {
		row, feature := i/caseFeatures, i%caseFeatures
		sets[i] = c.set(row/caseOuter, row%caseOuter, feature)
	}
	return sets
}

// normInputs are inputs that are exact in a type.
type normInputs struct{ x, dy, gamma, beta []float64 }

// run returns y, dx, dγ and, if there is a β, dβ, with the features last.
func (c normCase) run(t *testing.T, dt tensor.Dtype, eps float64, in normInputs) [][]float64 {
	t.Helper()
	g := G.NewGraph()
	opts, images := []Option{WithDtype(dt), WithEps(eps)}, c.layout != ""
	if images {
		opts = append(opts, WithAxis(1))
		in.x, in.dy = transposed(in.x, caseOuter), transposed(in.dy, caseOuter)
	}
	l, err := c.new(g, opts...)
	require.NoError(t, err)
	for i, v := range [][]float64{in.gamma, in.beta}[:len(l.Learnables())] {
		overwrite(l.Learnables()[i], v)
	}
	y, grads := runOnce(t, "tape", g, l, dt, in.x, in.dy, c.shape...)
	if images {
		y, grads[0] = transposed(y, caseFeatures), transposed(grads[0], caseFeatures)
	}
	return append([][]float64{y}, grads...)
}

// transposed returns each sample with its rows as columns.
func transposed(x []float64, rows int) []float64 {
	const size = caseOuter * caseFeatures
	y, cols := make([]float64, len(x)), size/rows
	for i, v := range x {
		y[i/size*size+i%cols*rows+i%size/cols] = v
	}
	return y
}

// round rounds values to the type.
func round(dt tensor.Dtype, values ...[]float64) {
	for _, v := range values {
		for i := range v {
			if dt == tensor.Float32 {
				v[i] = float64(float32(v[i]))
			}
		}
	}
}

// exact returns the results of run by the formula, with 200 bits and any exponent.
func (c normCase) exact(eps float64, in normInputs) [][]*big.Float {
	number := func(v float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(v) }
	zeros := func(n int) []*big.Float {
		z := make([]*big.Float, n)
		for i := range z {
			z[i] = number(0)
		}
		return z
	}
	add := func(sum, v *big.Float) { sum.Add(sum, v) }
	times := func(a, b *big.Float) *big.Float { return number(0).Mul(a, b) }
	minus := func(a, b *big.Float) *big.Float { return number(0).Sub(a, b) }

	sets := c.sets()
	count := slices.Max(sets) + 1
	n := number(float64(caseSize / count))
	// means returns the mean of v in each set.
	means := func(v func(i int) *big.Float) []*big.Float {
		m := zeros(count)
		for i, s := range sets {
			add(m[s], v(i))
		}
		for _, v := range m {
			v.Quo(v, n)
		}
		return m
	}
	mean := zeros(count)
	if c.centred() {
		mean = means(func(i int) *big.Float { return number(in.x[i]) })
	}
	xhat := make([]*big.Float, caseSize)
	for i, s := range sets {
		xhat[i] = minus(number(in.x[i]), mean[s])
	}
	rstd := means(func(i int) *big.Float { return times(xhat[i], xhat[i]) })
	for _, v := range rstd {
		add(v, number(eps))
		v.Quo(number(1), v.Sqrt(v))
	}
	y, g, dx := make([]*big.Float, caseSize), make([]*big.Float, caseSize), make([]*big.Float, caseSize)
	dgamma, dbeta := zeros(caseFeatures), zeros(caseFeatures)
	for i, s := range sets {
		j, d := i%caseFeatures, number(in.dy[i])
		xhat[i].Mul(xhat[i], rstd[s])
		y[i] = times(xhat[i], number(in.gamma[c.gainAt(j)]))
		if c.centred() {
			add(y[i], number(in.beta[j]))
		}
		g[i] = times(d, number(in.gamma[c.gainAt(j)]))
		add(dgamma[c.gainAt(j)], times(d, xhat[i]))
		add(dbeta[j], d)
	}
	meanG := zeros(count)
	if c.centred() {
		meanG = means(func(i int) *big.Float { return g[i] })
	}
	meanGX := means(func(i int) *big.Float { return times(g[i], xhat[i]) })
	for i, s := range sets {
		dx[i] = times(rstd[s], minus(minus(g[i], meanG[s]), times(xhat[i], meanGX[s])))
	}
	if c.norm().scalar {
		dgamma = dgamma[:1]
	}
	results := [][]*big.Float{y, dx, dgamma}
	if c.centred() {
		results = append(results, dbeta)
	}
	return results
}

// exactError returns the largest error divided by the largest value, or by 1 if that is 0. It returns
// lost if a result is not finite.
func exactError(want []*big.Float, got []float64) float64 {
	worst, size := new(big.Float), new(big.Float)
	for i, w := range want {
		if math.IsNaN(got[i]) || math.IsInf(got[i], 0) {
			return lost
		}
		d := new(big.Float).Sub(new(big.Float).SetFloat64(got[i]), w)
		if d.Abs(d).Cmp(worst) > 0 {
			worst = d
		}
		if a := new(big.Float).Abs(w); a.Cmp(size) > 0 {
			size = a
		}
	}
	if size.Sign() > 0 {
		worst.Quo(worst, size)
	}
	e, _ := worst.Float64()
	return e
}

var lost = math.Inf(1)
