package checkpoint

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gorgonorm/internal/text"
	"gorgonorm/models/transformer"
)

// settings holds the known members of config.json, with the names used by this module's runs, by
// nanoGPT and by GPT-2 on the hubs.
type settings struct {
	Norm       string                `json:"norm"`
	Placement  transformer.Placement `json:"placement"`
	GELU       transformer.GELU      `json:"gelu"`
	QKNorm     bool                  `json:"qk_norm"`
	Layers     int                   `json:"layers"`
	Heads      int                   `json:"heads"`
	Channels   int                   `json:"channels"`
	Context    int                   `json:"context"`
	Bias       bool                  `json:"bias"` // also nanoGPT's
	Vocabulary string                `json:"vocabulary"`

	NLayer    int `json:"n_layer"`
	NHead     int `json:"n_head"`
	NEmbd     int `json:"n_embd"`
	BlockSize int `json:"block_size"` // nanoGPT's context
	VocabSize int `json:"vocab_size"`

	NPositions int      `json:"n_positions"` // GPT-2's context
	NCtx       int      `json:"n_ctx"`       // the same in older files
	NInner     int      `json:"n_inner"`     // hidden features of the MLP
	Epsilon    *float64 `json:"layer_norm_epsilon"`
	Activation string   `json:"activation_function"`
	Scale      *bool    `json:"scale_attn_weights"`
	ByLayer    bool     `json:"scale_attn_by_inverse_layer_idx"`

	// The transformers library's names for the sizes of any model.
	HiddenLayers   int `json:"num_hidden_layers"`
	AttentionHeads int `json:"num_attention_heads"`
	HiddenSize     int `json:"hidden_size"`
	MaxPositions   int `json:"max_position_embeddings"`

	// Members that can describe a model other than GPT-2.
	ModelType      string         `json:"model_type"`
	Architectures  []string       `json:"architectures"`
	Tied           *bool          `json:"tie_word_embeddings"`
	CrossAttention bool           `json:"add_cross_attention"`
	EncoderDecoder bool           `json:"is_encoder_decoder"`
	Pruned         map[string]any `json:"pruned_heads"`
}

// architectures lists the transformers library's classes that contain this model.
var architectures = []string{"GPT2LMHeadModel", "GPT2Model", "GPT2DoubleHeadsModel"}

// readConfig reads a config.json. A missing file is not an error.
func readConfig(path string) (c transformer.Config, vocabulary string, err error) {
	b, err := text.ReadFile(path, text.MaxJSON)
	if errors.Is(err, fs.ErrNotExist) {
		return c, "", nil
	}
	if err != nil {
		return c, "", err
	}
	if b, err = text.JSON(b); err != nil {
		return c, "", fmt.Errorf("%s %w", path, err)
	}
	var s settings
	if err := json.Unmarshal(b, &s); err != nil {
		return c, "", fmt.Errorf("%s: %w", path, err)
	}
	unknown, err := unknownMembers(b)
	if err != nil {
		return c, "", fmt.Errorf("%s: %w", path, err)
	}
	if c, err = s.config(unknown); err != nil {
		return c, "", fmt.Errorf("%s: %w", path, err)
	}
	return c, s.Vocabulary, nil
}

// config returns the configuration, taking each setting from whichever of its names is present. It
// returns an error that lists all settings and unknown members that describe another model.
func (s settings) config(unknown []string) (c transformer.Config, err error) {
	faults := append(s.foreign(), s.unsupported()...)
	one := func(name string, values ...int) (found int) {
		for _, v := range values {
			if v != 0 && found != 0 && v != found {
				faults = append(faults, fmt.Sprintf("%s is both %d and %d", name, found, v))
			}
			if found == 0 {
				found = v
			}
		}
		return found
	}
	c = transformer.Config{
		Vocab:     s.VocabSize,
		Context:   one("context", s.Context, s.BlockSize, s.NPositions, s.NCtx, s.MaxPositions),
		Layers:    one("layers", s.Layers, s.NLayer, s.HiddenLayers),
		Heads:     one("heads", s.Heads, s.NHead, s.AttentionHeads),
		Channels:  one("channels", s.Channels, s.NEmbd, s.HiddenSize),
		Placement: s.Placement, QKNorm: s.QKNorm, Bias: s.Bias,
	}
	if s.Norm != "" {
		if c.Norm, err = transformer.NormByName(s.Norm); err != nil {
			faults = append(faults, strings.TrimPrefix(err.Error(), "transformer: "))
		}
	}
	if c.GELU, err = s.gelu(); err != nil {
		faults = append(faults, err.Error())
	}
	if s.NInner != 0 && c.Channels != 0 && (s.NInner%4 != 0 || s.NInner/4 != c.Channels) {
		faults = append(faults,
			fmt.Sprintf("n_inner is %d, want 4·%d, the size of this model's MLP", s.NInner, c.Channels))
	}
	if len(unknown) > 0 {
		faults = append(faults, fmt.Sprintf("it has unknown members that may change what the model computes: "+
			"%q (remove them if they do not)", unknown))
	}
	if len(faults) > 0 {
		return c, errors.New(strings.Join(faults, "; "))
	}
	return c, nil
}

// unsupported lists GPT-2 settings that this module does not implement.
func (s settings) unsupported() (faults []string) {
	if e := s.Epsilon; e != nil && *e != 1e-5 {
		faults = append(faults, fmt.Sprintf("layer_norm_epsilon is %g, want 1e-05", *e))
	}
	if s.Scale != nil && !*s.Scale || s.ByLayer {
		faults = append(faults, "attention's logits are not scaled by 1/√size")
	}
	if s.CrossAttention || s.EncoderDecoder {
		faults = append(faults, "it attends to an encoder, which this model lacks")
	}
	if len(s.Pruned) > 0 {
		faults = append(faults, "pruned_heads is not empty, which is not supported")
	}
	if s.Tied != nil && !*s.Tied {
		faults = append(faults, "tie_word_embeddings is false, but the head is the embedding")
	}
	return faults
}

// foreign lists settings that name a model other than GPT-2.
func (s settings) foreign() (faults []string) {
	if s.ModelType != "" && s.ModelType != "gpt2" {
		faults = append(faults, fmt.Sprintf("model_type is %q, want \"gpt2\"", s.ModelType))
	}
	for _, a := range s.Architectures {
		if !slices.Contains(architectures, a) {
			faults = append(faults, fmt.Sprintf("architectures has %q, want one of %q", a, architectures))
		}
	}
	return faults
}

// gelu returns the form of the activation, or "" if it is unknown.
func (s settings) gelu() (transformer.GELU, error) {
	switch s.Activation {
	case "":
	case "gelu_new", "gelu_pytorch_tanh":
		return transformer.Tanh, nil
	case "gelu":
		return transformer.Exact, nil
	default:
		return "", fmt.Errorf("activation_function is %q, want \"gelu_new\" or \"gelu\"", s.Activation)
	}
	if s.Norm != "" { // a run of this module, which omits the default form
		return cmp.Or(s.GELU, transformer.Tanh), nil
	}
	return s.GELU, nil
}
