package layers

import G "gorgonia.org/gorgonia"

// Identity returns its input. It takes the place of a norm in a model without norms.
type Identity struct {
	module
}

// NewIdentity returns an Identity. It takes WithName.
func NewIdentity(opts ...Option) (*Identity, error) {
	m, err := newStateless("Identity", opts)
	return &Identity{m}, err
}

// Forward returns x.
func (l *Identity) Forward(x *G.Node) (*G.Node, error) {
	if err := l.check(x); err != nil {
		return nil, err
	}
	return x, nil
}

// Fwd is Forward in Gorgonia's composable form.
func (l *Identity) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer itself, which works on every graph.
func (l *Identity) On(*G.ExprGraph, Mode) (Layer, error) { return l, nil }
