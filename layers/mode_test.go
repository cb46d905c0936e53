package layers

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// bench is a BatchNorm on a graph with gradients, and the expected results by the formulas, with the
// statistics of the batch or the running ones.
type bench struct {
	t                   *testing.T
	g, clone            *G.ExprGraph
	l                   *BatchNorm
	x, u                []float64
	input, y, dx, cost  *G.Node   // dx is nil in a graph for LispMachines
	mean, variance      []float64 // the expected running statistics
	batchMean, batchVar []float64
	otherY              *G.Node // of a training placement on another graph
	machines            map[string]G.VM
	sameProgram         func([]G.VMOpt) G.VM // returns a machine with the program of T or cT
}

const benchRows, benchCols = 4, 3

func newBench(t *testing.T, symbolic bool) *bench {
	r := rand.New(rand.NewPCG(8, 8))
	b := &bench{t: t, g: G.NewGraph(), machines: make(map[string]G.VM),
		x: normals(r, benchRows*benchCols, 2, 3), u: normals(r, benchRows*benchCols, 0, 1),
		mean: make([]float64, benchCols), variance: []float64{1, 1, 1},
		batchMean: make([]float64, benchCols), batchVar: make([]float64, benchCols)}
	for i, v := range b.x {
		b.batchMean[i%benchCols] += v / benchRows
	}
	for i, v := range b.x {
		b.batchVar[i%benchCols] += (v - b.batchMean[i%benchCols]) * (v - b.batchMean[i%benchCols]) / benchRows
	}
	var err error
	b.l, err = NewBatchNorm(b.g, benchCols, f64)
	require.NoError(t, err)
	x := input(b.g, "x", tensor.Float64, b.x, benchRows, benchCols)
	b.y, err = b.l.Forward(x)
	require.NoError(t, err)
	b.cost = G.Must(G.Sum(G.Must(G.HadamardProd(b.y, input(b.g, "u", tensor.Float64, b.u, benchRows, benchCols)))))
	b.input = x
	if symbolic {
		grads, err := G.Grad(b.cost, x)
		require.NoError(t, err)
		b.dx = grads[0]
	}
	return b
}

// make makes a machine by its name. T is without options, E with EvalMode. Before that
//
//	s  is on the subgraph of y
//	o  is on another graph's training placement
//	c  is on the graph's clone
//	l  is a LispMachine, k one without gradients
//	p  runs a program compiled before, q the program of machine T, d that of cT
func (b *bench) make(name string) {
	var opts []G.VMOpt
	if strings.HasSuffix(strings.TrimRight(name, "'"), "E") {
		opts = append(opts, G.EvalMode())
	}
	var vm G.VM
	switch name[0] {
	case 's':
		vm = G.NewTapeMachine(b.g.SubgraphRoots(b.y), opts...)
	case 'l':
		vm = G.NewLispMachine(b.g, opts...)
	case 'k':
		vm = G.NewLispMachine(b.g, append(opts, G.ExecuteFwdOnly())...)
	case 'p':
		program, at, err := G.Compile(b.g)
		require.NoError(b.t, err)
		vm = G.NewTapeMachine(b.g, append(opts, G.WithPrecompiled(program, at))...)
	case 'q', 'd':
		vm = b.sameProgram(opts)
	case 'o':
		if b.otherY == nil {
			l, err := b.l.On(G.NewGraph(), Training)
			require.NoError(b.t, err)
			b.otherY, err = l.Forward(input(l.Learnables()[0].Graph(), "x", tensor.Float64, b.x, benchRows, benchCols))
			require.NoError(b.t, err)
		}
		vm = G.NewTapeMachine(b.otherY.Graph(), opts...)
	case 'c':
		if b.clone == nil {
			b.clone = b.g.Clone().(*G.ExprGraph)
		}
		vm = b.tape(b.clone, name == "cT", opts)
	default:
		vm = b.tape(b.g, name == "T", opts)
	}
	b.machines[name] = vm
	b.t.Cleanup(func() { vm.Close() })
}

