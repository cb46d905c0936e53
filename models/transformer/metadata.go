package transformer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// namespace is the prefix of the keys that Save writes to a file's metadata, because other
// programs use keys such as "norm" or "gelu" with other meanings.
const namespace = "gorgonorm."

// The keys of the notes. The number of heads has nanoGPT's name.
const (
	headsKey     = "n_head"
	normKey      = "norm"
	placementKey = "placement"
	geluKey      = "gelu"
)

// metadata returns what names and shapes do not reveal about a model.
func (c Config) metadata() map[string]string {
	return map[string]string{
		"format":                 "pt",
		namespace + headsKey:     strconv.Itoa(c.Heads),
		namespace + normKey:      c.Norm.Name,
		namespace + placementKey: string(c.Placement),
		namespace + geluKey:      string(c.GELU),
	}
}

// notes holds the metadata that Save writes, by key without the namespace.
type notes map[string]string

// notesOf returns the notes among a file's metadata.
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

// beforeNamespace reports whether these are the notes of an earlier Save, which had no namespace.
// It always wrote heads, norm and placement; later versions added the form of GELU.
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
		return 0, fmt.Errorf("its metadata has %s%s %q, want a number of 1 or more", namespace, headsKey, n[headsKey])
	}
	return heads, nil
}

// oneOf returns the note with this key, or "" if there is none. It returns an error if the value
// is not one of all.
func oneOf[S ~string](n notes, key string, all []S) (S, error) {
	value, ok := n[key]
	if ok && !slices.Contains(all, S(value)) {
		return "", fmt.Errorf("its metadata has %s%s %q, want one of %q", namespace, key, value, all)
	}
	return S(value), nil
}
