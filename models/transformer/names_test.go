package transformer

import (
	"encoding/binary"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// widened returns a float32 tensor as float64, with the signs of zeros flipped.
func (f file) widened(name string) raw {
	r := f.tensors[name]
	wide := raw{safetensors.F64, r.shape, nil}
	for i := 0; i < len(r.data); i += 4 {
		v := float64(math.Float32frombits(binary.LittleEndian.Uint32(r.data[i:])))
		if v == 0 {
			v = -v
		}
		wide.data = binary.LittleEndian.AppendUint64(wide.data, math.Float64bits(v))
	}
	return wide
}

// bfloat16s encodes numbers that bfloat16 represents exactly.
func bfloat16s(x []float32) (b []byte) {
	for _, v := range x {
		b = binary.LittleEndian.AppendUint16(b, uint16(math.Float32bits(v)>>16))
	}
	return b
}

// TestLoadAcceptsNamesOfOtherPrograms: names of wrapped models and of GPT-2 on the hubs, attention
// masks, and the head's weight in every form in which PyTorch saves it.
func TestLoadAcceptsNamesOfOtherPrograms(t *testing.T) {
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	randomize(m, 1)
	wte := m.Learnables()[0].Value().Data().([]float32)
	for i := range wte { // truncate to bfloat16, with zeros of both signs
		wte[i] = math.Float32frombits(math.Float32bits(wte[i]) &^ 0xffff)
	}
	wte[5], wte[6] = 0, float32(math.Copysign(0, -1))
	rename := func(f file, to func(string) string) {
		for name, r := range maps.Clone(f.tensors) {
			delete(f.tensors, name)
			f.tensors[to(name)] = r
		}
	}
	mask := raw{safetensors.BOOL, []uint64{1, 1, 2, 2}, []byte{1, 0, 1, 1}}
	for name, change := range map[string]func(f file){
		"as it is":      func(f file) {},
		"with a head":   func(f file) { f.tensors[headWeight] = f.tensors[wteWeight] },
		"only the head": func(f file) { f.tensors[headWeight] = f.tensors[wteWeight]; delete(f.tensors, wteWeight) },
		"compiled":      func(f file) { rename(f, func(s string) string { return "_orig_mod." + s }) },
		"compiled, head": func(f file) {
			f.tensors[headWeight] = f.tensors[wteWeight]
			rename(f, func(s string) string { return "_orig_mod." + s })
		},
		"wrapped twice": func(f file) { rename(f, func(s string) string { return "module._orig_mod." + s }) },
		"the other way": func(f file) { rename(f, func(s string) string { return "_orig_mod.module." + s }) },
		"data parallel": func(f file) { rename(f, func(s string) string { return "module." + s }) },
		"wrapped, GPT-2": func(f file) {
			rename(f, func(s string) string { return "module." + strings.TrimPrefix(s, "transformer.") })
			f.transpose()
		},
		"blocks compiled": func(f file) {
			rename(f, func(s string) string { return strings.Replace(s, ".attn.", "._orig_mod.attn.", 1) })
		},
		"FSDP": func(f file) {
			rename(f, func(s string) string {
				return "_fsdp_wrapped_module." +
					strings.Replace(s, ".mlp.", "._fsdp_wrapped_module._checkpoint_wrapped_module.mlp.", 1)
			})
		},
		"head as float64": func(f file) { f.tensors[headWeight] = f.widened(wteWeight) },
		"head as bfloat16": func(f file) {
			f.tensors[headWeight] = raw{safetensors.BF16, []uint64{7, 8}, bfloat16s(m.State()[wteWeight].Float32s())}
		},
		"no prefix": func(f file) { rename(f, func(s string) string { return strings.TrimPrefix(s, "transformer.") }) },
		"masks": func(f file) {
			f.tensors["transformer.h.0.attn.bias"], f.tensors["transformer.h.1.attn.masked_bias"] = mask, mask
		},
		"transposed": file.transpose,
	} {
		t.Run(name, func(t *testing.T) {
			f := fileOf(m)
			change(f)
			got, err := Load(G.NewGraph(), f.write(t), Config{})
			require.NoError(t, err)
			sameConfig(t, m.config, got.config)
			sameState(t, m.State(), got.State())
		})
	}
}

// TestNamesOfAnotherModelAreListed, with those of several blocks merged.
func TestNamesOfAnotherModelAreListed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want  string
		names []string
	}{
		{"none", nil},
		{"model.embed_tokens.weight, model.layers.{0..2}.mlp.up_proj.weight, " +
			"model.layers.{0..1}.self_attn.q_proj.weight, model.norm.weight", []string{
			"model.embed_tokens.weight", "model.norm.weight",
			"model.layers.0.self_attn.q_proj.weight", "model.layers.1.self_attn.q_proj.weight",
			"model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight",
			"model.layers.2.mlp.up_proj.weight",
		}},
		{`"", {0,2}.weight, "a\x1b[31m"`, []string{"0.weight", "2.weight", "a\x1b[31m", ""}},
		{"a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t and so on, 23 in all",
			strings.Fields("a b c d e f g h i j k l m n o p q r s t u v w")},
	} {
		f := file{tensors: make(map[string]raw)}
		for _, name := range test.names {
			f.reshape(name, 2)
		}
		path := f.write(t)
		_, err := Load(G.NewGraph(), path, Config{Heads: 2})
		require.EqualError(t, err,
			"transformer: cannot load "+path+": it holds no transformer with nanoGPT's or GPT-2's names: it has no "+
				"matrix transformer.wte.weight or transformer.wpe.weight (its tensors: "+test.want+")")
	}
}
