package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/runlog"
)

// outcome of a fact that was checked.
const (
	asPredicted    = "as predicted"
	notAsPredicted = "not as predicted"
	noDifference   = "no difference"
	cannotBeJudged = "cannot be judged"
)

// fact is what the literature predicts and what the runs show of it.
type fact struct {
	Claim   string
	Source  string
	Found   string // the numbers, or what is missing
	Outcome string
}

// String is the fact without the number of the paper.
func (f fact) String() string {
	authors, _, _ := strings.Cut(f.Source, ", arXiv")
	return fmt.Sprintf("%s: %s (%s). %s", strings.ToUpper(f.Outcome[:1])+f.Outcome[1:], f.Claim, authors, f.Found)
}

// judged says that the fact was found so or not so.
func (f fact) judged(so bool, found string) fact {
	f.Found, f.Outcome = found, notAsPredicted
	if so {
		f.Outcome = asPredicted
	}
	return f
}

// needs says what is missing to judge the fact.
func (f fact) needs(what string) fact {
	f.Found, f.Outcome = what, cannotBeJudged
	return f
}

// facts checks each on whatever runs there are that came to their end.
func facts(s summary) []fact {
	all := []fact{
		growthWithoutNorm(s.Variants),
		preNormAtStart(s.Variants),
		postNormAtStart(s.Variants),
		qkNormSensitivity(s.Variants),
		layerLikeRMS(s.Variants),
		batchGap(s.Variants),
	}
	if from := loaded(s.Rows); from != "" {
		for i, f := range all {
			all[i] = f.needs(fmt.Sprintf("It is about training from random weights, and these runs start from %s.", from))
		}
	}
	return all
}

// values tells of numbers by name: none 12.3, layer 4.56.
type values struct {
	names   []string
	numbers []runlog.Float
}

func (v *values) add(name string, number runlog.Float) {
	v.names, v.numbers = append(v.names, name), append(v.numbers, number)
}

func (v values) String() string {
	var told []string
	for i, n := range v.names {
		told = append(told, strconv.Quote(n)+" "+significant(v.numbers[i]))
	}
	return strings.Join(told, ", ")
}

// of is the number of that name, not a number if it is not there.
func (v values) of(name string) runlog.Float {
	if i := slices.Index(v.names, name); i >= 0 {
		return v.numbers[i]
	}
	return notANumber
}

// top says that the named number is there, larger than all others, and that
// there are others.
func (v values) top(name string) (is, known bool) {
	at := slices.Index(v.names, name)
	if at < 0 || len(v.names) < 2 {
		return false, false
	}
	for i, f := range v.numbers {
		if i != at && f >= v.numbers[at] {
			return false, true
		}
	}
	return true, true
}
