package main

import (
	"cmp"
	"fmt"

	G "gorgonia.org/gorgonia"

	"gorgonorm/models/checkpoint"
	"gorgonorm/models/tokenizer"
	"gorgonorm/models/transformer"
	"gorgonorm/train"
)

// load reads the model and its tokenizer.
func (o options) load() (*transformer.Model, tokenizer.Tokenizer, error) {
	c, err := checkpoint.Open(o.model)
	if err != nil {
		return nil, nil, err
	}
	sizes, err := transformer.ReadConfig(c.Weights)
	if err != nil {
		return nil, nil, err
	}
	if err := train.CheckCheckpoint(o.model); err != nil {
		return nil, nil, err
	}
	if c.Config.Heads = cmp.Or(o.given.Heads, c.Config.Heads); c.Config.Heads == 0 && sizes.Heads == 0 {
		return nil, nil, fmt.Errorf("%s and the files beside it do not say how many attention heads it has: give -heads",
			c.Weights)
	}
	if o.given.Norm.New != nil {
		c.Config.Norm = o.given.Norm
	}
	c.Config.GELU = cmp.Or(o.given.GELU, c.Config.GELU)
	m, err := transformer.Load(G.NewGraph(), c.Weights, c.Config)
	if err != nil {
		return nil, nil, err
	}
	if c.Tokenizer == nil {
		return nil, nil, fmt.Errorf("%s has no tokenizer beside it: "+
			"want a config.json with the vocabulary, meta.json, tokenizer.json, or vocab.json and merges.txt", c.Weights)
	}
	if n, vocab := c.Tokenizer.Size(), m.Config().Vocab; !fits(c.Tokenizer, vocab) {
		return nil, nil, fmt.Errorf("%s has %d different tokens, the vocabulary beside it has %d",
			c.Weights, vocab, n)
	}
	if pairs, ok := c.Tokenizer.(*tokenizer.BPE); ok && !o.special {
		c.Tokenizer = pairs.WithoutSpecials()
	}
	return m, c.Tokenizer, nil
}

// fits reports whether a tokenizer may belong to a model with a number of embedding rows.
// nanoGPT pads a vocabulary of byte pairs with unused rows. On the other hand, a model may
// lack rows for tokens that were added to the vocabulary.
func fits(tokens tokenizer.Tokenizer, rows int) bool {
	pairs, ok := tokens.(*tokenizer.BPE)
	if !ok {
		return tokens.Size() == rows
	}
	for id := rows; id < pairs.Size(); id++ {
		token, err := pairs.Decode([]int{id})
		if err != nil {
			return false
		}
		if added, err := pairs.Special(token); err != nil || added != id {
			return false
		}
	}
	return true
}
