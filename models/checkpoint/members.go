package checkpoint

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// unknownMembers lists the members of a config.json that are neither settings nor harmless. A fork
// may have added any of them to change the computation.
func unknownMembers(text []byte) (names []string, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[settings]()) {
		delete(members, f.Tag.Get("json"))
	}
	for _, name := range harmless {
		delete(members, name)
	}
	return slices.Sorted(maps.Keys(members)), nil
}

// harmless lists members that do not change the logits of a model with given weights.
var harmless = slices.Concat(
	// Records of this module's runs other than the model.
	strings.Fields(`
		batch steps seed warmup lr min_lr weight_decay clip eval_every eval_batches probe_every
		stop_on_divergence norm_noise order text_share statistics_batches landscape_every init init_sha256
		init_except data data_sha256`),
	// nanoGPT's settings for a training run (train.py), and the dropout in its model_args.
	strings.Fields(`
		dropout out_dir eval_interval log_interval eval_iters eval_only always_save_checkpoint
		init_from wandb_log wandb_project wandb_run_name dataset gradient_accumulation_steps
		batch_size learning_rate max_iters beta1 beta2 grad_clip decay_lr warmup_iters
		lr_decay_iters backend device compile`),
	// GPT2Config in all versions of the transformers library. Upcasting changes only the rounding of
	// float16.
	strings.Fields(`
		resid_pdrop embd_pdrop attn_pdrop initializer_range use_cache bos_token_id eos_token_id
		summary_type summary_use_proj summary_activation summary_proj_to_labels
		summary_first_dropout reorder_and_upcast_attn gradient_checkpointing n_special
		predict_special_tokens output_past`),
	// PretrainedConfig, the configuration of every model in that library.
	strings.Fields(`
		transformers_version torch_dtype dtype use_bfloat16 torchscript tf_legacy_loss xla_device
		name_or_path _name_or_path _commit_hash attn_implementation _attn_implementation
		_attn_implementation_autoset _attn_implementation_internal _output_attentions
		task_specific_params finetuning_task id2label label2id num_labels _num_labels problem_type
		tokenizer_class prefix pad_token_id sep_token_id decoder_start_token_id return_dict
		use_return_dict output_hidden_states output_attentions chunk_size_feed_forward is_decoder
		tie_encoder_decoder cross_attention_hidden_size`),
	// Settings for sampling from a model in that library.
	strings.Fields(`
		max_length min_length max_new_tokens do_sample early_stopping num_beams num_beam_groups
		diversity_penalty temperature top_k top_p typical_p repetition_penalty length_penalty
		no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences
		output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id
		remove_invalid_values exponential_decay_length_penalty suppress_tokens
		begin_suppress_tokens`),
)
