package checkpoint

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
)

// openConfig opens a directory with this config.json.
func openConfig(t *testing.T, config string) (dir string, c Checkpoint, err error) {
	t.Helper()
	dir = directory(t, map[string]string{"model.safetensors": "", "config.json": config})
	c, err = Open(dir)
	return dir, c, err
}

// TestGPT2ConfigsAreRead with all members that versions 2 to 5 of the transformers library write, and
// with nanoGPT's.
func TestGPT2ConfigsAreRead(t *testing.T) {
	t.Parallel()
	const sizes = `"n_embd": 128, "n_head": 2, "n_layer": 4, "vocab_size": 2000, `
	for name, config := range map[string]string{
		"version 2": sizes + `
			"attn_pdrop": 0.1, "embd_pdrop": 0.1, "finetuning_task": null, "initializer_range": 0.02,
			"layer_norm_epsilon": 1e-05, "n_ctx": 64, "n_positions": 64, "num_labels": 1, "output_attentions": false,
			"output_hidden_states": false, "output_past": true, "pruned_heads": {}, "resid_pdrop": 0.1,
			"summary_activation": null, "summary_first_dropout": 0.1, "summary_proj_to_labels": true,
			"summary_type": "cls_index", "summary_use_proj": true, "torchscript": false, "use_bfloat16": false,
			"n_special": 0, "predict_special_tokens": true`,
		"version 4": sizes + `
			"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
			"bos_token_id": 50256, "dtype": "float32", "embd_pdrop": 0.1, "eos_token_id": 50256,
			"gradient_checkpointing": false, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05,
			"model_type": "gpt2", "n_ctx": 64, "n_inner": null, "n_positions": 64, "reorder_and_upcast_attn": true,
			"resid_pdrop": 0.1, "scale_attn_by_inverse_layer_idx": false, "scale_attn_weights": true,
			"summary_activation": null, "summary_first_dropout": 0.1, "summary_proj_to_labels": true,
			"summary_type": "cls_index", "summary_use_proj": true,
			"task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}},
			"transformers_version": "4.57.3", "use_cache": true, "hidden_size": 128, "n_inner": 512,
			"_name_or_path": "gpt2", "torch_dtype": "float16", "pad_token_id": 0`,
		"all of version 4": sizes + `
			"add_cross_attention": false, "bad_words_ids": null, "begin_suppress_tokens": null,
			"chunk_size_feed_forward": 0, "cross_attention_hidden_size": null, "decoder_start_token_id": null,
			"diversity_penalty": 0.0, "do_sample": false, "early_stopping": false, "encoder_no_repeat_ngram_size": 0,
			"exponential_decay_length_penalty": null, "forced_bos_token_id": null, "forced_eos_token_id": null,
			"id2label": {"0": "LABEL_0"}, "is_decoder": true, "is_encoder_decoder": false, "label2id": {"LABEL_0": 0},
			"length_penalty": 1.0, "max_length": 20, "min_length": 0, "no_repeat_ngram_size": 0, "num_beam_groups": 1,
			"num_beams": 1, "num_return_sequences": 1, "output_scores": false, "prefix": null, "problem_type": null,
			"remove_invalid_values": false, "repetition_penalty": 1.0, "return_dict": true,
			"return_dict_in_generate": false, "sep_token_id": null, "suppress_tokens": null, "temperature": 1.0,
			"tf_legacy_loss": false, "tie_encoder_decoder": false, "tie_word_embeddings": true,
			"tokenizer_class": null, "top_k": 50, "top_p": 1.0, "typical_p": 1.0, "max_position_embeddings": 64,
			"num_attention_heads": 2, "num_hidden_layers": 4, "n_positions": 64`,
		"version 5": sizes + `
			"activation_function": "gelu_new", "add_cross_attention": false, "architectures": ["GPT2LMHeadModel"],
			"dtype": "float32", "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 64, "n_inner": null,
			"n_positions": 64, "pad_token_id": null, "tie_word_embeddings": true, "transformers_version": "5.0.0",
			"use_cache": false`,
		"nanoGPT's model_args": sizes + `
			"block_size": 64, "bias": false, "dropout": 0.0`,
		"nanoGPT's config": sizes + `
			"out_dir": "out", "eval_interval": 250, "log_interval": 10, "eval_iters": 200, "eval_only": false,
			"always_save_checkpoint": false, "init_from": "scratch", "wandb_log": false, "wandb_project": "p",
			"wandb_run_name": "r", "dataset": "shakespeare_char", "gradient_accumulation_steps": 1, "batch_size": 64,
			"block_size": 64, "dropout": 0.2, "bias": false, "learning_rate": 1e-3, "max_iters": 5000,
			"weight_decay": 0.1, "beta1": 0.9, "beta2": 0.99, "grad_clip": 1.0, "decay_lr": true, "warmup_iters": 100,
			"lr_decay_iters": 5000, "min_lr": 1e-4, "backend": "nccl", "device": "cuda", "dtype": "bfloat16",
			"compile": true`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, c, err := openConfig(t, "{"+config+"}")
			require.NoError(t, err)
			require.Equal(t, []int{2000, 64, 4, 2, 128},
				[]int{c.Config.Vocab, c.Config.Context, c.Config.Layers, c.Config.Heads, c.Config.Channels})
		})
	}
}