// tape returns a TapeMachine, whose program the machines q and d may take over.
func (b *bench) tape(g *G.ExprGraph, again bool, opts []G.VMOpt) G.VM {
	m := G.NewTapeMachine(g, opts...)
	if again {
		b.sameProgram = func(opts []G.VMOpt) G.VM {
			return G.NewTapeMachine(g, append(opts, G.WithPrecompiled(m.Prog(), m.LocMap()))...)
		}
	}
	return m
}

// run runs a machine and checks that it has the mode of its name, or fails if it should.
func (b *bench) run(name string, refused bool) {
	vm := b.machines[name]
	before := b.l.State()
	if d, err := b.input.Grad(); err == nil && name[0] == 'l' { // LispMachines add to the gradient
		clear(d.Data().([]float64))
	}
	err := vm.RunAll()
	vm.Reset()
	if refused {
		require.ErrorContains(b.t, err, "create a new machine", name)
		require.ErrorContains(b.t, err, "placing the layer there with On(g, layers.Evaluation)", name)
		require.Equal(b.t, contents(before), contents(b.l.State()), name)
		return
	}
	require.NoError(b.t, err, name)
	train := strings.HasSuffix(strings.TrimRight(name, "'"), "T")
	mean, variance := b.mean, b.variance
	if train {
		mean, variance = b.batchMean, b.batchVar
	}
	on := func(n *G.Node) *G.Node { return n }
	if name[0] == 'c' || name[0] == 'd' {
		on = func(n *G.Node) *G.Node { return b.clone.Node(n.ID()).(*G.Node) }
	}
	if name[0] == 'o' {
		b.values(name, b.otherY.Value(), mean, variance)
	} else if name[0] == 's' || b.dx != nil {
		b.values(name, on(b.y).Value(), mean, variance)
	} else { // Gorgonia may compute y∘u in y's memory
		b.sum(name, b.cost.Value(), mean, variance)
	}
	switch {
	case name[0] == 'l':
		dx, err := b.input.Grad()
		require.NoError(b.t, err)
		b.gradients(name, dx, mean, variance, train)
	case name[0] != 's' && name[0] != 'o' && b.dx != nil:
		b.gradients(name, on(b.dx).Value(), mean, variance, train)
	}
	if train {
		for j := range benchCols {
			b.mean[j] = 0.9*b.mean[j] + 0.1*b.batchMean[j]
			b.variance[j] = 0.9*b.variance[j] + 0.1*b.batchVar[j]*benchRows/(benchRows-1)
		}
	}
	require.InDeltaSlice(b.t, b.mean, float64s(b.l.RunningMean()), 1e-12, name)
	require.InDeltaSlice(b.t, b.variance, float64s(b.l.RunningVar()), 1e-12, name)
}

// normalized returns the expected element i of y.
func (b *bench) normalized(i int, mean, variance []float64) float64 {
	j := i % benchCols
	return (b.x[i] - mean[j]) / math.Sqrt(variance[j]+1e-5)
}

func (b *bench) values(name string, y G.Value, mean, variance []float64) {
	for i, got := range float64s(y) {
		require.InDelta(b.t, b.normalized(i, mean, variance), got, 1e-12, "%s: y", name)
	}
}

func (b *bench) sum(name string, cost G.Value, mean, variance []float64) {
	want := 0.0
	for i, u := range b.u {
		want += u * b.normalized(i, mean, variance)
	}
	require.InDelta(b.t, want, cost.Data(), 1e-12, "%s: cost", name)
}

func (b *bench) gradients(name string, dx G.Value, mean, variance []float64, train bool) {
	got := float64s(dx)
	for i := range got {
		j := i % benchCols
		rstd := 1 / math.Sqrt(variance[j]+1e-5)
		want := b.u[i] * rstd
		if train {
			var du, dux float64
			for k := j; k < len(b.x); k += benchCols {
				du += b.u[k] / benchRows
				dux += b.u[k] * (b.x[k] - mean[j]) * rstd / benchRows
			}
			want = rstd * (b.u[i] - du - (b.x[i]-mean[j])*rstd*dux)
		}
		require.InDelta(b.t, want, got[i], 1e-12, "%s: dx", name)
	}
}

