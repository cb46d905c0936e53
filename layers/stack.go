package layers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/op"
)

// Stack is a list of layers with a common State, such as the layers of a model. A layer that is nil is
// an error of all methods that return one; the others skip it.
type Stack []Layer

// check returns an error for the first layer that is nil.
func (s Stack) check() error {
	if i := slices.IndexFunc(s, func(l Layer) bool { return op.IsNil(l) }); i >= 0 {
		return fmt.Errorf("layers: layer %d of %d is nil", i, len(s))
	}
	return nil
}

// Learnables returns the learnables of all layers, in the order of the layers.
func (s Stack) Learnables() (n G.Nodes) {
	for _, l := range s {
		if !op.IsNil(l) {
			n = append(n, l.Learnables()...)
		}
	}
	return n
}

// State returns a copy of the layers' states in one, with each layer's name before its entries, as
// in ln_1.weight. A second layer of the same name is numbered, as in ln_1_1.weight.
func (s Stack) State() State { return s.parts().state() }

// Load copies the values of such a state into the layers. It is as strict as a layer's Load. If one
// layer cannot load its part, no layer changes.
func (s Stack) Load(state State) error {
	if err := s.check(); err != nil {
		return err
	}
	if err := s.parts().load(state); err != nil {
		return fmt.Errorf("layers: %w", err)
	}
	return nil
}

// Rejoin copies the values that gorgonia.Let has set on these placements to all placements of the
// layers. Without it, gorgonia.Let gives a node memory of its own. Layers from outside this package
// are skipped.
func (s Stack) Rejoin() error {
	if err := s.check(); err != nil {
		return err
	}
	for _, l := range s {
		if own, ok := l.(interface{ rejoin() error }); ok {
			if err := own.rejoin(); err != nil {
				return err
			}
		}
	}
	return nil
}

// parts returns the layers with the prefixes of their names in the Stack's State.
func (s Stack) parts() (c compound) {
	taken, last := make(map[string]bool), make(map[string]int)
	for _, l := range s {
		if op.IsNil(l) {
			continue
		}
		name := l.Name()
		for taken[name] {
			last[l.Name()]++
			name = fmt.Sprintf("%s_%d", l.Name(), last[l.Name()])
		}
		taken[name] = true
		c = append(c, part{name + ".", l})
	}
	return c
}

// part is a layer of a compound, and the prefix of its names there.
type part struct {
	prefix string
	layer  Layer
}

// compound is a list of layers with a common State.
type compound []part

func (c compound) state() State {
	all := make(State)
	for _, part := range c {
		for name, d := range part.layer.State() {
			all[part.prefix+name] = d
		}
	}
	return all
}

func (c compound) load(s State) error {
	own, before := make(State), make([]State, len(c))
	var repeated []string
	for i, part := range c {
		before[i] = part.layer.State()
		for name, d := range before[i] {
			if _, ok := own[part.prefix+name]; ok {
				repeated = append(repeated, part.prefix+name)
			}
			own[part.prefix+name] = d
		}
	}
	if len(repeated) > 0 {
		slices.Sort(repeated)
		return fmt.Errorf("cannot load the state: more than one layer has %s", strings.Join(repeated, ", "))
	}
	if err := own.check(s); err != nil {
		return err
	}
	for i, part := range c {
		after := make(State)
		for name := range before[i] {
			if d, given := s[part.prefix+name]; given {
				after[name] = d
			}
		}
		if err := part.layer.Load(after); err != nil { // possible for a layer from outside this package
			for j := range i {
				err = errors.Join(err, c[j].layer.Load(before[j]))
			}
			return err
		}
	}
	return nil
}
