package transformer

import (
	"hash/crc32"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
	"gorgonorm/layers"
)

// entry returns the values of a state's tensor with this name and shape, by the same formula as
// testdata/oracle/made.py. Matrices preserve the size of what they multiply, and variances are
// positive.
func entry(name string, shape tensor.Shape) []float64 {
	seed, n := uint64(crc32.ChecksumIEEE([]byte(name))), shape.TotalSize()
	ends := func(suffix string) bool { return strings.HasSuffix(name, suffix) }
	switch {
	case strings.HasPrefix(name, "transformer.w"): // embeddings
		return golden.Made(seed, n, 0, 0.2)
	case len(shape) == 2:
		return golden.Made(seed, n, 0, 1/math.Sqrt(float64(shape[1])))
	case ends("weight"), ends("alpha"), ends("running_var"):
		return golden.Made(seed, n, 1, 0.2)
	default:
		return golden.Made(seed, n, 0, 0.2)
	}
}

// loadMade loads the weights and statistics of the formula into the model.
func loadMade(t *testing.T, m *Model) {
	t.Helper()
	s := m.State()
	for name, d := range s {
		switch d.Dtype() {
		case tensor.Float64:
			copy(d.Float64s(), entry(name, d.Shape()))
		case tensor.Float32:
			for i, v := range entry(name, d.Shape()) {
				d.Float32s()[i] = float32(v)
			}
		default: // a count
			d.Int64s()[0] = 7
		}
	}
	require.NoError(t, m.Load(s))
}

// outputs returns a model's logits and loss in evaluation mode.
func outputs(t *testing.T, m *Model, ids, targets golden.Ints) (logits []float64, loss float64) {
	t.Helper()
	g := G.NewGraph()
	e, err := m.On(g, layers.Evaluation)
	require.NoError(t, err)
	y, err := e.Logits(ints(g, "ids", ids))
	require.NoError(t, err)
	l, err := e.Loss(y, ints(g, "targets", targets))
	require.NoError(t, err)
	var scores G.Value // a copy, because later operations may reuse the memory of the logits
	G.Read(y, &scores)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	if m.config.Dtype == tensor.Float32 {
		return widen(scores.Data().([]float32)), float64(l.Value().Data().(float32))
	}
	return slices.Clone(scores.Data().([]float64)), l.Value().Data().(float64)
}

// tolerances bounds the differences of logits and losses from PyTorch's. The bound for float32 is
// the documented one; correct code stays below a third of it. In float64 only the order of sums
// differs.
var tolerances = map[tensor.Dtype]golden.Within{
	tensor.Float32: {Abs: 1e-4},
	tensor.Float64: {Rel: 1e-12},
}

// TestSmallModelEqualsPyTorch loads files of nanoGPT's small configuration with every norm. PyTorch
// did not read these files: both sides compute the weights from the formula.
func TestSmallModelEqualsPyTorch(t *testing.T) {
	var f struct {
		Vocab, Context, Layers, Heads, Channels int
		Ids, Targets                            golden.Ints
		Models                                  []struct {
			Norm         string
			Bias         bool
			Logits       golden.Tensor // at every fourth position
			Loss, Loss64 float64
		}
	}
	golden.Read(t, "nanogpt.json", &f)
	count := make(map[string]int)
	for _, want := range f.Models {
		count[want.Norm]++
	}
	for _, n := range Norms {
		require.Equal(t, 2, count[n.Name], "testdata/nanogpt.json lacks its two models of norm %q: "+
			"add the norm to NORMS in testdata/oracle/norms.py and run testdata/golden.py", n.Name)
	}
	for _, want := range f.Models {
		norm, err := NormByName(want.Norm)
		require.NoError(t, err)
		c := Config{Vocab: f.Vocab, Context: f.Context, Layers: f.Layers, Heads: f.Heads, Channels: f.Channels,
			Norm: norm, GELU: Exact, Bias: want.Bias}
		load := func(t *testing.T, dt tensor.Dtype) (logits []float64, loss float64) {
			c.Dtype = dt
			written, err := New(G.NewGraph(), c)
			require.NoError(t, err)
			loadMade(t, written)
			m, err := Load(G.NewGraph(), saved(t, written), Config{})
			require.NoError(t, err)
			return outputs(t, m, f.Ids, f.Targets)
		}
		name := want.Norm
		if want.Bias {
			name += "+bias"
		}
		t.Run(name+"/float32", func(t *testing.T) {
			logits, loss := load(t, tensor.Float32)
			var fourth []float64
			for end := 4 * f.Vocab; end <= len(logits); end += 4 * f.Vocab {
				fourth = append(fourth, logits[end-f.Vocab:end]...)
			}
			golden.RequireClose(t, want.Logits.Data, fourth, tolerances[tensor.Float32], "logits")
			golden.RequireClose(t, []float64{want.Loss}, []float64{loss}, tolerances[tensor.Float32], "loss")
		})
		t.Run(name+"/float64", func(t *testing.T) {
			_, loss := load(t, tensor.Float64)
			golden.RequireClose(t, []float64{want.Loss64}, []float64{loss}, tolerances[tensor.Float64], "loss")
		})
	}
}

