// Generate continues a prompt with text sampled from a saved model, or measures how well
// the model predicts a text.
//
//	go run ./examples/generate -model runs/layer-pre-lr0.001-seed1 -prompt "The light "
package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"gorgonorm/examples/internal/cli"
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

// generate writes the prompt and then each token as it is sampled.
func (o options) generate(
	ctx context.Context, m *transformer.Model, tokens tokenizer.Tokenizer, stdout, stderr io.Writer,
) error {
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
	fmt.Fprintf(stderr, "%d tokens after a prompt of %d, in %.3g s: %.0f tokens/s\n",
		n, len(prompt), took.Seconds(), float64(n)/took.Seconds())
	return ctx.Err()
}

// evaluate prints the model's loss and perplexity on a text.
func (o options) evaluate(
	ctx context.Context, m *transformer.Model, tokens tokenizer.Tokenizer, stdout, stderr io.Writer,
) error {
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
	_, err = fmt.Fprintf(stdout, "loss %.4f nats per token, perplexity %.4g, over %d tokens in windows of %d\n",
		e.Loss, e.Perplexity(), e.Tokens, m.Config().Context)
	fmt.Fprintf(stderr, "took %.3g s\n", time.Since(began).Seconds())
	return err
}
