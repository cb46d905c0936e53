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

// embedding is the name of the tensor that has a row for each character.
const embedding = "transformer.wte.weight"

// startFrom makes the grid start from the weights of -init. The text gets the ids of their
// vocabulary, and the grid their sizes, except those given by flags. The notes describe
// both.
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
	adopt := func(name string, size *int, theirs int) {
		if theirs > 0 && !o.given[name] {
			*size = theirs
		}
	}
	heads := cmp.Or(sizes.Heads, c.Config.Heads)
	adopt("layers", &base.Layers, sizes.Layers)
	adopt("channels", &base.Channels, sizes.Channels)
	adopt("context", &base.Context, sizes.Context)
	adopt("heads", &base.Heads, heads)
	base.Bias = sizes.Bias
	biases := map[bool]string{true: "biases", false: "no biases"}[base.Bias]
	notes = append(notes, fmt.Sprintf("the models have %s, %s, %d channels, a context of %d and %s",
		count(base.Layers, "layer"), count(base.Heads, "head"), base.Channels, base.Context, biases))
	if sizes.Context > base.Context {
		notes = append(notes, fmt.Sprintf("the models load the first %d of the %d positions of %s, "+
			"as nanoGPT's crop_block_size does", base.Context, sizes.Context, c.Weights))
	}
	if cmp.Or(c.Config.GELU, sizes.GELU) == transformer.Exact {
		base.GELU = string(transformer.Exact)
		notes = append(notes, "the models have the exact GELU of nanoGPT, not the tanh form of GPT-2")
	}
	switch {
	case heads == 0:
		notes = append(notes, fmt.Sprintf("%s does not say how many attention heads it has: give -heads unless it is %d",
			c.Weights, base.Heads))
	case heads != base.Heads:
		notes = append(notes, fmt.Sprintf("%s has %s; its weights also load with %d, but the model computes something else",
			c.Weights, count(heads, "attention head"), base.Heads))
	}
	optimizer, err := train.HasOptimizer(c.Weights)
	if err != nil {
		return nil, nil, err
	}
	if optimizer {
		notes = append(notes, fmt.Sprintf("%s is a checkpoint: AdamW starts with its moments", c.Weights))
	}
	*base, err = train.StartFrom(*base, c.Weights, except)
	return text, notes, err
}

// inVocabulary returns the text with the ids of a checkpoint's vocabulary. If the vocabulary
// lacks a character, the text keeps its own ids, and except is the tensor that must not be
// loaded.
func inVocabulary(text *train.Corpus, c checkpoint.Checkpoint) (
	in *train.Corpus, except string, notes []string, err error,
) {
	note := func(format string, values ...any) []string { return []string{fmt.Sprintf(format, values...)} }
	if c.Tokenizer == nil {
		return text, "", note("%s has no vocabulary: assuming that of the text, %d characters in Unicode order",
			c.Weights, len(text.Vocabulary)), nil
	}
	characters, ok := c.Tokenizer.(*tokenizer.Characters)
	if !ok {
		return nil, "", nil, fmt.Errorf("%s has a vocabulary of byte pairs, want one of characters", c.Weights)
	}
	vocabulary := []rune(characters.Vocabulary())
	in, unknown := text.WithVocabulary(vocabulary)
	if len(unknown) == 0 {
		return in, "", note("the text has the ids of %s, whose vocabulary has %d characters",
			c.Weights, len(vocabulary)), nil
	}
	return text, embedding, note("the vocabulary of %s lacks %s of the text, %s: the text keeps its own, "+
		"and %s is not loaded",
		c.Weights, count(len(unknown), "character"), quoted(unknown), embedding), nil
}

// quoted formats characters, at most the first 20.
func quoted(characters []rune) string {
	const most = 20
	more := ""
	if n := len(characters) - most; n > 0 {
		characters, more = characters[:most], fmt.Sprintf(" and %d more", n)
	}
	return join(characters, func(r rune) string { return fmt.Sprintf("%q", r) }) + more
}

// describeLoaded describes what each kind of model among the runs loads from the initial
// weights, with one note for all kinds that load the same.
func (g Grid) describeLoaded(cs []runlog.Config, text *train.Corpus) (notes []string, err error) {
	var descriptions []string
	kinds := make(map[string][]string) // by description
	seen := make(map[kind]bool)
	for _, c := range cs {
		k := kindOf(c)
		if seen[k] {
			continue
		}
		seen[k] = true
		m, found, err := train.InitialModel(c, text)
		if err != nil {
			return nil, err
		}
		d := describeMatching(c, found, len(m.State()))
		if kinds[d] == nil {
			descriptions = append(descriptions, d)
		}
		kinds[d] = append(kinds[d], g.name(k))
	}
	for _, d := range descriptions {
		notes = append(notes, strings.Join(kinds[d], ", ")+": "+d)
	}
	return notes, nil
}

// name returns the name of a kind, with the settings that differ in the grid.
func (g Grid) name(k kind) string {
	s := k.norm
	if len(g.Placements) > 1 {
		s += " " + k.placement
	}
	if len(g.QKNorms) > 1 {
		s += " qk-norm " + onOff(k.qkNorm)
	}
	if len(g.NormNoises) > 1 && k.noise {
		s += " with noise"
	}
	return s
}

// describeMatching counts the loaded tensors, and lists those of the model and the file that
// were not loaded.
func describeMatching(c runlog.Config, found transformer.Matching, tensors int) string {
	s := fmt.Sprintf("%d of %d tensors from %s", len(found.Loaded), tensors, c.Init)
	notLoaded := byReason(found.Left)
	if c.InitExcept != "" {
		notLoaded = append(notLoaded, "of another vocabulary: "+c.InitExcept)
	}
	if len(notLoaded) > 0 {
		s += "; not loaded:\n  " + strings.Join(notLoaded, "\n  ")
	}
	return s
}

// headings has list headings for reasons of faults.
var headings = map[string]string{"is missing": "not in the file", "is unexpected": "not in the model"}

// byReason lists tensors that were not loaded, one line for each reason.
func byReason(faults transformer.Faults) (lines []string) {
	names := make(map[string][]string)
	var order []string
	for _, f := range faults {
		if names[f.Reason] == nil {
			order = append(order, f.Reason)
		}
		names[f.Reason] = append(names[f.Reason], strings.TrimSuffix(f.String(), " "+f.Reason))
	}
	for _, reason := range order {
		heading, ok := headings[reason]
		if !ok {
			heading = strings.TrimPrefix(strings.TrimPrefix(reason, "has "), "is ")
		}
		lines = append(lines, heading+": "+strings.Join(names[reason], ", "))
	}
	return lines
}
