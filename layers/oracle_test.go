package layers

import "math"

// oracle computes a norm by its formula, in float64 and one element at a time. A set's statistics
// normalize an element of x, which has a gain and a bias.
type oracle struct {
	x        []float64
	elements []element
	sets     []statistics
	keys     map[any]int // of the sets
	params   [][]float64 // the learnables
	of       *function   // of DyT and Derf, which have no sets: x̂ = of(α·x + shift)
}

type function struct {
	f, slope     func(float64) float64
	alpha, shift int // indices of learnables; none: -1
}

// argument returns the function's argument for x.
func (o *oracle) argument(x float64) float64 {
	u := o.params[o.of.alpha][0] * x
	if o.of.shift >= 0 {
		u += o.params[o.of.shift][0]
	}
	return u
}

// element describes an element of y: gain·x̂ + bias, or x for an element without a set, or 0 if a mask
// leaves it out.
type element struct {
	set      int // none: -1
	out      bool
	plus     float64 // gain is plus + weight
	weight   int     // index of a learnable; none: -1
	gainAt   int     // index of the learnable's element
	bias, at int     // likewise
}

// statistics are computed from members of x, or given.
type statistics struct {
	members        []int
	centred, given bool
	eps            float64
	mean, variance float64
	rstd           float64
}

func (o *oracle) gain(e element) float64 {
	if e.weight < 0 {
		return e.plus
	}
	return e.plus + o.params[e.weight][e.gainAt]
}

func (o *oracle) forward() (y []float64) {
	for i := range o.sets {
		s := &o.sets[i]
		if !s.given {
			n := float64(len(s.members))
			s.mean, s.variance = 0, 0
			if s.centred {
				for _, k := range s.members {
					s.mean += o.x[k] / n
				}
			}
			for _, k := range s.members {
				s.variance += (o.x[k] - s.mean) * (o.x[k] - s.mean) / n
			}
		}
		s.rstd = 1 / math.Sqrt(s.variance+s.eps)
	}
	y = make([]float64, len(o.x))
	for i, e := range o.elements {
		switch {
		case e.out:
			continue
		case o.of != nil:
			y[i] = o.gain(e) * o.of.f(o.argument(o.x[i]))
		case e.set < 0:
			y[i] = o.x[i]
		default:
			s := o.sets[e.set]
			y[i] = o.gain(e) * (o.x[i] - s.mean) * s.rstd
		}
		if e.bias >= 0 {
			y[i] += o.params[e.bias][e.at]
		}
	}
	return y
}

// backward returns the gradients of Σ u∘y after forward, from the derivative of each y with respect to
// each x:
//
//	∂x̂ᵢ/∂xₖ = δᵢₖ·rstd − (k ∈ set)·(rstd/n + (xᵢ−μ)·(xₖ−μ)·rstd³/n)
//
// The term rstd/n comes from the mean.
func (o *oracle) backward(u []float64) (dx []float64, dparams [][]float64) {
	dx = make([]float64, len(o.x))
	for _, p := range o.params {
		dparams = append(dparams, make([]float64, len(p)))
	}
	for i, e := range o.elements {
		switch {
		case e.out:
			continue
		case e.set < 0 && o.of == nil:
			dx[i] += u[i]
			continue
		}
		if e.bias >= 0 {
			dparams[e.bias][e.at] += u[i]
		}
		g := u[i] * o.gain(e)
		if o.of != nil {
			a := o.argument(o.x[i])
			h := g * o.of.slope(a)
			dx[i] = h * o.params[o.of.alpha][0]
			dparams[o.of.alpha][0] += h * o.x[i]
			if o.of.shift >= 0 {
				dparams[o.of.shift][0] += h
			}
			if e.weight >= 0 {
				dparams[e.weight][e.gainAt] += u[i] * o.of.f(a)
			}
			continue
		}
		s := o.sets[e.set]
		if e.weight >= 0 {
			dparams[e.weight][e.gainAt] += u[i] * (o.x[i] - s.mean) * s.rstd
		}
		dx[i] += g * s.rstd
		if s.given {
			continue
		}
		n := float64(len(s.members))
		for _, k := range s.members {
			dx[k] -= g * (o.x[i] - s.mean) * (o.x[k] - s.mean) * s.rstd * s.rstd * s.rstd / n
			if s.centred {
				dx[k] -= g * s.rstd / n
			}
		}
	}
	return dx, dparams
}

// conditions returns the factors that amplify rounding: the largest |x|·rstd and the largest rstd, or
// for a function |x| and |α|.
func (o *oracle) conditions() (kappa, rstd float64) {
	for i, e := range o.elements {
		if !e.out && e.set >= 0 {
			s := o.sets[e.set]
			kappa = max(kappa, math.Abs(o.x[i])*s.rstd, math.Abs(s.mean)*s.rstd)
			rstd = max(rstd, s.rstd)
		} else if o.of != nil {
			kappa, rstd = max(kappa, math.Abs(o.x[i])), math.Abs(o.params[o.of.alpha][0])
		}
	}
	return kappa, rstd
}

// use makes the key's set normalize element i, and makes i a member of the set if member is true. A
// new set starts as a copy of the template.
func (o *oracle) use(i int, key any, member bool, template statistics) {
	if o.keys == nil {
		o.keys = make(map[any]int)
	}
	at, ok := o.keys[key]
	if !ok {
		at = len(o.sets)
		o.keys[key] = at
		o.sets = append(o.sets, template)
	}
	o.elements[i].set = at
	if member {
		o.sets[at].members = append(o.sets[at].members, i)
	}
}
