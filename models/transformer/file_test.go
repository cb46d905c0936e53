package transformer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"

	own "gorgonorm/internal/safetensors"
)

// raw is a tensor of a handmade file.
type raw struct {
	dtype safetensors.DType
	shape []uint64
	data  []byte
}

func (r raw) DType() safetensors.DType { return r.dtype }
func (r raw) Shape() []uint64          { return r.shape }
func (r raw) Data() []byte             { return r.data }
func (r raw) DataLen() uint64          { return uint64(len(r.data)) }

// file is a model's file that a test changes before writing it.
type file struct {
	tensors  map[string]raw
	metadata map[string]string
}

func fileOf(m *Model) file {
	f := file{make(map[string]raw), map[string]string{"gorgonorm.n_head": fmt.Sprint(m.config.Heads),
		"gorgonorm.gelu": string(m.config.GELU)}}
	for name, d := range m.State() {
		v := own.ViewOf(name, d)
		f.tensors[name] = raw{v.DType(), v.Shape(), v.Data()}
	}
	return f
}

func (f file) write(t *testing.T) string {
	t.Helper()
	b, err := safetensors.Serialize(f.tensors, f.metadata)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, os.WriteFile(path, b, 0o666))
	return path
}

// put replaces an element of a float32 tensor.
func (f file) put(name string, i int, v float64) {
	binary.LittleEndian.PutUint32(f.tensors[name].data[4*i:], math.Float32bits(float32(v)))
}

// reshape replaces a tensor with float32 zeros of another shape.
func (f file) reshape(name string, shape ...uint64) {
	n := uint64(4)
	for _, s := range shape {
		n *= s
	}
	f.tensors[name] = raw{safetensors.F32, shape, make([]byte, n)}
}

// transpose transposes linear layers' weights to the layout of GPT-2's Conv1D.
func (f file) transpose() {
	for name, r := range f.tensors {
		if strings.Contains(name, ".c_") && len(r.shape) == 2 {
			x := make([]float32, len(r.data)/4)
			for i := range x {
				x[i] = math.Float32frombits(binary.LittleEndian.Uint32(r.data[4*i:]))
			}
			f.tensors[name] = raw{r.dtype, []uint64{r.shape[1], r.shape[0]}, make([]byte, len(r.data))}
			for i, v := range transposed(x, int(r.shape[1])) {
				f.put(name, i, float64(v))
			}
		}
	}
}

// TestNormThatNamesDoNotReveal: LayerNorm and RMSNorm without biases have the same tensors.
func TestNormThatNamesDoNotReveal(t *testing.T) {
	for _, c := range []struct {
		norm, metadata, given string
		bias                  bool
		want                  string
	}{
		{"layer", "", "", false, "layer"},
		{"rms", "", "", false, "layer"},
		{"rms", "rms", "", false, "rms"},
		{"rms", "", "rms", false, "rms"},
		{"rms", "", "", true, "rms"},
		{"layer", "", "", true, "layer"},
		{"none", "", "", false, "none"},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			config := tiny(c.norm)
			config.Bias = c.bias
			m, err := New(G.NewGraph(), config)
			require.NoError(t, err)
			f := fileOf(m)
			if c.metadata != "" {
				f.metadata["gorgonorm.norm"] = c.metadata
			}
			var given Config
			if c.given != "" {
				given.Norm, err = NormByName(c.given)
				require.NoError(t, err)
			}
			got, err := Load(G.NewGraph(), f.write(t), given)
			require.NoError(t, err)
			require.Equal(t, c.want, got.config.Norm.Name)
		})
	}
}

// TestPeriIsInferredFromNames if the metadata does not name the placement.
func TestPeriIsInferredFromNames(t *testing.T) {
	c := tiny("rms")
	c.Placement, c.Bias = Peri, true
	m, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	got, err := Load(G.NewGraph(), fileOf(m).write(t), Config{})
	require.NoError(t, err)
	sameConfig(t, m.config, got.config)
}

// TestLoadFileRefusesAnotherModelsWeights even if the names and shapes match.
func TestLoadFileRefusesAnotherModelsWeights(t *testing.T) {
	m, err := New(G.NewGraph(), tiny("none"))
	require.NoError(t, err)
	f := fileOf(m)
	f.metadata["gorgonorm.placement"], f.metadata["gorgonorm.gelu"] = "post", "exact"
	f.metadata["gorgonorm.n_head"] = "4"
	path := f.write(t)
	require.EqualError(t, m.LoadFile(path), "transformer: cannot load "+path+
		`: heads is 4, want 2; its metadata has placement "post", want "pre"; its metadata has gelu "exact", want `+
		`"tanh"`)
}

