// Package claims puts what is said about normalization to the test. A claim is a sentence,
// an experiment that can fail, a rule that was written before the runs that it judges, a
// picture, and what the experiment does not show. All lists them.
package claims

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Verdict is what a claim's rule makes of its measurements.
type Verdict string

const (
	Supported Verdict = "supported"
	Refuted   Verdict = "refuted"
	Depends   Verdict = "depends"   // on what the judgement's reason says
	Undecided Verdict = "undecided" // the runs are too few, or disagree
)

// Judgement is the verdict on a claim, or on a part of one.
type Judgement struct {
	Part    string   `json:"part,omitempty"` // of the claim, where it has several
	Verdict Verdict  `json:"verdict"`
	Reason  string   `json:"reason"` // the numbers that decided
	Effect  string   `json:"effect"` // what the interval is of, with its unit
	Size    Interval `json:"size"`
}

// String returns the verdict, its part and its reason.
func (j Judgement) String() string {
	if j.Part == "" {
		return fmt.Sprintf("%s: %s", j.Verdict, j.Reason)
	}
	return fmt.Sprintf("%s (%s): %s", j.Verdict, j.Part, j.Reason)
}

// About is what a page says of a claim, whatever the measurements are.
type About struct {
	Name       string // a word, for -only
	Short      string // a few words
	Claim      string // one sentence
	Method     string // what was done
	Rule       string // what makes it supported or refuted
	Literature string // what others have found
	Limits     string // what the experiment does not show
}

// Claim is one of All.
type Claim struct {
	About
	cost    float64 // of measuring, beside the other claims
	measure func(context.Context, *Bench) (any, error)
	decode  func([]byte) (any, error) // of what measure returned, as JSON
	judge   func(any) []Judgement
	figures func(any) []Figure
	times   *Claim // what of it depends on the machine; nil for most
}

// All are the claims, in the order of the page.
var All = []Claim{shift, growth, samples, batches, curriculum, shapeClaim, sphere, gauss, mean, free}

// Select returns the claims of those names, all of them for none.
func Select(names []string) ([]Claim, error) {
	if len(names) == 0 {
		return All, nil
	}
	for _, n := range names {
		if !slices.ContainsFunc(All, func(c Claim) bool { return c.Name == n }) {
			return nil, fmt.Errorf("claims: unknown claim %q, want some of %s", n, strings.Join(Names(), ", "))
		}
	}
	var selected []Claim
	for _, c := range All {
		if slices.Contains(names, c.Name) {
			selected = append(selected, c)
		}
	}
	return selected, nil
}

// Names returns the names of All.
func Names() []string {
	var names []string
	for _, c := range All {
		names = append(names, c.Name)
	}
	return names
}

// sentence joins the parts of a reason.
func sentence(parts []string) string { return strings.Join(parts, "; ") }
