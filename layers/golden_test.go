package layers

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
)

// goldenPass is a forward and backward pass of a layer with a weight and an optional bias.
type goldenPass struct {
	X, Dy, Y, Dx, Dweight golden.Tensor
	Dbias                 *golden.Tensor
}

func (p goldenPass) grads() [][]float64 {
	g := [][]float64{p.Dx.Data, p.Dweight.Data}
	if p.Dbias != nil {
		g = append(g, p.Dbias.Data)
	}
	return g
}

var dtypes = map[string]tensor.Dtype{"float32": tensor.Float32, "float64": tensor.Float64}

// tolerance returns the tolerance for sums of values of order 1 in another order than PyTorch's.
var tolerance = map[string]golden.Within{"float32": {Rel: 1e-5, Abs: 1e-7}, "float64": {Rel: 1e-10, Abs: 1e-15}}

// rowTolerance widens the absolute part if a row's values are far larger than √(variance+eps),
// because the rounding of the mean, in PyTorch too, is amplified by their ratio.
func rowTolerance(dtype string, x golden.Tensor, eps float64) golden.Within {
	tol := tolerance[dtype]
	cols := x.Shape[len(x.Shape)-1]
	for r := 0; r < len(x.Data); r += cols {
		var mean, variance, largest float64
		for _, v := range x.Data[r : r+cols] {
			mean += v / float64(cols)
			largest = max(largest, math.Abs(v))
		}
		for _, v := range x.Data[r : r+cols] {
			variance += (v - mean) * (v - mean) / float64(cols)
		}
		if ratio := largest / math.Sqrt(variance+eps); ratio > 100 {
			tol.Abs = max(tol.Abs, 2*machineEps(dtypes[dtype])*ratio)
		}
	}
	return tol
}

// compare compares y and the gradients with PyTorch's. dbias has the plain tolerance, because the
// rounding of the mean does not reach it.
func (p goldenPass) compare(t *testing.T, dtype string, tol golden.Within, y []float64, grads [][]float64) {
	t.Helper()
	golden.RequireClose(t, p.Y.Data, y, tol, "y")
	want := p.grads()
	require.Len(t, grads, len(want))
	for i, name := range []string{"dx", "dweight", "dbias"}[:len(want)] {
		if name == "dbias" {
			tol = tolerance[dtype]
		}
		golden.RequireClose(t, want[i], grads[i], tol, "%s", name)
	}
}

// run applies the layer, on its graph, to the pass's x.
func (p goldenPass) run(
	t *testing.T, machine string, g *G.ExprGraph, l Layer, dt tensor.Dtype,
) (y []float64, grads [][]float64) {
	t.Helper()
	x := input(g, "x", dt, p.X.Data, p.X.Shape...)
	return gradients(t, machine, testLayer{
		inputs:  append(G.Nodes{x}, l.Learnables()...),
		forward: func() (*G.Node, error) { return l.Forward(x) },
	}, p.Dy.Data)
}

func setAll(t *testing.T, l Layer, weight golden.Tensor, bias *golden.Tensor) {
	t.Helper()
	overwrite(l.Learnables()[0], weight.Data)
	if bias != nil {
		overwrite(l.Learnables()[1], bias.Data)
	}
}

// rowNormEqualsPyTorch compares a norm of rows with PyTorch's values.
func rowNormEqualsPyTorch(t *testing.T, n normSpec) {
	var f struct {
		Cases []struct {
			Name, Dtype string
			Eps         float64
			Weight      golden.Tensor
			Bias        *golden.Tensor
			goldenPass
		}
	}
	golden.Read(t, n.goldenFile(), &f)
	require.NotEmpty(t, f.Cases)
	for _, c := range f.Cases {
		t.Run(c.Name, func(t *testing.T) {
			opts := []Option{WithDtype(dtypes[c.Dtype]), WithEps(c.Eps)}
			if n.hasBias() && c.Bias == nil {
				opts = append(opts, WithoutBias())
			}
			for _, machine := range machines {
				g := G.NewGraph()
				l, err := n.make(g, c.X.Shape[len(c.X.Shape)-1], opts...)
				require.NoError(t, err)
				setAll(t, l, c.Weight, c.Bias)
				y, grads := c.run(t, machine, g, l, dtypes[c.Dtype])
				c.compare(t, c.Dtype, rowTolerance(c.Dtype, c.X, c.Eps), y, grads)
			}
		})
	}
}

