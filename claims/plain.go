package claims

import (
	"context"
	"slices"

	"gorgonorm/runlog"
	"gorgonorm/train"
)

// defaultText returns Newton's Opticks, which comes with Go.
func defaultText() (*train.Corpus, error) {
	path, err := train.DefaultText()
	if err != nil {
		return nil, err
	}
	return train.ReadCorpus(path)
}

// small are the settings of the models that the claims train, unless a claim says otherwise.
func (b *Bench) small() runlog.Config {
	c := train.Defaults()
	c.Channels, c.Context = 64, 64
	c.Steps = pick(b, 12, 300)
	c.Warmup = c.Steps / 10
	c.LR, c.MinLR = 3e-3, 3e-4
	c.EvalEvery, c.EvalBatches = c.Steps, pick(b, 4, 40)
	c.ProbeEvery = c.Steps / 6
	return c
}

// plain returns the runs of the small model under each of some norms with each seed. Claims
// that ask for the same norms share them.
func (b *Bench) plain(
	ctx context.Context, text *train.Corpus, seeds []uint64, norms ...string,
) (map[string][]trained, error) {
	var cs []runlog.Config
	for _, seed := range seeds {
		for _, norm := range norms {
			c := b.small()
			c.Norm, c.Seed = norm, seed
			cs = append(cs, c)
		}
	}
	runs, err := b.train(ctx, "plain", text, cs)
	if err != nil {
		return nil, err
	}
	of := make(map[string][]trained)
	for _, r := range runs {
		of[r.Config.Norm] = append(of[r.Config.Norm], r)
	}
	return of, nil
}

// moreSeeds returns the seeds and as many again, for effects that are small beside what
// seeds differ by.
func (b *Bench) moreSeeds() []uint64 {
	more := slices.Clone(b.Seeds)
	for _, s := range b.Seeds {
		more = append(more, s+uint64(len(b.Seeds)))
	}
	return more
}

// validation returns the last validation loss of each run.
func validation(runs []trained) []float64 {
	var v []float64
	for _, r := range runs {
		v = append(v, float64(r.Summary.LastVal))
	}
	return v
}