// TestGELUIsInferredFromTheLayout of the file, unless the metadata or the caller names it.
func TestGELUIsInferredFromTheLayout(t *testing.T) {
	for _, c := range []struct {
		transposed      bool
		metadata, given GELU
		want            GELU
	}{
		{false, "", "", Exact},
		{true, "", "", Tanh},
		{false, Tanh, "", Tanh},
		{true, Exact, "", Exact},
		{false, "", Tanh, Tanh},
		{false, Exact, Exact, Exact},
	} {
		m, err := New(G.NewGraph(), tiny("layer"))
		require.NoError(t, err)
		f := fileOf(m)
		if c.transposed {
			f.transpose()
		}
		delete(f.metadata, "gorgonorm.gelu")
		if c.metadata != "" {
			f.metadata["gorgonorm.gelu"] = string(c.metadata)
		}
		got, err := Load(G.NewGraph(), f.write(t), Config{GELU: c.given})
		require.NoError(t, err)
		require.Equal(t, c.want, got.config.GELU, "%+v", c)
	}
}

func numbersOf(r raw) (x []float32) {
	for i := 0; i < len(r.data); i += 4 {
		x = append(x, math.Float32frombits(binary.LittleEndian.Uint32(r.data[i:])))
	}
	return x
}

// TestMoreBlocksThanTensors is an error before the model is built, because a file of 192 bytes
// could request a model that takes minutes and gigabytes. The test measures all allocations, so
// it does not run in parallel with others.
func TestMoreBlocksThanTensors(t *testing.T) {
	for _, blocks := range []int{9_001, 83_001} { // below and above maxLayers
		f := file{tensors: make(map[string]raw), metadata: map[string]string{namespace + "n_head": "1"}}
		f.reshape(wteWeight, 1, 1)
		f.reshape(fmt.Sprintf("transformer.h.%d.ln_1.weight", blocks-1), 1)
		path := f.write(t)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		want := fmt.Sprintf("transformer: cannot load %s: it holds 2 tensors, too few for a model of %d blocks", path,
			blocks)
		_, err := Load(G.NewGraph(), path, Config{})
		require.EqualError(t, err, want)
		_, err = ReadConfig(path)
		require.EqualError(t, err, want)
		_, err = Load(G.NewGraph(), path, Config{Layers: 3})
		require.ErrorContains(t, err, "it holds 2 tensors, too few for a model of 3 blocks")
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
	}
}

