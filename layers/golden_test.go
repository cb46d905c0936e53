package layers

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// golden reads a file that testdata/golden.py has made with PyTorch.
func golden(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", file))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, into))
}

type goldenTensor struct {
	Shape []int
	Data  []float64
}

type goldenInts struct {
	Shape, Data []int
}

// goldenPass is one forward and backward pass of a layer with a weight and,
// maybe, a bias.
type goldenPass struct {
	X, Dy, Y, Dx, Dweight goldenTensor
	Dbias                 *goldenTensor
}

func (p goldenPass) grads() [][]float64 {
	g := [][]float64{p.Dx.Data, p.Dweight.Data}
	if p.Dbias != nil {
		g = append(g, p.Dbias.Data)
	}
	return g
}

var dtypes = map[string]tensor.Dtype{"float32": tensor.Float32, "float64": tensor.Float64}

// tolerance is for sums of values of order 1, taken in another order than
// PyTorch's.
var tolerance = map[string]within{"float32": {1e-5, 1e-6}, "float64": {1e-10, 1e-13}}

// rowTolerance widens the absolute part where a row's values are far larger than
// √(variance+eps): there the rounding of the mean, PyTorch's too, is amplified by
// their ratio.
func rowTolerance(dtype string, x goldenTensor, eps float64) within {
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
			tol.abs = max(tol.abs, 2*machineEps(dtypes[dtype])*ratio)
		}
	}
	return tol
}

// comparePass runs the layer on both machines. The layer is placed anew each
// time, by place.
func comparePass(t *testing.T, dtype string, p goldenPass, tol within, place func(t *testing.T, g *G.ExprGraph) Layer, machines ...string) {
	for _, machine := range machines {
		g := G.NewGraph()
		l := place(t, g)
		x := input(g, "x", dtypes[dtype], p.X.Data, p.X.Shape...)
		y, grads := gradients(t, machine, testLayer{
			inputs:  append(G.Nodes{x}, l.Learnables()...),
			forward: func() (*G.Node, error) { return l.Forward(x) },
		}, p.Dy.Data)
		requireClose(t, p.Y.Data, y, tol, machine+" y")
		want := p.grads()
		require.Len(t, grads, len(want))
		for i, name := range []string{"dx", "dweight", "dbias"}[:len(want)] {
			requireClose(t, want[i], grads[i], tol, machine+" "+name)
		}
	}
}

func setAll(t *testing.T, l Layer, weight goldenTensor, bias *goldenTensor) {
	t.Helper()
	set(t, l.Learnables()[0], weight.Data)
	if bias != nil {
		set(t, l.Learnables()[1], bias.Data)
	}
}

func TestRowNormsEqualPyTorch(t *testing.T) {
	for file, build := range map[string]func(g *G.ExprGraph, features int, opts ...Option) (Layer, error){
		"layernorm.json": func(g *G.ExprGraph, n int, opts ...Option) (Layer, error) { return NewLayerNorm(g, n, opts...) },
		"rmsnorm.json":   func(g *G.ExprGraph, n int, opts ...Option) (Layer, error) { return NewRMSNorm(g, n, opts...) },
	} {
		var f struct {
			Cases []struct {
				Name, Dtype string
				Eps         float64
				Weight      goldenTensor
				Bias        *goldenTensor
				goldenPass
			}
		}
		golden(t, file, &f)
		require.NotEmpty(t, f.Cases)
		for _, c := range f.Cases {
			t.Run(file+"/"+c.Name, func(t *testing.T) {
				opts := []Option{WithDtype(dtypes[c.Dtype]), WithEps(c.Eps)}
				if file == "layernorm.json" && c.Bias == nil {
					opts = append(opts, WithoutBias())
				}
				comparePass(t, c.Dtype, c.goldenPass, rowTolerance(c.Dtype, c.X, c.Eps), func(t *testing.T, g *G.ExprGraph) Layer {
					l, err := build(g, c.Weight.Shape[0], opts...)
					require.NoError(t, err)
					setAll(t, l, c.Weight, c.Bias)
					return l
				}, machines...)
			})
		}
	}
}

