// Generate continues a prompt with text sampled from a saved model, or says how
// well the model predicts a text.
//
//	go run ./examples/generate -model runs/layer-pre-lr0.001-seed1 -prompt "The light "
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	G "gorgonia.org/gorgonia"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/models/checkpoint"
	"gorgonorm/models/tokenizer"
	"gorgonorm/models/transformer"
	"gorgonorm/train"
)

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	if err == nil {
		err = o.work(ctx, stdout, stderr)
	}
	return cli.Status("generate", err, "stopped", stderr)
}

func (o options) work(ctx context.Context, stdout, stderr io.Writer) error {
	m, tokens, err := o.load()
	switch {
	case err != nil:
		return err
	case o.eval != "":
		return o.evaluate(ctx, m, tokens, stdout, stderr)
	default:
		return o.generate(ctx, m, tokens, stdout, stderr)
	}
}

// load reads the model, and what turns text into its tokens.
func (o options) load() (*transformer.Model, tokenizer.Tokenizer, error) {
	c, err := checkpoint.Open(o.model)
	if err != nil {
		return nil, nil, err
	}
	told, err := transformer.ReadConfig(c.Weights)
	if err != nil {
		return nil, nil, err
	}
	if err := train.CheckCheckpoint(o.model); err != nil {
		return nil, nil, err
	}
	if c.Config.Heads = cmp.Or(o.given.Heads, c.Config.Heads); c.Config.Heads == 0 && told.Heads == 0 {
		return nil, nil, fmt.Errorf("neither %s nor a config.json beside it says how many heads attention has: give -heads", c.Weights)
	}
	if o.given.Norm.New != nil {
		c.Config.Norm = o.given.Norm
	}
	c.Config.GELU = cmp.Or(o.given.GELU, c.Config.GELU)
	m, err := transformer.Load(G.NewGraph(), c.Weights, c.Config)
	if err != nil {
		return nil, nil, err
	}
	if c.Tokenizer == nil {
		return nil, nil, fmt.Errorf("beside %s is nothing that turns text into its tokens: want a config.json with the vocabulary, meta.json, tokenizer.json, or vocab.json and merges.txt", c.Weights)
	}
	if n, vocab := c.Tokenizer.Size(), m.Config().Vocab; !fits(c.Tokenizer, vocab) {
		return nil, nil, fmt.Errorf("%s has %d different tokens, and there are %d in the vocabulary beside it", c.Weights, vocab, n)
	}
	if pairs, ok := c.Tokenizer.(*tokenizer.BPE); ok && !o.special {
		c.Tokenizer = pairs.WithoutSpecials()
	}
	return m, c.Tokenizer, nil
}

// generate writes the prompt and what follows as it comes.
func (o options) generate(ctx context.Context, m *transformer.Model, tokens tokenizer.Tokenizer, stdout, stderr io.Writer) error {
	text, err := o.promptFor(tokens)
	if err != nil {
		return err
	}
	prompt, err := encode(tokens, m, tokens.Encode, text)
	if err != nil {
		return fmt.Errorf("the prompt: %w", err)
	}
	if _, err := io.WriteString(stdout, text); err != nil {
		return err
	}
	o.sampling.Vocab = tokens.Size()
	began, n := time.Now(), 0
	for id, err := range m.Generate(prompt, o.sampling) {
		if err != nil {
			return err
		}
		text, err := tokens.Decode([]int{id})
		if err != nil {
			return err
		}
		if _, err := io.WriteString(stdout, text); err != nil {
			return err
		}
		if n++; n == o.n || ctx.Err() != nil {
			break
		}
	}
	took := time.Since(began)
	if _, err := fmt.Fprintln(stdout); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d tokens after a prompt of %d, in %.3g s: %.0f tokens/s\n", n, len(prompt), took.Seconds(), float64(n)/took.Seconds())
	return ctx.Err()
}

// evaluate prints what the model makes of a text.
func (o options) evaluate(ctx context.Context, m *transformer.Model, tokens tokenizer.Tokenizer, stdout, stderr io.Writer) error {
	text, err := readText(o.eval)
	if err != nil {
		return err
	}
	ids, err := encode(tokens, m, tokens.Encode32, text)
	if err != nil {
		return fmt.Errorf("%s: %w", o.eval, err)
	}
	began, line := time.Now(), cli.NewLine(stderr)
	e, err := train.Evaluate(ctx, m, ids, func(done, all int) {
		if line.Due() {
			line.Show(fmt.Sprintf("%d of %d tokens", done, all))
		}
	})
	line.Clear()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "loss %.4f nats a token, perplexity %.4g, of %d tokens predicted in windows of %d\n",
		e.Loss, e.Perplexity(), e.Tokens, m.Config().Context)
	fmt.Fprintf(stderr, "took %.3g s\n", time.Since(began).Seconds())
	return err
}