// TestBadFilesChangeNothing, and one error lists all faults.
func TestBadFilesChangeNothing(t *testing.T) {
	const (
		ln   = "transformer.ln_f.weight"
		qkv  = "transformer.h.0.attn.c_attn.weight"
		mean = "transformer.h.1.ln_2.running_mean"
		vari = "transformer.h.1.ln_2.running_var"
		n    = "transformer.h.1.ln_2.num_batches_tracked"
	)
	for name, c := range map[string]struct {
		change func(f file)
		given  Config
		want   string
	}{
		"missing": {func(f file) { delete(f.tensors, ln); delete(f.tensors, vari) }, Config{},
			vari + " is missing; " + ln + " is missing"},
		"no embedding": {func(f file) { delete(f.tensors, wteWeight) }, Config{}, wteWeight + " is missing"},
		"no positions": {func(f file) { delete(f.tensors, wpeWeight) }, Config{}, wpeWeight + " is missing"},
		"a block": {func(f file) { delete(f.tensors, "transformer.h.0.mlp.c_fc.weight") }, Config{},
			"transformer.h.0.mlp.c_fc.weight is missing"},
		"shape":      {func(f file) { f.reshape(ln, 2, 4) }, Config{}, ln + " has shape (2, 4), want (8)"},
		"unexpected": {func(f file) { f.reshape("gain", 1) }, Config{}, "gain is unexpected"},
		"no name": {func(f file) { f.reshape("", 8); delete(f.tensors, ln) }, Config{},
			ln + ` is missing; "" is unexpected`},
		"no block": {func(f file) { f.reshape("other.h.9.w", 1) }, Config{}, "other.h.9.w is unexpected"},
		"type": {func(f file) { f.tensors[ln] = raw{safetensors.I32, []uint64{8}, make([]byte, 32)} },
			Config{}, ln + " is of type I32, which float32 does not hold"},
		"count": {func(f file) { f.reshape(n, 1) }, Config{}, n + " is of type F32, want I64"},
		"negative count": {func(f file) {
			f.tensors[n] = raw{safetensors.I64, []uint64{},
				bytes.Repeat([]byte{0xff}, 8)}
		}, Config{}, n + " is -1, want 0 or more"},
		"narrowed": {func(f file) { f.tensors[ln] = raw{safetensors.F64, []uint64{8}, make([]byte, 64)} },
			Config{}, ln + " is of type F64, which float32 does not hold"},
		"NaN": {func(f file) { f.put(qkv, 17, math.NaN()); f.put(qkv, 20, math.Inf(-1)) }, Config{},
			qkv + " holds NaN or infinity, 2 in all, the first at index 17"},
		"variances": {func(f file) { f.put(vari, 3, -1); f.put(mean, 3, -1) }, Config{},
			vari + " holds 1 negative variances"},
		"head": {func(f file) { f.reshape(headWeight, 7, 8) }, Config{},
			headWeight + " differs from " + wteWeight + ", which the model uses as its head"},
		"head's type": {func(f file) {
			f.tensors[headWeight] = raw{safetensors.I32, f.tensors[wteWeight].shape, f.tensors[wteWeight].data}
		}, Config{}, headWeight + " differs from " + wteWeight + ", which the model uses as its head"},
		"head, rounded": {func(f file) {
			f.tensors[headWeight] = raw{safetensors.BF16, []uint64{7, 8}, bfloat16s(numbersOf(f.tensors[wteWeight]))}
		}, Config{}, headWeight + " differs from " + wteWeight + ", which the model uses as its head"},
		"head's shape": {func(f file) { f.reshape(headWeight, 8, 7) }, Config{},
			headWeight + " differs from " + wteWeight + ", which the model uses as its head"},
		"twice": {func(f file) { f.reshape("ln_f.weight", 8) }, Config{}, ln + " duplicates ln_f.weight"},
		"no transformer": {func(f file) { clear(f.tensors); f.reshape("x", 3) }, Config{Heads: 2},
			"it holds no transformer with nanoGPT's or GPT-2's names: it has no matrix " + wteWeight + " or " +
				wpeWeight + " (its tensors: x)"},
		"heads": {func(f file) { delete(f.metadata, "gorgonorm.n_head") }, Config{},
			"the file does not reveal the number of heads: set Config.Heads"},
		"heads, missing": {func(f file) { delete(f.metadata, "gorgonorm.n_head"); delete(f.tensors, ln) }, Config{},
			"the file does not reveal the number of heads: set Config.Heads; " + ln + " is missing"},
		"no number": {func(f file) { f.metadata["gorgonorm.n_head"] = "0" }, Config{},
			`its metadata has gorgonorm.n_head "0", want a number of 1 or more`},
		"three heads": {func(f file) { f.metadata["gorgonorm.n_head"] = "3" }, Config{},
			"3 heads do not divide 8 channels"},
		"norm": {func(f file) { f.metadata["gorgonorm.norm"] = "best" }, Config{},
			`its metadata: unknown norm "best", want one of ` + fmt.Sprintf("%q", NormNames())},
		"given": {func(f file) { f.put(ln, 0, math.NaN()) },
			Config{Heads: 4, Layers: 3, Vocab: 9, Bias: true,
				QKNorm: true}, "vocabulary is 7, want 9; layers is 2, want 3; heads is 2, want 4; " +
				"transformer.h.{0..2}.attn.c_attn.bias is missing; "},
		"other norm": {func(f file) {
			f.metadata["gorgonorm.norm"], f.metadata["gorgonorm.placement"] = "batch",
				"pre"
		}, Config{Norm: Norms[2], Placement: Post, GELU: Exact},
			`its metadata has norm "batch", want "layer"; its metadata has placement "pre", want "post"; its ` +
				`metadata has gelu "tanh", want "exact"; `},
		"far too large": {func(f file) { f.reshape("transformer.h.99999.ln_1.weight", 8) }, Config{},
			"it holds 1773 numbers, but its names and shapes describe a model of 76800104"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := New(G.NewGraph(), tiny("batch"))
			require.NoError(t, err)
			f := fileOf(m)
			c.change(f)
			path := f.write(t)
			g := G.NewGraph()
			_, err = Load(g, path, c.given)
			want := "transformer: cannot load " + path + ": " + c.want
			if strings.HasSuffix(want, "; ") {
				require.ErrorContains(t, err, want)
			} else {
				require.EqualError(t, err, want)
			}
			require.Empty(t, g.AllNodes())

			randomize(m, 3)
			before := m.State()
			err = m.LoadFile(path)
			if name == "heads" || name == "other norm" { // LoadFile takes these from the model
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			sameState(t, before, m.State())
		})
	}
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	path := saved(t, m)
	unbound, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	unbound.g.UnbindAll()
	require.ErrorContains(t, unbound.LoadFile(path),
		"transformer.wte.weight has no memory in the model, whose graph has been unbound")
	_, err = Load(nil, saved(t, m), Config{})
	require.EqualError(t, err, "transformer: the graph is nil")
	_, err = Load(G.NewGraph(), "nowhere", Config{})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, m.LoadFile("nowhere"), os.ErrNotExist)
}

