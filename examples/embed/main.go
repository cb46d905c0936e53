// Embed shows how to use the norms in a Gorgonia model. The graph, its weights, the machine
// and the solver are Gorgonia's, and each norm is one line in the table below.
//
//	cd examples/embed && go run .
//
// The model predicts in which language a snippet of Go's own source is written, from the
// counts of its bytes. data.go has the snippets, model.go the model.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	G "gorgonia.org/gorgonia"

	"gorgonorm/blas"
	"gorgonorm/layers"
)

// newNorm returns a norm over a number of features on a graph.
type newNorm func(g *G.ExprGraph, features int) (layers.Layer, error)

var norms = []struct {
	name string
	make newNorm
}{
	{"none", func(*G.ExprGraph, int) (layers.Layer, error) { return layers.NewIdentity() }},
	{"BatchNorm", func(g *G.ExprGraph, n int) (layers.Layer, error) { return layers.NewBatchNorm(g, n) }},
	{"LayerNorm", func(g *G.ExprGraph, n int) (layers.Layer, error) { return layers.NewLayerNorm(g, n) }},
	{"RMSNorm", func(g *G.ExprGraph, n int) (layers.Layer, error) { return layers.NewRMSNorm(g, n) }},
	{"GroupNorm", func(g *G.ExprGraph, n int) (layers.Layer, error) { return layers.NewGroupNorm(g, 8, n) }},
	{"DyT", func(g *G.ExprGraph, n int) (layers.Layer, error) { return layers.NewDyT(g, n) }},
	{"Derf", func(g *G.ExprGraph, n int) (layers.Layer, error) { return layers.NewDerf(g, n) }},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	o, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "embed: %v (-h explains the flags)\n", err)
		os.Exit(2)
	}
	G.Use(blas.Implementation{}) // Gorgonia's own products at gorgonorm's speed
	switch err := o.run(ctx, os.Stdout, os.Stderr); {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "embed: stopped")
		os.Exit(130)
	case err != nil:
		fmt.Fprintf(os.Stderr, "embed: %v\n", err)
		os.Exit(1)
	}
}

// run trains the model with each norm, at each rate, from each seed, and prints the results
// of the norms that are complete. It writes progress to stderr.
func (o options) run(ctx context.Context, stdout, stderr io.Writer) error {
	src, err := o.source()
	if err != nil {
		return err
	}
	d, err := readData(os.DirFS(src))
	if err != nil {
		return fmt.Errorf("reading %s: %w", src, err)
	}
	t := table{rates: o.rates}
	for _, norm := range norms {
		var runs []result
		if runs, err = o.trainAll(ctx, d, norm.make); err != nil {
			err = fmt.Errorf("%s: %w", norm.name, err)
			break
		}
		t.add(norm.name, runs)
		fmt.Fprintf(stderr, "%s: %d runs in %.1f s\n", norm.name, len(runs), total(runs).Seconds())
	}
	return errors.Join(err, t.print(stdout))
}

// source returns the folder of Go's source.
func (o options) source() (string, error) {
	if o.src != "" {
		return o.src, nil
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT failed (%w): give the src folder of a Go distribution with -src", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "src"), nil
}
