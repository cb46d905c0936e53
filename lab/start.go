package lab

import (
	"cmp"
	"fmt"
	"strings"

	"gorgonorm/models/checkpoint"
	"gorgonorm/models/tokenizer"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

// embedding is the tensor whose rows belong to the vocabulary's characters.
const embedding = "transformer.wte.weight"

// startFrom makes the grid start from the weights of -init: it gives the text the ids of
// their vocabulary, and the grid their sizes except those that flags give. The notes say
// what it did.
func (o *Options) startFrom(text *train.Corpus) (*train.Corpus, []string, error) {
	c, err := checkpoint.Open(o.Init)
	if err != nil {
		return nil, nil, err
	}
	sizes, err := transformer.ReadConfig(c.Weights)
	if err != nil {
		return nil, nil, err
	}
	if err := train.CheckCheckpoint(o.Init); err != nil {
		return nil, nil, err
	}
	text, except, notes, err := inVocabulary(text, c)
	if err != nil {
		return nil, nil, err
	}
	base := &o.Grid.Base
	follow := func(name string, size *int, theirs int) {
		if theirs > 0 && !o.given[name] {
			*size = theirs
		}
	}
	heads := cmp.Or(sizes.Heads, c.Config.Heads)
	follow("layers", &base.Layers, sizes.Layers)
	follow("channels", &base.Channels, sizes.Channels)
	follow("context", &base.Context, sizes.Context)
	follow("heads", &base.Heads, heads)
	base.Bias = sizes.Bias
	biases := map[bool]string{true: "biases", false: "no biases"}[base.Bias]
	notes = append(notes, fmt.Sprintf("the models have %s, %s, %d channels, a context of %d and %s",
		count(base.Layers, "layer"), count(base.Heads, "head"), base.Channels, base.Context, biases))
	if sizes.Context > base.Context {
		notes = append(notes, fmt.Sprintf("of the %d positions of %s they take the first %d, "+
			"as nanoGPT's crop_block_size does", sizes.Context, c.Weights, base.Context))
	}
	if cmp.Or(c.Config.GELU, sizes.GELU) == transformer.Exact {
		base.GELU = string(transformer.Exact)
		notes = append(notes, "their GELU is exact, as nanoGPT has it, and not GPT-2's")
	}
	switch {
	case heads == 0:
		notes = append(notes, fmt.Sprintf("%s does not say how many heads its attention has; if it is not %d, give -heads",
			c.Weights, base.Heads))
	case heads != base.Heads:
		notes = append(notes, fmt.Sprintf("%s has %s of attention, whose weights fit %d, too, and mean something else there",
			c.Weights, count(heads, "head"), base.Heads))
	}
	*base, err = train.StartFrom(*base, c.Weights, except)
	return text, notes, err
}

// inVocabulary gives the text's characters the ids that they have in a checkpoint's
// vocabulary. If it lacks one of them, except is the tensor that must not be loaded.
func inVocabulary(text *train.Corpus, c checkpoint.Checkpoint) (
	in *train.Corpus, except string, notes []string, err error,
) {
	note := func(format string, values ...any) []string { return []string{fmt.Sprintf(format, values...)} }
	if c.Tokenizer == nil {
		return text, "", note("%s comes without a vocabulary: that of the text, %d characters in Unicode's order, "+
			"is taken to be the same", c.Weights, len(text.Vocabulary)), nil
	}
	characters, ok := c.Tokenizer.(*tokenizer.Characters)
	if !ok {
		return nil, "", nil, fmt.Errorf("%s has a vocabulary of byte pairs, and this program trains models of characters",
			c.Weights)
	}
	vocabulary := []rune(characters.Vocabulary())
	in, unknown := text.In(vocabulary)
	if len(unknown) == 0 {
		return in, "", note("the text's characters have the ids of %s, whose vocabulary has %d",
			c.Weights, len(vocabulary)), nil
	}
	return text, embedding, note("the vocabulary of %s lacks %s of the text, %s: the text has its own, and %s, "+
		"which is by the other, is not loaded",
		c.Weights, count(len(unknown), "character"), named(unknown), embedding), nil
}

// named are characters, the first few of many.
func named(characters []rune) string {
	const most = 20
	more := ""
	if n := len(characters) - most; n > 0 {
		characters, more = characters[:most], fmt.Sprintf(" and %d more", n)
	}
	return join(characters, func(r rune) string { return fmt.Sprintf("%q", r) }) + more
}

// taken says what each kind of model among the runs loads of the weights that it starts
// from, in one line for all kinds with the same answer.
func (g Grid) taken(cs []runlog.Config, text *train.Corpus) (notes []string, err error) {
	var answers []string
	kinds := make(map[string][]string)
	seen := make(map[kind]bool)
	for _, c := range cs {
		k := kindOf(c)
		if seen[k] {
			continue
		}
		seen[k] = true
		m, found, err := train.Start(c, text)
		if err != nil {
			return nil, err
		}
		a := answer(c, found, len(m.State()))
		if kinds[a] == nil {
			answers = append(answers, a)
		}
		kinds[a] = append(kinds[a], g.name(k))
	}
	for _, a := range answers {
		notes = append(notes, strings.Join(kinds[a], ", ")+": "+a)
	}
	return notes, nil
}

// name distinguishes a kind from the others of the grid.
func (g Grid) name(k kind) string {
	s := k.norm
	if len(g.Placements) > 1 {
		s += " " + k.placement
	}
	if len(g.QKNorms) > 1 {
		s += " qk-norm " + inWords(k.qkNorm)
	}
	return s
}

// answer lists what was loaded and what was not, on either side.
func answer(c runlog.Config, found transformer.Matching, tensors int) string {
	s := fmt.Sprintf("%d of %d tensors from %s", len(found.Loaded), tensors, c.Init)
	left := byReason(found.Left)
	if c.InitExcept != "" {
		left = append(left, "of another vocabulary: "+c.InitExcept)
	}
	if len(left) > 0 {
		s += "; not loaded:\n  " + strings.Join(left, "\n  ")
	}
	return s
}

// reasons rephrase the fault of one tensor as the heading of a list.
var reasons = map[string]string{"is missing": "not in the file", "is unexpected": "not in the model"}

// byReason lists tensors that were not loaded, one line for each reason.
func byReason(left transformer.Faults) (lines []string) {
	names := make(map[string][]string)
	var order []string
	for _, f := range left {
		if names[f.Reason] == nil {
			order = append(order, f.Reason)
		}
		names[f.Reason] = append(names[f.Reason], strings.TrimSuffix(f.String(), " "+f.Reason))
	}
	for _, reason := range order {
		what, ok := reasons[reason]
		if !ok {
			what = strings.TrimPrefix(strings.TrimPrefix(reason, "has "), "is ")
		}
		lines = append(lines, what+": "+strings.Join(names[reason], ", "))
	}
	return lines
}