// TestAMachineKeepsItsMode runs machines of both modes on one graph in many orders. A word makes a
// machine, +word runs it, -word runs it and expects an error, and xword closes it.
func TestAMachineKeepsItsMode(t *testing.T) {
	t.Parallel()
	scripts := []string{
		"T E +T +E +T +E",
		"E T +T +E +T +E",
		"E +E T +T +E +T",
		"T +T E +T +T",                     // E never runs
		"T E +E xE +T T' +T'", "E xE T +T", // E is closed
		"T E +E T' +T' +T +E",
		"E T +E +E",
		"T T' E E' +T +E +T' +E' +T",
		// on the subgraph of the prediction
		"T sE +T +sE +T +sE",
		"sE T +sE +T +sE",
		"T sT +T +sT +T",
		"sT sE T E +sT +sE +T +E",
		// LispMachines, which run once
		"lT +lT lT' +lT' T +T E +E", "lE +lE lE' +lE' E +E T +T",
		"lE T +lE +T", "lT E +lT +E", "lT T E +lT +T +E", "lE E T +lE +T +E",
		"T lE +lE +T", "E lT +lT +E", "T E lE T' +lE +E +T +T'", "E T E' lT +lT +E +E' +T",
		"kT kE -kT", "kE kT -kT", "kE kT -kE T +T E +E", "T E kT kE +T +E -kT",
		// compiled programs
		"pT +pT", "pE +pE", "pT pT' +pT +pT'",
		"T qT +T +qT +T",
		"T qE -T -qE T' +T' E +E",
		"T E qE -T -qE +E",
		"E T qT +T +qT -E E' +E'", // the program may be T's or E's
		"pT pE -pT +pE",           // pE may run pT's program
		// another graph's training placement
		"T oE +T +oE +T", "oE oT E T +T +oT +E +oE +T",
		// clones
		"cT +cT", "cE +cE", "T E cE +T +E +cE", "cT T +cT +T",
		"cT cE -cT -cE T +T E +E", "cT dT +cT +dT", "cT dE -cT -dE",
	}
	for _, script := range scripts {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, !strings.ContainsAny(script, "lk"))
			for word := range strings.FieldsSeq(script) {
				switch word[0] {
				case '+', '-':
					b.run(word[1:], word[0] == '-')
				case 'x':
					require.NoError(t, b.machines[word[1:]].Close())
				default:
					b.make(word)
				}
			}
		})
	}
}

// TestEvalModeEqualsAnEvaluationPlacement, in results and in unchanged statistics.
func TestEvalModeEqualsAnEvaluationPlacement(t *testing.T) {
	t.Parallel()
	x := normals(rand.New(rand.NewPCG(8, 8)), 24, 2, 3)
	mask := []int{1, 0, 1, 1, 1, 0, 1, 1}
	cases := map[string]struct {
		opts   []Option
		masked bool
		same   bool // y equals a training machine's
	}{
		"plain":              {opts: nil},
		"with a mask":        {masked: true},
		"with positions":     {opts: []Option{WithPositions(4)}},
		"without tracking":   {opts: []Option{WithoutTracking()}, same: true},
		"frozen statistics":  {opts: []Option{WithFrozenStatistics()}, same: true},
		"cumulative average": {opts: []Option{WithCumulativeAverage()}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on := func(l *BatchNorm, opts ...G.VMOpt) []float64 {
				nx := input(l.g, "x", tensor.Float64, x, 2, 4, 3)
				y, err := l.Forward(nx)
				if c.masked {
					y, err = l.ForwardMasked(nx, input(l.g, "mask", tensor.Int, mask, 2, 4))
				}
				require.NoError(t, err)
				vm := G.NewTapeMachine(l.g, opts...)
				defer vm.Close()
				require.NoError(t, vm.RunAll())
				return float64s(y.Value())
			}
			made, err := NewBatchNorm(G.NewGraph(), 3, append(c.opts, f64)...)
			require.NoError(t, err)
			placed := func(mode Mode) *BatchNorm {
				l, err := made.On(G.NewGraph(), mode)
				require.NoError(t, err)
				return l.(*BatchNorm)
			}
			train := on(placed(Training))
			before := contents(made.State())
			want := on(placed(Evaluation))
			got := on(placed(Training), G.EvalMode())
			require.Equal(t, want, got)
			require.Equal(t, before, contents(made.State()))
			require.Equal(t, c.same, slices.Equal(train, got))
		})
	}
}
