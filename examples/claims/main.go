// Claims puts what is said about normalization to the test.
//
//	go run ./examples/claims
//	go run ./examples/claims -only gauss,sphere
//
// Each claim is an experiment with a rule that was written before the runs that it judges.
// Package claims documents them.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"gorgonorm/claims"
	"gorgonorm/examples/internal/cli"
)

func main() { cli.Main(run) }

const usage = `Usage: go run ./examples/claims [flags]

Puts claims about normalization to the test, on small transformers and text
that comes with Go. Each claim is an experiment, with a rule that was written
before the runs that it judges:

  go run ./examples/claims                     all of them, in half an hour
  go run ./examples/claims -quick              tiny sizes: do they work?
  go run ./examples/claims -only gauss,sphere  some of them
  go run ./examples/claims -seed 11            all of them, with new seeds

Writes all numbers to claims.json and a page to claims.html, in -out, and the
verdicts to standard output. Training runs and measurements are kept there
too: the same command resumes where it stopped. The same seeds give the same
claims.json, byte for byte, on one kind of processor.

Claims:
`

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, quiet, err := parse(args, stdout)
	progress := stderr
	if quiet {
		progress = io.Discard
	}
	if err == nil {
		err = do(ctx, o, stdout, cli.NewLine(progress))
	}
	return cli.Status("claims", err, "stopped; the same command resumes, from the measurements in "+o.Out, stderr)
}

func parse(args []string, help io.Writer) (o claims.Options, quiet bool, err error) {
	about := usage
	for _, c := range claims.All {
		about += fmt.Sprintf("  %-11s %s\n", c.Name, c.Short)
	}
	f := flag.NewFlagSet("claims", flag.ContinueOnError)
	only := f.String("only", "", "`claims` to test, separated by commas; all by default")
	f.StringVar(&o.Out, "out", "claims-runs", "the `directory` to write to")
	f.Uint64Var(&o.Seed, "seed", 1, "the first `seed`; with others, the verdicts are put to the test again")
	f.IntVar(&o.Seeds, "seeds", 0, "number of seeds; by default 5, or 2 with -quick")
	f.IntVar(&o.Jobs, "jobs", 0, "training `runs` side by side; 0 for one a core")
	f.BoolVar(&quiet, "q", false, "print no progress, only verdicts and errors")
	f.BoolVar(&o.Quick, "quick", false, "tiny sizes, for a test of the program; verdicts mean nothing")
	if err := cli.Parse(f, args, about+"\nFlags:\n", help); err != nil {
		return o, quiet, err
	}
	if o.Seeds == 0 {
		if o.Seeds = 5; o.Quick {
			o.Seeds = 2
		}
	}
	for name := range strings.SplitSeq(*only, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.Only = append(o.Only, name)
		}
	}
	return o, quiet, cli.Usage(o.Check())
}

// do tests the claims, shows its progress and prints the verdicts.
func do(ctx context.Context, o claims.Options, stdout io.Writer, line *cli.Line) error {
	began := time.Now()
	results, err := claims.Run(ctx, o, func(p claims.Progress) {
		if line.Due() {
			line.Show(p.String())
		}
	})
	line.Clear()
	if err != nil {
		return err
	}
	for _, r := range results.Claims {
		fmt.Fprintf(stdout, "%s: %s\n", r.Name, r.Claim)
		for _, j := range append(r.Judgements, r.OnThisMachine...) {
			fmt.Fprintf(stdout, "  %s\n", j)
		}
	}
	fmt.Fprintf(line, "took %s\n", time.Since(began).Round(time.Second))
	fmt.Fprintf(stdout, "Page: %s\n", filepath.Join(o.Out, claims.PageFile))
	return nil
}
