package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/models/transformer"
)

// options are the values of the flags.
type options struct {
	model    string
	given    transformer.Config // settings of the model that its files may lack
	prompt   *string            // nil if not given
	file     string             // with the prompt
	special  bool               // whether texts have special tokens
	n        int
	sampling transformer.Sampling
	eval     string
}

const usage = `Usage: go run ./examples/generate -model DIR_OR_FILE [flags]

Continues a prompt with text sampled from a saved model. With -eval it measures
how well the model predicts a text instead:

  go run ./examples/stability -norms layer -lr 1e-3
  go run ./examples/generate -model runs/layer-pre-lr0.001-seed1 \
      -prompt "The light " -n 500
  go run ./examples/generate -model runs/layer-pre-lr0.001-seed1 -eval FILE

A model is a run of examples/stability, or a published checkpoint of nanoGPT or
GPT-2: a directory with model.safetensors, or with the index of its parts, or
one of these files with the others beside it. config.json has settings that the
weights lack. The tokens come from the config.json of a run, from meta.json
(nanoGPT's meta of a character model), from tokenizer.json, or from vocab.json
and merges.txt (GPT-2's). Texts are in UTF-8 without a byte order mark, and
their lines end in LF.

Writes the text to standard output while it is sampled, and the speed to
standard error. The same seed gives the same text. When a text fills the model's
context, the model forgets the older half of it.

Flags:
`

func parse(args []string, help io.Writer) (o options, err error) {
	o.sampling = transformer.Sampling{Temperature: 0.8, TopK: 200, Seed: 1}
	var norm string
	f := flag.NewFlagSet("generate", flag.ContinueOnError)
	f.StringVar(&o.model, "model", "", "`directory or file` of the model")
	f.Func("prompt", "`text` to continue, with the escapes of Go strings: \\n is a new line, \\\\ a backslash "+
		"(default \\n, or the vocabulary's first character if it lacks \\n)", func(s string) error {
		s, err := unescape(s)
		o.prompt = &s
		return err
	})
	f.StringVar(&o.file, "prompt-file", "", "`file` to continue, without escapes; - for standard input")
	f.BoolVar(&o.special, "special", true,
		"find special tokens such as <|endoftext|> in texts; with -special=false they are ordinary text")
	f.IntVar(&o.n, "n", 500, "tokens to sample")
	f.Float64Var(&o.sampling.Temperature, "temperature", o.sampling.Temperature,
		"divisor of the logits: below 1, likely tokens become likelier; 0 always takes the likeliest token")
	f.IntVar(&o.sampling.TopK, "top-k", o.sampling.TopK, "sample among this many likeliest tokens; 0 for all tokens")
	f.Uint64Var(&o.sampling.Seed, "seed", o.sampling.Seed, "seed of the samples")
	f.StringVar(&o.eval, "eval", "",
		"`file` of text to predict instead of sampling, - for standard input; prints the loss and the perplexity, "+
			"over windows of the model's context that do not overlap")
	f.IntVar(&o.given.Heads, "heads", 0, "attention heads, for a model whose files lack their number")
	f.StringVar(&norm, "norm", "",
		"`norm` of a model whose files lack it; by default, weights that fit both layer and rms are loaded as layer")
	f.StringVar((*string)(&o.given.GELU), "gelu", "",
		"`form` of GELU, tanh (GPT-2's) or exact (nanoGPT's), for a model whose weights lack it; "+
			"takes precedence over config.json")
	if err := cli.Parse(f, args, usage, help); err != nil {
		return o, err
	}
	given := make(map[string]bool)
	f.Visit(func(f *flag.Flag) {
		given[f.Name] = true
		if (f.Name == "eval" || f.Name == "prompt-file") && f.Value.String() == "" {
			err = cli.Usage(fmt.Errorf("-%s is empty, want a file", f.Name))
		}
	})
	if err == nil && norm != "" {
		if o.given.Norm, err = transformer.NormByName(norm); err != nil {
			err = cli.Usage(err)
		}
	}
	if err != nil {
		return o, err
	}
	for _, name := range []string{"prompt", "prompt-file", "n", "temperature", "top-k", "seed"} {
		if given["eval"] && given[name] {
			return o, cli.Usage(fmt.Errorf("-%s has no effect with -eval, which samples nothing: give one of them", name))
		}
	}
	if err := o.check(); err != nil {
		return o, cli.Usage(err)
	}
	return o, nil
}

// check returns an error for the first option out of range or missing.
func (o options) check() error {
	switch g := o.given.GELU; {
	case o.model == "":
		return errors.New("-model is missing, want the directory or the safetensors file of a model")
	case o.prompt != nil && o.file != "":
		return errors.New("-prompt and -prompt-file cannot be combined")
	case o.n < 1:
		return fmt.Errorf("-n is %d, want 1 or more", o.n)
	case o.given.Heads < 0:
		return fmt.Errorf("-heads is %d, want 1 or more", o.given.Heads)
	case g != "" && !slices.Contains(transformer.GELUs, g):
		return fmt.Errorf("-gelu is %q, want one of %q", g, transformer.GELUs)
	}
	return o.sampling.Validate()
}
