package claims

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"

	G "gorgonia.org/gorgonia"

	"gorgonorm/lab"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

// Bench is what experiments work with.
type Bench struct {
	Settings
	Dir  string // of training runs
	Jobs int    // runs side by side; 0 for one a core

	onPart func(share float64, what string) // nil for nobody
}

// part shows that a share of the experiment is done, and what comes next.
func (b *Bench) part(share float64, what string) {
	if b.onPart != nil {
		b.onPart(share, what)
	}
}

// pick returns quick where sizes are to be tiny, else full.
func pick[T any](b *Bench, quick, full T) T {
	if b.Quick {
		return quick
	}
	return full
}

// random returns the source of a seed's draws for one purpose.
func random(seed uint64, purpose string) *rand.Rand {
	return rand.New(rand.NewPCG(seed, hash(purpose)))
}

// hash returns a number for a name.
func hash(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// trained is a finished run of the lab and where its files are.
type trained struct {
	runlog.Run
	dir string
}

// model returns the run's model, with its last weights, on a graph of its own.
func (t trained) model() (*transformer.Model, error) {
	return transformer.Load(G.NewGraph(), t.weights(), transformer.Config{})
}

func (t trained) weights() string { return filepath.Join(t.dir, "model.safetensors") }

// train returns the runs of the configs on a text, in their order. Runs that the grid's
// directory has are read, the others are made.
func (b *Bench) train(ctx context.Context, grid string, text *train.Corpus, cs []runlog.Config) ([]trained, error) {
	dir := filepath.Join(b.Dir, grid+pick(b, "-quick", ""))
	l := &lab.Lab{Text: text, Dir: dir, Jobs: b.Jobs, Checkpoints: new(train.Interval)}
	runlog.RemoveStale(dir)
	pending, _, err := l.Pending(cs)
	if err != nil {
		return nil, err
	}
	if l.Jobs == 0 {
		l.Jobs = max(1, min(runtime.GOMAXPROCS(0), len(pending)))
	}
	steps, done := 0, 0
	for _, c := range pending {
		steps += c.Steps
	}
	l.OnStep = func(c runlog.Config, _ runlog.Step) {
		if done++; done%8 == 0 {
			b.part(float64(done)/float64(steps), c.ID())
		}
	}
	if err := l.Run(ctx, pending); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	runs := make([]trained, len(cs))
	for i, c := range cs {
		runs[i].dir = filepath.Join(dir, c.ID())
		if runs[i].Run, err = train.Finished(runs[i].dir, c, text); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// experiment makes a claim of functions on one type of measurements. What judge and figures
// get has been JSON, so that a page can be made again from the file. cost is about how many
// seconds of a processor the measurements take, for the time left.
func experiment[M any](
	about About, cost float64,
	measure func(context.Context, *Bench) (M, error), judge func(M) []Judgement, figures func(M) []Figure,
) Claim {
	return Claim{
		About:   about,
		cost:    cost,
		measure: func(ctx context.Context, b *Bench) (any, error) { return measure(ctx, b) },
		decode: func(data []byte) (any, error) {
			var m M
			if err := json.Unmarshal(data, &m); err != nil {
				return nil, fmt.Errorf("claims: measurements of %s: %w", about.Name, err)
			}
			return m, nil
		},
		judge:   func(m any) []Judgement { return finite(judge(m.(M))) },
		figures: func(m any) []Figure { return figures(m.(M)) },
	}
}

// finite returns the judgements with Undecided for each whose effect is not a number: no rule
// compares that with anything, so that it could come out either way.
func finite(js []Judgement) []Judgement {
	for i, j := range js {
		if math.IsNaN(j.Size.Mean) {
			js[i].Verdict, js[i].Reason = Undecided, "not all measurements are finite: "+j.Reason
		}
	}
	return js
}

// withTimes adds measurements of time, which differ from run to run and from machine to
// machine: they are judged beside the others and are no part of claims.json.
func withTimes[M any](c Claim, measure func(context.Context, *Bench) (M, error), judge func(M) []Judgement) Claim {
	about := c.About
	about.Name += "-times"
	timed := experiment(about, 10, measure, judge, func(M) []Figure { return nil })
	c.times = &timed
	return c
}

// quiet returns the bench without progress, for work inside a part.
func (b *Bench) quiet() *Bench {
	c := *b
	c.onPart = nil
	return &c
}