// TestRowNormsOptionsEqualPyTorch covers shapes of several dimensions, no learnables, and RMSNorm's
// gain and part.
func TestRowNormsOptionsEqualPyTorch(t *testing.T) {
	for _, file := range []string{"layernorm_shape.json", "rmsnorm_options.json"} {
		var f struct {
			Cases []struct {
				Name, Dtype  string
				Shape        []int
				Eps, Partial float64
				ZeroCentred  bool `json:"zero_centred"`
				Weight, Bias *golden.Tensor
				Dweight      *golden.Tensor
				goldenPass
			}
		}
		golden.Read(t, file, &f)
		require.NotEmpty(t, f.Cases)
		for _, c := range f.Cases {
			t.Run(file+"/"+c.Name, func(t *testing.T) {
				opts := []Option{WithDtype(dtypes[c.Dtype]), WithEps(c.Eps), WithShape(c.Shape...)}
				layerNorm := file == "layernorm_shape.json"
				want := [][]float64{c.Dx.Data}
				switch {
				case c.Weight == nil:
					opts = append(opts, WithoutAffine())
				case c.Bias == nil && layerNorm:
					opts = append(opts, WithoutBias())
					fallthrough
				default:
					want = append(want, c.Dweight.Data)
				}
				if c.Dbias != nil {
					want = append(want, c.Dbias.Data)
				}
				if c.ZeroCentred {
					opts = append(opts, WithZeroCentredGain())
				}
				if !layerNorm {
					opts = append(opts, WithPartial(c.Partial))
				}
				for _, machine := range machines {
					g := G.NewGraph()
					var l Layer
					var err error
					if features := tensor.Shape(c.Shape).TotalSize(); layerNorm {
						l, err = NewLayerNorm(g, features, opts...)
					} else {
						l, err = NewRMSNorm(g, features, opts...)
					}
					require.NoError(t, err)
					for _, n := range l.Learnables() {
						require.Equal(t, tensor.Shape(c.Shape), n.Shape())
					}
					if c.Weight != nil {
						setAll(t, l, *c.Weight, c.Bias)
					}
					y, grads := c.run(t, machine, g, l, dtypes[c.Dtype])
					golden.RequireClose(t, c.Y.Data, y, tolerance[c.Dtype], "y")
					require.Len(t, grads, len(want))
					for i := range want {
						golden.RequireClose(t, want[i], grads[i], tolerance[c.Dtype], "gradient %d", i)
					}
				}
			})
		}
	}
}

func batchNormEqualsPyTorch(t *testing.T, n normSpec) {
	var f struct {
		Cases []struct {
			Name, Dtype   string
			Eps, Momentum float64
			Weight        golden.Tensor
			Bias          *golden.Tensor
			Steps         []struct {
				goldenPass
				Mean golden.Tensor `json:"running_mean"`
				Var  golden.Tensor `json:"running_var"`
			}
			Eval goldenPass
		}
	}
	golden.Read(t, n.goldenFile(), &f)
	require.NotEmpty(t, f.Cases)
	for _, c := range f.Cases {
		for _, machine := range machines {
			t.Run(c.Name+"/"+machine, func(t *testing.T) {
				opts := []Option{WithDtype(dtypes[c.Dtype]), WithEps(c.Eps), WithMomentum(c.Momentum)}
				if c.Bias == nil {
					opts = append(opts, WithoutBias())
				}
				first, err := NewBatchNorm(G.NewGraph(), c.Weight.Shape[0], opts...)
				require.NoError(t, err)
				setAll(t, first, c.Weight, c.Bias)
				// The steps run on one node with new values, as in training.
				tol := tolerance[c.Dtype]
				g := G.NewGraph()
				l, err := first.On(g, Training)
				require.NoError(t, err)
				step := newSteps(t, machine, g, l, dtypes[c.Dtype], c.Steps[0].X.Shape)
				for _, s := range c.Steps {
					y, grads := step(s.X.Data, s.Dy.Data)
					s.compare(t, c.Dtype, tol, y, grads)
					golden.RequireClose(t, s.Mean.Data, float64s(first.RunningMean()), tol, "running mean")
					golden.RequireClose(t, s.Var.Data, float64s(first.RunningVar()), tol, "running variance")
				}
				g = G.NewGraph()
				e, err := first.On(g, Evaluation)
				require.NoError(t, err)
				y, grads := c.Eval.run(t, machine, g, e, dtypes[c.Dtype])
				c.Eval.compare(t, c.Dtype, tol, y, grads)
				last := c.Steps[len(c.Steps)-1]
				golden.RequireClose(t, last.Mean.Data, float64s(first.RunningMean()), tol, "running mean after evaluation")
			})
		}
	}
}

func TestStatelessLayersEqualPyTorch(t *testing.T) {
	t.Parallel()
	type stateless struct {
		Name, Dtype  string
		Heads        int // of attention
		X, Dy, Y, Dx golden.Tensor
	}
	for file, build := range map[string]func(c stateless) (Layer, error){
		"gelu.json":       func(stateless) (Layer, error) { return NewGELU() },
		"gelu_exact.json": func(stateless) (Layer, error) { return NewGELU(WithExact()) },
		"attention.json":  func(c stateless) (Layer, error) { return NewCausalSelfAttention(c.Heads) },
	} {
		var f struct{ Cases []stateless }
		golden.Read(t, file, &f)
		require.NotEmpty(t, f.Cases)
		for _, c := range f.Cases {
			for _, machine := range machines {
				t.Run(file+"/"+c.Name+"/"+machine, func(t *testing.T) {
					l, err := build(c)
					require.NoError(t, err)
					x := input(G.NewGraph(), "x", dtypes[c.Dtype], c.X.Data, c.X.Shape...)
					layer := testLayer{G.Nodes{x}, func() (*G.Node, error) { return l.Forward(x) }}
					y, grads := gradients(t, machine, layer, c.Dy.Data)
					golden.RequireClose(t, c.Y.Data, y, tolerance[c.Dtype], "y")
					golden.RequireClose(t, c.Dx.Data, grads[0], tolerance[c.Dtype], "dx")
				})
			}
		}
	}
}