// TestLoadReadsPyTorchsFiles of a compiled nanoGPT and of GPT-2 in float16 and bfloat16.
func TestLoadReadsPyTorchsFiles(t *testing.T) {
	var f struct {
		Cases []struct {
			File         string
			Heads        int
			GELU         GELU
			Ids, Targets golden.Ints
			Logits       golden.Tensor
			Loss         float64
		}
	}
	golden.Read(t, "checkpoints.json", &f)
	require.Len(t, f.Cases, 3)
	for _, want := range f.Cases {
		for dt, tol := range tolerances {
			t.Run(want.File+"/"+dt.String(), func(t *testing.T) {
				path := filepath.Join("..", "..", "testdata", want.File)
				m, err := Load(G.NewGraph(), path, Config{Heads: want.Heads, Dtype: dt})
				require.NoError(t, err)
				require.Equal(t, "layer", m.config.Norm.Name)
				require.Equal(t, want.GELU, m.config.GELU)
				logits, loss := outputs(t, m, want.Ids, want.Targets)
				golden.RequireClose(t, want.Logits.Data, logits, tol, "logits")
				golden.RequireClose(t, []float64{want.Loss}, []float64{loss}, tol, "loss")

				into, err := New(G.NewGraph(), m.config)
				require.NoError(t, err)
				require.NoError(t, into.LoadFile(path))
				again, _ := outputs(t, into, want.Ids, want.Targets)
				require.Equal(t, logits, again)
			})
		}
	}
}

// TestLoadMatchingCropsPositions: attention is causal, so the first tokens of PyTorch's sequences
// have the same logits in a model with a shorter context.
func TestLoadMatchingCropsPositions(t *testing.T) {
	t.Parallel()
	const context = 4
	var f struct {
		Cases []struct {
			File   string
			Heads  int
			Ids    golden.Ints
			Logits golden.Tensor
		}
	}
	golden.Read(t, "checkpoints.json", &f)
	require.Len(t, f.Cases, 3)
	for _, want := range f.Cases {
		for dt, tol := range tolerances {
			t.Run(want.File+"/"+dt.String(), func(t *testing.T) {
				t.Parallel()
				path := filepath.Join("..", "..", "testdata", want.File)
				whole, err := Load(G.NewGraph(), path, Config{Heads: want.Heads, Dtype: dt})
				require.NoError(t, err)
				c := whole.config
				require.Greater(t, c.Context, context)
				c.Context = context
				m, err := New(G.NewGraph(), c)
				require.NoError(t, err)
				found, err := m.LoadMatching(path)
				require.NoError(t, err)
				require.Empty(t, found.Left)
				require.Contains(t, found.Loaded, wpeWeight)

				rows, time := want.Ids.Shape[0], want.Ids.Shape[1]
				first := golden.Ints{Shape: []int{rows, context}}
				var logits []float64
				for r := range rows {
					first.Data = append(first.Data, want.Ids.Data[r*time:r*time+context]...)
					logits = append(logits, want.Logits.Data[r*time*c.Vocab:(r*time+context)*c.Vocab]...)
				}
				got, _ := outputs(t, m, first, first)
				golden.RequireClose(t, logits, got, tol, "logits")
			})
		}
	}
}

// TestLoadMatchingDoesNotExtendPositions to a longer context.
func TestLoadMatchingDoesNotExtendPositions(t *testing.T) {
	t.Parallel()
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	path := saved(t, m)
	c := m.config
	c.Context++
	longer, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	found, err := longer.LoadMatching(path)
	require.NoError(t, err)
	require.Equal(t, []string{"transformer.wpe.weight has shape (6, 8), want (7, 8)"}, found.Left.sentences())
	c.Context = 3
	_, err = Load(G.NewGraph(), path, Config{Context: 3})
	require.ErrorContains(t, err, "context is 6, want 3", "Load does not crop")
}
