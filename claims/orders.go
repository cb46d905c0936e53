package claims

import (
	"context"

	"gorgonorm/runlog"
	"gorgonorm/train"
)

// orderedNorms are the norms under which orders of a text of domains are compared.
var orderedNorms = []string{"batch", "layer", "rms"}

// ordered returns the runs on the domains that come with Go under each of orderedNorms with
// each order and seed. All claims share them.
func (b *Bench) ordered(ctx context.Context, orders ...string) (of map[string]map[string][]trained, err error) {
	text, err := train.ReadDomains(train.DomainNames)
	if err != nil {
		return nil, err
	}
	var cs []runlog.Config
	for _, seed := range b.Seeds {
		for _, order := range orders {
			for _, norm := range orderedNorms {
				c := b.small()
				c.Steps = pick(b, 12, 200)
				c.Warmup, c.EvalEvery, c.ProbeEvery = c.Steps/10, c.Steps, c.Steps/4
				c.StatisticsBatches = pick(b, 2, 20)
				c.Norm, c.Order, c.Seed = norm, order, seed
				cs = append(cs, c)
			}
		}
	}
	runs, err := b.train(ctx, "domains", text, cs)
	if err != nil {
		return nil, err
	}
	of = make(map[string]map[string][]trained)
	for _, norm := range orderedNorms {
		of[norm] = make(map[string][]trained)
	}
	for _, r := range runs {
		of[r.Config.Norm][r.Config.Order] = append(of[r.Config.Norm][r.Config.Order], r)
	}
	return of, nil
}
