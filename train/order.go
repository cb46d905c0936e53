package train

import (
	"bytes"
	"cmp"
	"compress/flate"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"gorgonorm/runlog"
)

// maxOrdered is the largest number of windows that an order other than random may have,
// because they are drawn before the first step.
const maxOrdered = 1 << 24

// checkOrder returns an error for an order that no run of the config can have.
func checkOrder(c Config) error {
	switch {
	case c.Order == "": // random
		return nil
	case !slices.Contains(runlog.Orders, c.Order):
		return fmt.Errorf("order is %q, want one of %s", c.Order, strings.Join(runlog.Orders, ", "))
	case c.Steps > maxOrdered/c.Batch:
		return fmt.Errorf("order %s of %d steps of %d windows has more than %d (give fewer -steps)",
			c.Order, c.Steps, c.Batch, maxOrdered)
	}
	return nil
}

// checkDomains returns an error for an order that a text without domains cannot have.
func checkDomains(c Config, text *Corpus) error {
	if len(text.Domains) > 0 || c.Order != runlog.Blocks && c.Order != runlog.OneDomain {
		return nil
	}
	return fmt.Errorf("train: order %s needs a text of several domains, but %s is one (give -domains %s)",
		c.Order, text.Path, strings.Join(DomainNames, ","))
}

// arranged returns the places of all windows that random order draws, in the order of the
// config, or nil for random order. A window belongs to the domain in which it starts.
func arranged(c Config, text *Corpus) []int {
	if c.Order == "" {
		return nil
	}
	random := newBatches(text.Train, c.Context, c.Seed)
	parts := text.parts()
	domains := make([][]int, len(parts))
	for range c.Steps * c.Batch {
		at := random.place()
		d := slices.IndexFunc(parts, func(d Domain) bool { return at < d.Train.To })
		domains[d] = append(domains[d], at)
	}
	switch c.Order {
	case runlog.Blocks:
		return slices.Concat(domains...)
	case runlog.OneDomain:
		return oneDomainBatches(domains, c.Batch, c.Seed)
	}
	sign := 1
	if c.Order == runlog.HardFirst {
		sign = -1
	}
	size := compressedSizes(text, c.Context)
	for _, places := range domains {
		sizes := make(map[int]int, len(places))
		for _, at := range places {
			sizes[at] = sign * size(at)
		}
		slices.SortStableFunc(places, func(a, b int) int { return sizes[a] - sizes[b] })
	}
	return interleaved(domains)
}

// oneDomainBatches returns batches of one domain each, in random order. The windows that are
// left over when a domain fills no other batch fill batches of several domains, fewer than
// there are domains.
func oneDomainBatches(domains [][]int, batch int, seed uint64) []int {
	const stream = 0x6f6e652d646f6d21 // "one-dom!"
	var whole, rest []int
	for _, places := range domains {
		n := len(places) / batch * batch
		whole, rest = append(whole, places[:n]...), append(rest, places[n:]...)
	}
	batches := slices.Collect(slices.Chunk(append(whole, rest...), batch))
	rand.New(rand.NewPCG(seed, stream)).Shuffle(len(batches), func(i, j int) {
		batches[i], batches[j] = batches[j], batches[i]
	})
	return slices.Concat(batches...)
}

// interleaved returns the places of all domains, each domain's in its order and evenly spread
// from the start to the end: the i-th of n has the position (i+½)/n.
func interleaved(domains [][]int) []int {
	type placed struct{ at, odd, n int } // position odd/2n
	var all []placed
	for _, places := range domains {
		for i, at := range places {
			all = append(all, placed{at, 2*i + 1, len(places)})
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { // in 64 bits also where an int has 32
		return cmp.Compare(int64(a.odd)*int64(b.n), int64(b.odd)*int64(a.n))
	})
	var places []int
	for _, p := range all {
		places = append(places, p.at)
	}
	return places
}

// compressedSizes returns a function that returns the difficulty of the window at a place:
// how many bytes its characters and the last target take when compressed.
func compressedSizes(text *Corpus, context int) func(at int) int {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // its only error is an unknown level
	return func(at int) int {
		b.Reset()
		w.Reset(&b)
		window := make([]rune, context+1)
		for i := range window {
			window[i] = text.Vocabulary[text.Train[at+i]]
		}
		fmt.Fprint(w, string(window)) // a buffer has no errors
		_ = w.Close()
		return b.Len()
	}
}
