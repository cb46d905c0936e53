package layers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
)

// Stack is several layers taken together, each with a name of its own, such as
// those of a model.
type Stack []Layer

// Learnables are those of all layers, in their order.
func (s Stack) Learnables() (n G.Nodes) {
	for _, l := range s {
		n = append(n, l.Learnables()...)
	}
	return n
}

// State is the layers' states, each with the layer's name before its own: ln_1.weight.
// A second layer of one name is numbered as if it were on the first one's graph:
// ln_1_1.weight.
func (s Stack) State() State { return s.parts().state() }

// Load gives the layers the values of such a state. It is as strict as a layer's,
// and a state that one layer cannot load is loaded by none.
func (s Stack) Load(state State) error {
	if err := s.parts().load(state); err != nil {
		return fmt.Errorf("layers: %w", err)
	}
	return nil
}

// Rejoin makes the values that gorgonia.Let has given to learnables of this placement alone
// those of all placements, as Load with the layers' own State does. A layer that is not of
// this package is passed over.
func (s Stack) Rejoin() error {
	for _, l := range s {
		if own, ok := l.(interface{ rejoin() error }); ok {
			if err := own.rejoin(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s Stack) parts() (c compound) {
	taken, last := make(map[string]bool), make(map[string]int)
	for _, l := range s {
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

// part is a layer within something larger, and what precedes its names there.
type part struct {
	prefix string
	layer  Layer
}

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
	var twice []string
	for i, part := range c {
		before[i] = part.layer.State()
		for name, d := range before[i] {
			if _, ok := own[part.prefix+name]; ok {
				twice = append(twice, part.prefix+name)
			}
			own[part.prefix+name] = d
		}
	}
	if len(twice) > 0 {
		slices.Sort(twice)
		return fmt.Errorf("cannot load the state: more than one layer has %s", strings.Join(twice, ", "))
	}
	if err := own.admits(s); err != nil {
		return err
	}
	for i, part := range c {
		after := make(State)
		for name := range before[i] {
			if d, given := s[part.prefix+name]; given {
				after[name] = d
			}
		}
		if err := part.layer.Load(after); err != nil { // of a layer from elsewhere
			for j := range i {
				err = errors.Join(err, c[j].layer.Load(before[j]))
			}
			return err
		}
	}
	return nil
}