func TestBatchNormEqualsPyTorch(t *testing.T) {
	var f struct {
		Cases []struct {
			Name, Dtype   string
			Eps, Momentum float64
			Weight        goldenTensor
			Bias          *goldenTensor
			Steps         []struct {
				goldenPass
				Mean goldenTensor `json:"running_mean"`
				Var  goldenTensor `json:"running_var"`
			}
			Eval goldenPass
		}
	}
	golden(t, "batchnorm.json", &f)
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
				in := func(mode Mode) func(*testing.T, *G.ExprGraph) Layer {
					return func(t *testing.T, g *G.ExprGraph) Layer {
						l, err := first.On(g, mode)
						require.NoError(t, err)
						return l
					}
				}
				tol := tolerance[c.Dtype]
				for _, s := range c.Steps {
					comparePass(t, c.Dtype, s.goldenPass, tol, in(Training), machine)
					requireClose(t, s.Mean.Data, float64s(first.RunningMean()), tol, "running mean")
					requireClose(t, s.Var.Data, float64s(first.RunningVar()), tol, "running variance")
				}
				comparePass(t, c.Dtype, c.Eval, tol, in(Evaluation), machine)
				last := c.Steps[len(c.Steps)-1]
				requireClose(t, last.Mean.Data, float64s(first.RunningMean()), tol, "running mean after evaluation")
			})
		}
	}
}

func TestStatelessLayersEqualPyTorch(t *testing.T) {
	type stateless struct {
		Name, Dtype string
		Heads       int
		X, Dy, Y    goldenTensor
		Dx          goldenTensor
		Qkv, Dqkv   goldenTensor
	}
	for file, build := range map[string]func(c *stateless) (Layer, error){
		"gelu.json": func(*stateless) (Layer, error) { return NewGELU() },
		"attention.json": func(c *stateless) (Layer, error) {
			c.X, c.Dx = c.Qkv, c.Dqkv
			return NewCausalSelfAttention(c.Heads)
		},
	} {
		var f struct{ Cases []stateless }
		golden(t, file, &f)
		require.NotEmpty(t, f.Cases)
		for _, c := range f.Cases {
			for _, machine := range machines {
				t.Run(file+"/"+c.Name+"/"+machine, func(t *testing.T) {
					l, err := build(&c)
					require.NoError(t, err)
					x := input(G.NewGraph(), "x", dtypes[c.Dtype], c.X.Data, c.X.Shape...)
					y, grads := gradients(t, machine, testLayer{G.Nodes{x}, func() (*G.Node, error) { return l.Forward(x) }}, c.Dy.Data)
					requireClose(t, c.Y.Data, y, tolerance[c.Dtype], "y")
					requireClose(t, c.Dx.Data, grads[0], tolerance[c.Dtype], "dx")
				})
			}
		}
	}
}

func TestCrossEntropyEqualsPyTorch(t *testing.T) {
	var f struct {
		Cases []struct {
			Name, Dtype     string
			Logits, Dlogits goldenTensor
			Targets         goldenInts
			Loss            float64
		}
	}
	golden(t, "crossentropy.json", &f)
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
				requireClose(t, []float64{c.Loss}, loss, tolerance[c.Dtype], "loss")
				requireClose(t, c.Dlogits.Data, grads[0], tolerance[c.Dtype], "dlogits")
			})
		}
	}
}

// TestNormsEqualGorgoniasPrimitives writes LayerNorm and RMSNorm in Gorgonia's
// own operations and lets Gorgonia differentiate those.
func TestNormsEqualGorgoniasPrimitives(t *testing.T) {
	const rows, cols, eps = 5, 7, 1e-5
	rng := rand.New(rand.NewPCG(7, 7))
	x, gamma, beta := normals(rng, rows*cols, 0.5, 1.5), normals(rng, cols, 1, 0.3), normals(rng, cols, 0, 0.3)
	upstream := normals(rng, rows*cols, 0, 1)

	// composed is γ·x̂ + β with x̂ = c/√(mean(c²)+eps), c = x or x − mean(x).
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
		{"LayerNorm", func(g *G.ExprGraph) (Layer, error) { return NewLayerNorm(g, cols, f64, WithEps(eps)) }, composed(true)},
		{"RMSNorm", func(g *G.ExprGraph) (Layer, error) { return NewRMSNorm(g, cols, f64, WithEps(eps)) }, composed(false)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ys, grads [2][][]float64
			for i := range 2 {
				g := G.NewGraph()
				l, err := c.new(g)
				require.NoError(t, err)
				in := append(G.Nodes{input(g, "x", tensor.Float64, x, rows, cols)}, l.Learnables()...)
				set(t, in[1], gamma)
				var b *G.Node
				if len(in) > 2 {
					b = in[2]
					set(t, b, beta)
				}
				forward := func() (*G.Node, error) { return l.Forward(in[0]) }
				if i == 1 {
					forward = func() (*G.Node, error) { return c.like(g, in[0], in[1], b), nil }
				}
				y, d := gradients(t, "tape", testLayer{in, forward}, upstream)
				ys[i], grads[i] = [][]float64{y}, d
			}
			requireClose(t, ys[1][0], ys[0][0], within{1e-12, 0}, "y")
			for i := range grads[0] {
				requireClose(t, grads[1][i], grads[0][i], within{1e-12, 0}, "gradient")
			}
		})
	}
}
