// Package cli is what the example programs have in common as commands.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// Exit statuses.
const (
	Failed      = 1
	Misused     = 2
	Interrupted = 130 // as shells have it for a program stopped by Ctrl-C
)

// UsageError is a command line that cannot be.
type UsageError struct{ error }

// Usage makes an error one of usage. Of nil it makes nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return UsageError{err}
}

// Parse reads a command line that has flags only. Asked for help, it writes the
// usage and the flags to help and returns flag.ErrHelp.
func Parse(f *flag.FlagSet, args []string, usage string, help io.Writer) error {
	f.SetOutput(io.Discard)
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(help, usage)
		f.SetOutput(help)
		f.PrintDefaults()
		return err
	case err != nil:
		return Usage(wanted(f, err))
	case f.NArg() > 0:
		return Usage(fmt.Errorf("unexpected argument %q", f.Arg(0)))
	}
	return nil
}

// unreadable matches the end of package flag's errors about a value of the wrong kind.
var unreadable = regexp.MustCompile(`-(\S+): (?:parse error|value out of range)$`)

// wanted adds to an error of package flag what the flag takes.
func wanted(f *flag.FlagSet, err error) error {
	at := unreadable.FindStringSubmatchIndex(err.Error())
	if at == nil {
		return err
	}
	text := err.Error()
	set, ok := f.Lookup(text[at[2]:at[3]]).Value.(flag.Getter)
	if !ok {
		return err
	}
	want := ""
	switch set.Get().(type) {
	case int:
		want = fmt.Sprintf("a whole number from %d to %d", math.MinInt, math.MaxInt)
	case uint64:
		want = fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64))
	case float64:
		want = "a number"
	case bool:
		want = "true or false"
	case time.Duration:
		want = "a time such as 10ms or 1m30s"
	default:
		return err
	}
	return fmt.Errorf("%s: want %s", text[:at[3]], want)
}

// Main runs a program whose context ends with Ctrl-C; a second one ends the
// program at once.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Status writes what came of the program called name to stderr and gives its exit
// status. stopped is what to say after Ctrl-C.
func Status(name string, err error, stopped string, stderr io.Writer) int {
	switch usage := (UsageError{}); {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(stderr, "%s: %s\n", name, stopped)
		return Interrupted
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: %v (-h explains the flags)\n", name, err)
		return Misused
	default:
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return Failed
	}
}
