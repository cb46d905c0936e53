package main

import (
	"context"
	"math/rand/v2"
	"time"

	G "gorgonia.org/gorgonia"
)

// result is the result of a run.
type result struct {
	lr       float64
	loss     float64 // mean training loss of the last steps, in nats
	accuracy float64 // on the test data
	time     time.Duration
}

// trainAll trains and tests all models with a norm, ordered by learning rate, then by seed.
func (o options) trainAll(ctx context.Context, d *data, norm newNorm) ([]result, error) {
	var runs []result
	for _, lr := range o.rates {
		for seed := range o.seeds {
			r, err := o.train(ctx, d, norm, lr, uint64(seed+1))
			if err != nil {
				return nil, err
			}
			runs = append(runs, r)
		}
	}
	return runs, nil
}

const (
	batchRows = 64
	testRows  = 3000
	lossSteps = 20 // last steps, whose mean loss is the training loss
)

// train trains a model and tests it.
func (o options) train(ctx context.Context, d *data, norm newNorm, lr float64, seed uint64) (result, error) {
	r, began := result{lr: lr}, time.Now()
	m, err := newModel(norm, batchRows, seed)
	if err != nil {
		return r, err
	}
	learnables := m.learnables()
	if _, err := G.Grad(m.cost, learnables...); err != nil {
		return r, err
	}
	vm := G.NewTapeMachine(m.g, G.BindDualValues(learnables...))
	defer vm.Close()
	solver := G.NewAdamSolver(G.WithLearnRate(lr))
	batches := rand.New(rand.NewPCG(seed, 0))
	last := min(lossSteps, o.steps)
	for step := range o.steps {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		m.feed(batches, d.train, o.log)
		if err := vm.RunAll(); err != nil {
			return r, err
		}
		if step >= o.steps-last {
			r.loss += float64(m.cost.Value().Data().(float32)) / float64(last)
		}
		if err := solver.Step(G.NodesToValueGrads(learnables)); err != nil {
			return r, err
		}
		vm.Reset()
	}
	r.accuracy, err = o.test(m, d)
	r.time = time.Since(began)
	return r, err
}

// test returns the accuracy on snippets that are the same for all models.
func (o options) test(m *model, d *data) (float64, error) {
	e, err := m.evaluation(testRows)
	if err != nil {
		return 0, err
	}
	vm := G.NewTapeMachine(e.g)
	defer vm.Close()
	e.feed(rand.New(rand.NewPCG(0, 0)), d.test, o.log)
	if err := vm.RunAll(); err != nil {
		return 0, err
	}
	return e.accuracy(), nil
}
