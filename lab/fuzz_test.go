package lab

import (
	"flag"
	"io"
	"strings"
	"testing"

	"gorgonorm/train"
)

// FuzzFlags parses any command line and checks the runs that it asks for.
func FuzzFlags(f *testing.F) {
	for _, s := range []string{
		"-norms\nlayer,rms\n-lr\n1e-3,NaN\n-seeds\n3", "-shard\n2/8\n-checkpoint-every\n30s", "-steps\n9223372036854775807",
		"-heads\n-1\n-context\n99999999999", "-order\nblocks,random\n-text-share\n0.5,1\n-norm-noise\n0,Inf",
		"-batch\n4611686018427387904\n-context\n4", "-placement\npre,pre", "-jobs\n-5\n-seed\n18446744073709551615\n-seeds\n2",
	} {
		f.Add(s)
	}
	text := &train.Corpus{Vocabulary: []rune("ab"), Train: make([]int32, 500), Val: make([]int32, 100)}
	f.Fuzz(func(t *testing.T, line string) {
		flags := flag.NewFlagSet("lab", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		o := DefineFlags(flags)
		if flags.Parse(strings.Split(line, "\n")) != nil || o.Check() != nil {
			return
		}
		if len(o.Grid.Configs()) > 1000 {
			return
		}
		p := &Plan{options: o, text: text, runs: o.Grid.Configs()}
		_ = p.Check()
		_ = p.String()
		o.Shard.of(p.runs)
	})
}