// TestEveryMemberOfARunIsKnown, including those that a run writes only sometimes.
func TestEveryMemberOfARunIsKnown(t *testing.T) {
	t.Parallel()
	members := make(map[string]any)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[runlog.Config]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		members[name] = nil
	}
	require.NotContains(t, members, "")
	b, err := json.Marshal(members)
	require.NoError(t, err)
	names, err := unknownMembers(b)
	require.NoError(t, err)
	require.Empty(t, names)
}

// TestOtherArchitecturesAreErrors because of what they are or because of members that may change the
// computation. Their weights may have GPT-2's names and shapes.
func TestOtherArchitecturesAreErrors(t *testing.T) {
	t.Parallel()
	const unknownMembers = "it has unknown members that may change what the model computes: "
	const remove = " (remove them if they do not)"
	for config, want := range map[string]string{
		`{"model_type": "gpt_bigcode", "n_head": 2}`: `model_type is "gpt_bigcode", want "gpt2"`,
		`{"model_type": "GPT2"}`:                     `model_type is "GPT2", want "gpt2"`,
		`{"architectures": ["GPT2LMHeadModel", "GPTBigCodeForCausalLM"]}`: `architectures has ` +
			`"GPTBigCodeForCausalLM", want one of ["GPT2LMHeadModel" "GPT2Model" "GPT2DoubleHeadsModel"]`,
		`{"architectures": ["GPT2ForSequenceClassification"]}`: `architectures has "GPT2ForSequenceClassification", ` +
			`want one of ["GPT2LMHeadModel" "GPT2Model" "GPT2DoubleHeadsModel"]`,
		`{"n_head": 2, "mup_width_multiplier": 4.0, "mup": true}`: unknownMembers + `["mup" "mup_width_multiplier"]` +
			remove,
		`{"n_head": 2, "mup_enabled": false}`: unknownMembers + `["mup_enabled"]` + remove,
		`{"N_Head": 2}`:                       unknownMembers + `["N_Head"]` + remove,
		`{"rotary_dim": 64}`:                  unknownMembers + `["rotary_dim"]` + remove,
		`{"": 1}`:                             unknownMembers + `[""]` + remove,
		`{"auto_map": {"AutoModel": "modeling.GPT"}}`: unknownMembers + `["auto_map"]` + remove,
		`{"quantization_config": {"bits": 4}}`:        unknownMembers + `["quantization_config"]` + remove,
		`{"multi_query": false, "model_type": "gpt_bigcode"}`: `model_type is "gpt_bigcode", want "gpt2"; ` +
			unknownMembers + `["multi_query"]` + remove,
		`{"tie_word_embeddings": false}`:          "tie_word_embeddings is false, but the head is the embedding",
		`{"add_cross_attention": true}`:           "it attends to an encoder, which this model lacks",
		`{"is_encoder_decoder": true}`:            "it attends to an encoder, which this model lacks",
		`{"pruned_heads": {"0": [1]}}`:            "pruned_heads is not empty, which is not supported",
		`{"n_embd": 8, "n_inner": 16}`:            "n_inner is 16, want 4·8, the size of this model's MLP",
		`{"n_positions": 64, "n_ctx": 32}`:        "context is both 64 and 32",
		`{"n_embd": 64, "hidden_size": 32}`:       "channels is both 64 and 32",
		`{"n_head": 4, "num_attention_heads": 2}`: "heads is both 4 and 2",
		`{"n_layer": 4, "num_hidden_layers": 2}`:  "layers is both 4 and 2",
		`{"scale_attn_weights": false}`:           "attention's logits are not scaled by 1/√size",
	} {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			dir, c, err := openConfig(t, config)
			require.EqualError(t, err, "checkpoint: "+filepath.Join(dir, "config.json")+": "+want)
			require.Zero(t, c.Weights)
		})
	}
}