// TestOneMissingTensorIsNamed, because the other tensors of its kind still reveal the model.
func TestOneMissingTensorIsNamed(t *testing.T) {
	for _, c := range []struct {
		norm string
		qk   bool
		name string
	}{
		{"layer", false, "transformer.h.0.attn.c_attn.bias"},
		{"layer", false, "transformer.h.0.ln_1.bias"},
		{"layer", true, "transformer.h.0.attn.q_norm.weight"},
		{"batch", false, "transformer.h.0.ln_1.running_mean"},
		{"dyt", false, "transformer.h.0.ln_1.alpha"},
		{"derf", false, "transformer.h.0.ln_1.shift"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := tiny(c.norm)
			config.Bias, config.QKNorm = true, c.qk
			m, err := New(G.NewGraph(), config)
			require.NoError(t, err)
			f := fileOf(m)
			delete(f.tensors, c.name)
			path := f.write(t)
			_, err = Load(G.NewGraph(), path, Config{})
			require.EqualError(t, err, "transformer: cannot load "+path+": "+c.name+" is missing")
		})
	}
}

// TestLayoutIsInferredFromAnyBlock even if one block lacks the tensor that reveals it.
func TestLayoutIsInferredFromAnyBlock(t *testing.T) {
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	f := fileOf(m)
	f.transpose()
	delete(f.tensors, "transformer.h.0.attn.c_attn.weight")
	path := f.write(t)
	require.EqualError(t, m.LoadFile(path),
		"transformer: cannot load "+path+": transformer.h.0.attn.c_attn.weight is missing")
}

// TestHeadsAreInferredFromQKNorm, whose weights have the size of a head.
func TestHeadsAreInferredFromQKNorm(t *testing.T) {
	c := tiny("layer")
	c.QKNorm, c.Heads = true, 4
	m, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	f := fileOf(m)
	delete(f.metadata, "gorgonorm.n_head")
	got, err := Load(G.NewGraph(), f.write(t), Config{})
	require.NoError(t, err)
	require.Equal(t, 4, got.config.Heads)
}

// TestFaultsAreReadable for many blocks, for very many tensors, and for names with characters that
// a terminal must not receive.
func TestFaultsAreReadable(t *testing.T) {
	require.Equal(t, []string{
		"transformer.h.{0..2,4,6..7}.ln_1.bias is missing",
		"h.1.x is unexpected",
		`"a b\n\x1b[31m" is unexpected`,
		`"" is unexpected`,
		`"two words" is unexpected`,
		"transformer.h.3.ln_1.bias is of type I8",
	}, byBlock(Faults{
		{"transformer.h.4.ln_1.bias", "is missing"},
		{"transformer.h.0.ln_1.bias", "is missing"},
		{"transformer.h.1.ln_1.bias", "is missing"},
		{"transformer.h.2.ln_1.bias", "is missing"},
		{"h.1.x", "is unexpected"},
		{"transformer.h.6.ln_1.bias", "is missing"},
		{"transformer.h.7.ln_1.bias", "is missing"},
		{"a b\n\x1b[31m", "is unexpected"},
		{"", "is unexpected"},
		{"two words", "is unexpected"},
		{"transformer.h.3.ln_1.bias", "is of type I8"},
	}).sentences())
	for want, numbers := range map[string][]int{
		"7": {7}, "{0..3}": {2, 0, 3, 1}, "{0,2,4..6}": {0, 2, 4, 5, 6}, "": nil,
	} {
		require.Equal(t, want, braced(numbers))
	}
	many := make(Faults, 1000)
	for i := range many {
		many[i] = Fault{fmt.Sprint("x", i), "is unexpected"}
	}
	sentences := many.sentences()
	require.Len(t, sentences, 101)
	require.Equal(t, "and so on, 1000 in all", sentences[100])
}