func TestCrossEntropyEqualsPyTorch(t *testing.T) {
	var f struct {
		Cases []struct {
			Name, Dtype     string
			Logits, Dlogits golden.Tensor
			Targets         golden.Ints
			Loss            float64
		}
	}
	golden.Read(t, "crossentropy.json", &f)
	require.NotEmpty(t, f.Cases)
	for _, c := range f.Cases {
		for _, machine := range machines {
			t.Run(c.Name+"/"+machine, func(t *testing.T) {
				l, err := NewCrossEntropy()
				require.NoError(t, err)
				g := G.NewGraph()
				logits := input(g, "logits", dtypes[c.Dtype], c.Logits.Data, c.Logits.Shape...)
				targets := input(g, "targets", tensor.Int, c.Targets.Data, c.Targets.Shape...)
				loss, grads := gradients(t, machine, testLayer{
					G.Nodes{logits, targets},
					func() (*G.Node, error) { return l.Forward(logits, targets) },
				}, []float64{1})
				golden.RequireClose(t, []float64{c.Loss}, loss, tolerance[c.Dtype], "loss")
				golden.RequireClose(t, c.Dlogits.Data, grads[0], tolerance[c.Dtype], "dlogits")
			})
		}
	}
}

// TestNormsEqualGorgoniasPrimitives compares LayerNorm and RMSNorm with compositions of Gorgonia's
// own operations, which Gorgonia differentiates.
func TestNormsEqualGorgoniasPrimitives(t *testing.T) {
	t.Parallel()
	const rows, cols, eps = 5, 7, 1e-5
	rng := rand.New(rand.NewPCG(7, 7))
	x, gamma, beta := normals(rng, rows*cols, 0.5, 1.5), normals(rng, cols, 1, 0.3), normals(rng, cols, 0, 0.3)
	upstream := normals(rng, rows*cols, 0, 1)

	// composed returns γ·x̂ + β with x̂ = c/√(mean(c²)+eps), c = x or x − mean(x).
	composed := func(centred bool) func(g *G.ExprGraph, x, gamma, beta *G.Node) *G.Node {
		return func(g *G.ExprGraph, x, gamma, beta *G.Node) *G.Node {
			mean := func(v *G.Node) *G.Node {
				return G.Must(G.Reshape(G.Must(G.Div(G.Must(G.Sum(v, 1)), G.NewConstant(float64(cols)))), tensor.Shape{rows, 1}))
			}
			c := x
			if centred {
				c = G.Must(G.BroadcastSub(x, mean(x), nil, []byte{1}))
			}
			std := G.Must(G.Sqrt(G.Must(G.Add(mean(G.Must(G.Square(c))), G.NewConstant(eps)))))
			y := G.Must(G.BroadcastHadamardDiv(c, std, nil, []byte{1}))
			y = G.Must(G.BroadcastHadamardProd(y, G.Must(G.Reshape(gamma, tensor.Shape{1, cols})), nil, []byte{0}))
			if beta == nil {
				return y
			}
			return G.Must(G.BroadcastAdd(y, G.Must(G.Reshape(beta, tensor.Shape{1, cols})), nil, []byte{0}))
		}
	}
	for _, c := range []struct {
		name string
		new  func(g *G.ExprGraph) (Layer, error)
		like func(g *G.ExprGraph, x, gamma, beta *G.Node) *G.Node
	}{
		{"LayerNorm", func(g *G.ExprGraph) (Layer, error) { return NewLayerNorm(g, cols, f64, WithEps(eps)) },
			composed(true)},
		{"RMSNorm", func(g *G.ExprGraph) (Layer, error) { return NewRMSNorm(g, cols, f64, WithEps(eps)) }, composed(false)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var y [2][]float64
			var grads [2][][]float64
			for i := range 2 {
				g := G.NewGraph()
				l, err := c.new(g)
				require.NoError(t, err)
				in := append(G.Nodes{input(g, "x", tensor.Float64, x, rows, cols)}, l.Learnables()...)
				overwrite(in[1], gamma)
				var b *G.Node
				if len(in) > 2 {
					b = in[2]
					overwrite(b, beta)
				}
				forward := func() (*G.Node, error) { return l.Forward(in[0]) }
				if i == 1 {
					forward = func() (*G.Node, error) { return c.like(g, in[0], in[1], b), nil }
				}
				y[i], grads[i] = gradients(t, "tape", testLayer{in, forward}, upstream)
			}
			golden.RequireClose(t, y[1], y[0], golden.Within{Rel: 1e-12}, "y")
			for i := range grads[0] {
				golden.RequireClose(t, grads[1][i], grads[0][i], golden.Within{Rel: 1e-12}, "gradient")
			}
		})
	}
}
