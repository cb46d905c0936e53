package transformer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// namespace begins the keys of what Save notes in a file's metadata. Other programs give
// "norm" or "gelu" meanings of their own.
const namespace = "gorgonorm."

// The keys of the notes, the number of heads under nanoGPT's name for it.
const (
	headsKey     = "n_head"
	normKey      = "norm"
	placementKey = "placement"
	geluKey      = "gelu"
)

// metadata holds what names and shapes do not say about a model.
func (c Config) metadata() map[string]string {
	return map[string]string{
		"format":                 "pt",
		namespace + headsKey:     strconv.Itoa(c.Heads),
		namespace + normKey:      c.Norm.Name,
		namespace + placementKey: string(c.Placement),
		namespace + geluKey:      string(c.GELU),
	}
}

// notes are what Save has noted, by key.
type notes map[string]string

// notesOf picks the notes out of a file's metadata.
func notesOf(metadata map[string]string) notes {
	own := make(notes)
	for name, value := range metadata {
		if key, ok := strings.CutPrefix(name, namespace); ok {
			own[key] = value
		}
	}
	if old := notes(metadata); len(own) == 0 && old.beforeNamespace() {
		return old
	}
	return own
}

// beforeNamespace reports whether these are what Save wrote before it had a namespace: it
// always wrote heads, norm and placement, and later the form of GELU.
func (n notes) beforeNamespace() bool {
	_, heads := n.heads()
	_, norm := NormByName(n[normKey])
	gelu, later := n[geluKey]
	return heads == nil && norm == nil && slices.Contains(Placements, Placement(n[placementKey])) &&
		(!later || slices.Contains(GELUs, GELU(gelu)))
}

// heads returns the number of heads, or an error if there is none.
func (n notes) heads() (int, error) {
	heads, err := strconv.Atoi(n[headsKey])
	if err != nil || heads < 1 {
		return 0, fmt.Errorf("its metadata have %s%s %q, want a number from 1", namespace, headsKey, n[headsKey])
	}
	return heads, nil
}

// oneOf returns a note whose value must be one of all, or "" if there is no such note.
func oneOf[S ~string](n notes, key string, all []S) (S, error) {
	value, ok := n[key]
	if ok && !slices.Contains(all, S(value)) {
		return "", fmt.Errorf("its metadata have %s%s %q, want one of %q", namespace, key, value, all)
	}
	return S(value), nil
}
