package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAValueOfTheWrongKind expects an error with the wanted kind of value.
func TestAValueOfTheWrongKind(t *testing.T) {
	t.Parallel()
	whole := fmt.Sprintf("want a whole number from %d to %d", math.MinInt, math.MaxInt)
	const unsigned = "want a whole number from 0 to 18446744073709551615"
	for _, c := range []struct{ arg, want string }{
		{"-seed=-1", `invalid value "-1" for flag -seed: ` + unsigned},
		{"-seed=1e3", `invalid value "1e3" for flag -seed: ` + unsigned},
		{"-seed=18446744073709551616", `invalid value "18446744073709551616" for flag -seed: ` + unsigned},
		{"-seed=", `invalid value "" for flag -seed: ` + unsigned},
		{"-n=1.5", `invalid value "1.5" for flag -n: ` + whole},
		{"-n=99999999999999999999", `invalid value "99999999999999999999" for flag -n: ` + whole},
		{"-rate=fast", `invalid value "fast" for flag -rate: want a number`},
		{"-rate=1e999", `invalid value "1e999" for flag -rate: want a number`},
		{"-on=maybe", `invalid boolean value "maybe" for -on: want true or false`},
		{"-time=10", `invalid value "10" for flag -time: want a time such as 10ms or 1m30s`},
		{"-own=x", `invalid value "x" for flag -own: a parse error`},
		{"-none=1", "flag provided but not defined: -none"},
		{"-seed", "flag needs an argument: -seed"},
	} {
		f := flag.NewFlagSet("", flag.ContinueOnError)
		f.Uint64("seed", 1, "")
		f.Int("n", 1, "")
		f.Float64("rate", 1, "")
		f.Bool("on", false, "")
		f.Duration("time", 0, "")
		f.Func("own", "", func(string) error { return errors.New("a parse error") })
		err := Parse(f, []string{c.arg}, "", io.Discard)
		require.ErrorAs(t, err, new(UsageError))
		require.EqualError(t, err, c.want)
	}
}

// TestHelpFitsEightyColumns folds descriptions between words, with the defaults that package
// flag adds.
func TestHelpFitsEightyColumns(t *testing.T) {
	t.Parallel()
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.Int("short", 1, "a `number`")
	f.String("long", strings.Repeat("x", 80), "größte"+strings.Repeat(" norm", 20))
	var help strings.Builder
	require.ErrorIs(t, Parse(f, []string{"-h"}, "Usage\n", &help), flag.ErrHelp)
	const indent = "\n    \t"
	require.Equal(t, "Usage\n  -long string"+
		indent+"größte norm norm norm norm norm norm norm norm norm norm norm norm norm"+
		indent+"norm norm norm norm norm norm norm (default"+
		indent+`"`+strings.Repeat("x", 80)+`")`+
		"\n  -short number"+indent+"a number (default 1)\n", help.String())
}
