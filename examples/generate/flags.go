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

// options are the command line.
type options struct {
	model    string
	given    transformer.Config // what is said of the model beside its files
	prompt   *string            // nil where it is not given
	file     string             // of the prompt
	special  bool               // special tokens are found in texts
	n        int
	sampling transformer.Sampling
	eval     string
}

const usage = `Usage: go run ./examples/generate -model DIR_OR_FILE [flags]

Continues a prompt with text that a saved model samples, or says with -eval how
well the model predicts a text:

  go run ./examples/stability -norms layer -lr 1e-3
  go run ./examples/generate -model runs/layer-pre-lr0.001-seed1 -prompt "The light " -n 500
  go run ./examples/generate -model runs/layer-pre-lr0.001-seed1 -eval FILE

A model is what examples/stability has saved, a checkpoint of nanoGPT or GPT-2 as
published: a directory with model.safetensors or the index of its parts, or such a
file with the others beside it. config.json tells what the weights do not. The text's characters or tokens
come from a run's config.json, from meta.json (nanoGPT's meta of a character
model), or from tokenizer.json, or vocab.json and merges.txt (GPT-2's). Texts are in
UTF-8, without a byte order mark and with line ends of Unix.

The text goes to standard output as it is sampled, the speed to standard error.
The same seed gives the same text. Once the text is longer than the model's context,
the older half of that is forgotten whenever it is full.

Flags:
`

func parse(args []string, help io.Writer) (o options, err error) {
	o.sampling = transformer.Sampling{Temperature: 0.8, TopK: 200, Seed: 1}
	var norm string
	f := flag.NewFlagSet("generate", flag.ContinueOnError)
	f.StringVar(&o.model, "model", "", "the `directory or file` of the model")
	f.Func("prompt", `the `+"`text`"+` to continue, with the escapes of a string in Go: \n is a new line, \\ a backslash (default \n, or a vocabulary's first character where it has no \n)`, func(s string) error {
		s, err := unescape(s)
		o.prompt = &s
		return err
	})
	f.StringVar(&o.file, "prompt-file", "", "a `file` to continue as it stands, - for standard input")
	f.BoolVar(&o.special, "special", true, "find special tokens such as <|endoftext|> in texts; with -special=false they are text like any other")
	f.IntVar(&o.n, "n", 500, "tokens to sample")
	f.Float64Var(&o.sampling.Temperature, "temperature", o.sampling.Temperature, "divides the logits: below 1 the likely becomes likelier, and 0 takes the likeliest alone")
	f.IntVar(&o.sampling.TopK, "top-k", o.sampling.TopK, "sample among so many likeliest tokens; 0 for all")
	f.Uint64Var(&o.sampling.Seed, "seed", o.sampling.Seed, "the same seed draws the same text")
	f.StringVar(&o.eval, "eval", "", "a `file` of text to predict, - for standard input, instead of sampling: prints the loss a token and the perplexity, over windows of the context that do not overlap")
	f.IntVar(&o.given.Heads, "heads", 0, "attention heads, where the model's files do not tell")
	f.StringVar(&norm, "norm", "", "the `norm` of a model whose files do not tell it: rms, where it has no biases, for that is taken to be layer")
	f.StringVar((*string)(&o.given.GELU), "gelu", "", "the `form` of GELU, tanh (GPT-2's) or exact (nanoGPT's), of a model whose weights do not tell it; before what config.json says")
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
			return o, cli.Usage(fmt.Errorf("-eval samples nothing, so that -%s has no effect: want one of them", name))
		}
	}
	if err := o.check(); err != nil {
		return o, cli.Usage(err)
	}
	return o, nil
}

// check returns an error for options that cannot work.
func (o options) check() error {
	switch g := o.given.GELU; {
	case o.model == "":
		return errors.New("-model is not given, want the directory or the safetensors file of a model")
	case o.prompt != nil && o.file != "":
		return errors.New("-prompt and -prompt-file are given, want one of them")
	case o.n < 1:
		return fmt.Errorf("-n is %d, want 1 or more", o.n)
	case o.given.Heads < 0:
		return fmt.Errorf("-heads is %d, want 1 or more", o.given.Heads)
	case g != "" && !slices.Contains(transformer.GELUs, g):
		return fmt.Errorf("-gelu is %q, want one of %q", g, transformer.GELUs)
	}
	return o.sampling.Validate()
}
