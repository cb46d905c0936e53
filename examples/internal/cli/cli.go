// Package cli has what the example programs share: flags, help, exit statuses, Ctrl-C and
// progress.
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
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Exit statuses.
const (
	Failed      = 1
	Misused     = 2
	Interrupted = 130 // the status that shells report after Ctrl-C
)

// UsageError is an error of the command line.
type UsageError struct{ error }

// Usage returns err as a UsageError, or nil if err is nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return UsageError{err}
}

// Parse parses a command line that has flags only. For -h it writes the usage and the flags
// to help, at most 80 columns wide, and returns flag.ErrHelp.
func Parse(f *flag.FlagSet, args []string, usage string, help io.Writer) error {
	f.SetOutput(io.Discard)
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		var flags strings.Builder
		f.SetOutput(&flags)
		f.PrintDefaults()
		fmt.Fprint(help, usage, fold(flags.String()))
		return err
	case err != nil:
		return Usage(wanted(f, err))
	case f.NArg() > 0:
		return Usage(fmt.Errorf("unexpected argument %q", f.Arg(0)))
	}
	return nil
}

// fold breaks the descriptions of flags, which package flag indents by a tab, into lines of
// at most 72 characters.
func fold(flags string) string {
	const indent, width = "    \t", 72
	var b strings.Builder
	for line := range strings.Lines(flags) {
		description, ok := strings.CutPrefix(line, indent)
		if !ok {
			b.WriteString(line)
			continue
		}
		rest := []rune(strings.TrimSpace(description))
		for len(rest) > width {
			end := width
			for end > 0 && rest[end] != ' ' {
				end--
			}
			if end == 0 { // a word that is longer than a line
				break
			}
			b.WriteString(indent + string(rest[:end]) + "\n")
			rest = rest[end+1:]
		}
		b.WriteString(indent + string(rest) + "\n")
	}
	return b.String()
}

// unreadable matches the end of package flag's errors about a value of the wrong kind.
var unreadable = regexp.MustCompile(`-(\S+): (?:parse error|value out of range)$`)

// wanted adds the wanted kind of value to an error of package flag.
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

// oneSignal is the time in which several signals count as one: timeout -s INT, for example, sends
// one to the program and one to its process group.
const oneSignal = time.Second

// Main runs a program and exits with its status. Ctrl-C cancels the program's context; another
// Ctrl-C, a second later or more, ends the program at once.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) {
	if err := checkFiles(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
		os.Exit(Failed)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(oneSignal, stop) })
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Status writes the error of the program called name to stderr and returns its exit status.
// After Ctrl-C it writes stopped instead.
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
