package main

import (
	"fmt"
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gen writes kernels for one element type and one instruction set. Its methods
// are the instructions that kernels consist of. The destination is the last
// operand, as in Go's assembler, and the sources are in the order of the
// formula: sub(a, b, d) is d = a − b.
type gen struct {
	double bool // float64, else float32
	wide   bool // AVX-512, else AVX2 with FMA
}

var gens = []gen{{false, false}, {true, false}, {false, true}, {true, true}}

// size returns an element's size in bytes.
func (g gen) size() int {
	if g.double {
		return 8
	}
	return 4
}

// width returns a vector's size in bytes.
func (g gen) width() int {
	if g.wide {
		return 64
	}
	return 32
}

// lanes returns a vector's number of elements.
func (g gen) lanes() int { return g.width() / g.size() }

// A sum over the elements of a row has as many partial sums on every machine as a vector of
// AVX-512 has lanes: with AVX2 it takes two vectors, for the even and for the odd ones of a row. So
// the results are the same bits.

// halves returns the number of vectors of a sum.
func (g gen) halves() int {
	if g.wide {
		return 1
	}
	return 2
}

// half is that of the vectors of a sum which the code adds to that is being written.
var half int

// in returns the vector to add to of the i-th of several sums.
func (g gen) in(sums []reg.VecVirtual, i int) reg.VecVirtual { return sums[i*g.halves()+half] }

// joined adds the vectors of each sum and returns those that hold the results.
func (g gen) joined(sums []reg.VecVirtual) (joined []reg.VecVirtual) {
	for i := 0; i < len(sums); i += g.halves() {
		if !g.wide {
			g.add(sums[i+1], sums[i], sums[i])
		}
		joined = append(joined, sums[i])
	}
	return joined
}

// elem returns the Go name of the element type.
func (g gen) elem() string {
	if g.double {
		return "float64"
	}
	return "float32"
}

// isa returns the name of the instruction set.
func (g gen) isa() string {
	if g.wide {
		return "AVX512"
	}
	return "AVX2"
}

// kernel writes the function for a field of Kernels. T stands for the element type in the
// signature.
func (g gen) kernel(field, signature string, body func()) {
	name := strings.ToLower(field[:1]) + field[1:] + fmt.Sprintf("F%d", 8*g.size()) + g.isa()
	if strings.HasPrefix(field, "GELU") {
		name = "gelu" + field[4:] + fmt.Sprintf("F%d", 8*g.size()) + g.isa()
	}
	tables.add(g, field, name)
	types := strings.NewReplacer("[]T", "[]"+g.elem(), "*T", "*"+g.elem(), " T", " "+g.elem())
	TEXT(name, NOSPLIT, types.Replace(signature))
	Pragma("noescape")
	body()
	VZEROUPPER()
	RET()
}

var labels int

// label returns a name that no other label of the file has.
func label(what string) string {
	labels++
	return fmt.Sprintf("%s%d", what, labels)
}

// ptr loads the pointer of a slice parameter, length its length.
func ptr(slice string) reg.GPVirtual    { return Load(Param(slice).Base(), GP64()).(reg.GPVirtual) }
func length(slice string) reg.GPVirtual { return Load(Param(slice).Len(), GP64()).(reg.GPVirtual) }

// at returns the address of element i of p.
func (g gen) at(p, i reg.Register) Mem { return Mem{Base: p, Index: i, Scale: uint8(g.size())} }

// reg returns a new vector register.
func (g gen) reg() reg.VecVirtual {
	if g.wide {
		return ZMM()
	}
	return YMM()
}

// zero returns a new register of zeros.
func (g gen) zero() reg.VecVirtual {
	v := g.reg()
	g.clear(v)
	return v
}

func (g gen) clear(v reg.VecVirtual) {
	VXORPS(v, v, v)
}

// zeros returns n new registers of zeros.
func (g gen) zeros(n int) []reg.VecVirtual {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = g.zero()
	}
	return v
}

// pick emits the instruction for the element type.
func (g gen) pick(single, double func(...Op), ops ...Op) {
	if g.double {
		double(ops...)
	} else {
		single(ops...)
	}
}

func (g gen) add(a, b, d Op) { g.pick(VADDPS, VADDPD, a, b, d) } // b is a register
func (g gen) mul(a, b, d Op) { g.pick(VMULPS, VMULPD, a, b, d) } // b is a register
func (g gen) sub(a, b, d Op) { g.pick(VSUBPS, VSUBPD, b, a, d) } // a is a register
func (g gen) div(a, b, d Op) { g.pick(VDIVPS, VDIVPD, b, a, d) } // a is a register

// max and min are b in lanes where a or b is NaN; b may be memory.
func (g gen) max(a, b, d Op) { g.pick(VMAXPS, VMAXPD, b, a, d) }
func (g gen) min(a, b, d Op) { g.pick(VMINPS, VMINPD, b, a, d) }
func (g gen) sqrt(a, d Op)   { g.pick(VSQRTPS, VSQRTPD, a, d) }

// fma is d += a·b, fnma is d −= a·b; a may be memory.
func (g gen) fma(a, b, d Op)  { g.pick(VFMADD231PS, VFMADD231PD, a, b, d) }
func (g gen) fnma(a, b, d Op) { g.pick(VFNMADD231PS, VFNMADD231PD, a, b, d) }

// fam is d = a·d + b, fms is d = a·d − b; b may be memory.
func (g gen) fam(a, b, d Op) { g.pick(VFMADD213PS, VFMADD213PD, b, a, d) }
func (g gen) fms(a, b, d Op) { g.pick(VFMSUB213PS, VFMSUB213PD, b, a, d) }

// move copies from a register or memory.
func (g gen) move(a, d Op) { g.pick(VMOVUPS, VMOVUPD, a, d) }

// broadcast returns a new register filled with the element in memory or in the first lane
// of a register.
func (g gen) broadcast(from Op) reg.VecVirtual {
	v := g.reg()
	g.pick(VBROADCASTSS, VBROADCASTSD, from, v)
	return v
}

// scalar returns a new register filled with a parameter of type T.
func (g gen) scalar(param string) reg.VecVirtual { return g.broadcast(address(Param(param))) }

// result stores the first lane of v as result i of the function.
func (g gen) result(v reg.VecVirtual, i int) {
	if g.double {
		VMOVSD(v.AsX(), address(ReturnIndex(i)))
	} else {
		VMOVSS(v.AsX(), address(ReturnIndex(i)))
	}
}

// address returns the address of a parameter or result. (avo's own Load and Store use
// instructions that reach only 16 registers.)
func address(c gotypes.Component) Mem {
	b, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// constant returns a new register filled with x.
func (g gen) constant(x float64) reg.VecVirtual { return g.broadcast(g.literal(x, 1)) }

// number returns an operand with x in all lanes: a register with AVX-512, which has
// plenty, and memory with AVX2.
func (g gen) number(x float64) Op {
	if g.wide {
		return g.constant(x)
	}
	return g.literal(x, g.lanes())
}

// held returns a number in a register.
func (g gen) held(number Op) reg.VecVirtual {
	if v, ok := number.(reg.VecVirtual); ok {
		return v
	}
	v := g.reg()
	g.move(number, v)
	return v
}

var literals = map[string]Mem{}

// literal returns memory with n copies of x in the element type.
func (g gen) literal(x float64, n int) Mem {
	key := fmt.Sprintf("%d %d %b", g.size(), n, x)
	if m, ok := literals[key]; ok {
		return m
	}
	m := GLOBL(fmt.Sprintf("literal%d_%d", 8*g.size(), len(literals)), RODATA|NOPTR)
	for i := range n {
		if g.double {
			DATA(8*i, U64(math.Float64bits(x))) // the assembler has no Inf
		} else {
			DATA(4*i, U32(math.Float32bits(float32(x))))
		}
	}
	literals[key] = m
	return m
}

// tail is the part of a row after its full vectors, a mask of lanes.
type tail struct{ mask reg.Register }

// tailOf returns the mask of n mod lanes elements; it may have no lanes.
func (g gen) tailOf(n reg.Register) *tail {
	rest := GP64()
	MOVQ(n, rest)
	ANDQ(U32(g.lanes()-1), rest)
	if g.wide {
		all, k := GP32(), K()
		MOVL(U32(0xffff), all)
		BZHIL(rest.As32(), all, all)
		KMOVW(all, k)
		return &tail{k}
	}
	// The mask is loaded from a row of ones followed by zeros.
	table, at, m := ones(), GP64(), YMM()
	LEAQ(table, at)
	NEGQ(rest)
	VMOVUPS(Mem{Base: at, Index: rest, Scale: uint8(g.size()), Disp: 32}, m)
	return &tail{m}
}

var onesThenZeros *Mem

func ones() Mem {
	if onesThenZeros == nil {
		m := GLOBL("onesThenZeros", RODATA|NOPTR)
		for i := range 8 {
			v := uint64(0)
			if i < 4 {
				v = ^uint64(0)
			}
			DATA(8*i, U64(v))
		}
		onesThenZeros = &m
	}
	return *onesThenZeros
}

// load returns a vector from memory, or a tail's lanes with zeros in the others.
func (g gen) load(m Mem, t *tail) reg.VecVirtual {
	v := g.reg()
	switch {
	case t == nil:
		g.pick(VMOVUPS, VMOVUPD, m, v)
	case g.wide && g.double:
		VMOVUPD_Z(m, t.mask, v)
	case g.wide:
		VMOVUPS_Z(m, t.mask, v)
	case g.double:
		VMASKMOVPD(m, t.mask, v)
	default:
		VMASKMOVPS(m, t.mask, v)
	}
	return v
}

// loadOr returns a vector from memory, or a tail's lanes with those of other elsewhere.
func (g gen) loadOr(m Mem, t *tail, other reg.VecVirtual) reg.VecVirtual {
	switch {
	case t == nil:
		return g.load(m, nil)
	case g.wide:
		v := g.reg()
		g.move(other, v)
		g.pick(VMOVUPS, VMOVUPD, m, t.mask, v)
		return v
	}
	v := g.load(m, t)
	if g.double {
		VBLENDVPD(t.mask, v, other, v)
	} else {
		VBLENDVPS(t.mask, v, other, v)
	}
	return v
}

// atLeast returns the lanes in which x ≥ bound or x is NaN.
func (g gen) atLeast(x reg.VecVirtual, bound Op) *tail {
	const notLess = 0x15
	var mask reg.Register = g.reg()
	if g.wide {
		mask = K()
	}
	g.pick(VCMPPS, VCMPPD, U8(notLess), bound, x, mask)
	return &tail{mask}
}

// store writes a vector to memory, or a tail's lanes.
func (g gen) store(v Op, m Mem, t *tail) {
	switch {
	case t == nil:
		g.pick(VMOVUPS, VMOVUPD, v, m)
	case g.wide && g.double:
		VMOVUPD(v, t.mask, m)
	case g.wide:
		VMOVUPS(v, t.mask, m)
	case g.double:
		VMASKMOVPD(v, t.mask, m)
	default:
		VMASKMOVPS(v, t.mask, m)
	}
}

// stream writes a full vector past the caches, to an aligned address.
func (g gen) stream(v Op, m Mem) {
	if g.double {
		VMOVNTPD(v, m)
	} else {
		VMOVNTPS(v, m)
	}
}

// keep sets the lanes outside the tail to zero.
func (g gen) keep(v reg.VecVirtual, t *tail) {
	switch {
	case t == nil:
	case g.wide && g.double:
		VMOVAPD_Z(v, t.mask, v)
	case g.wide:
		VMOVAPS_Z(v, t.mask, v)
	case g.double:
		VANDPD(t.mask, v, v)
	default:
		VANDPS(t.mask, v, v)
	}
}

// over writes a loop over n elements. body runs with a nil t for each full vector and then
// with the tail if elements are left; i is the index of the first element.
func (g gen) over(n reg.Register, t *tail, body func(i reg.Register, t *tail)) {
	g.overBy(1, n, t, body)
}

// overSums is over for a body that adds to sums.
func (g gen) overSums(n reg.Register, t *tail, body func(i reg.Register, t *tail)) {
	g.overBy(g.halves(), n, t, body)
}

// overBy is over with one or two vectors in the loop.
func (g gen) overBy(vectors int, n reg.Register, t *tail, body func(i reg.Register, t *tail)) {
	loop, rest, done := label("vectors"), label("rest"), label("done")
	i, end := GP64(), GP64()
	XORQ(i, i)
	MOVQ(n, end)
	ANDQ(I32(-vectors*g.lanes()), end)
	JZ(LabelRef(rest))
	Label(loop)
	for half = range vectors {
		body(i, nil)
		ADDQ(U32(g.lanes()), i)
	}
	half = 0
	CMPQ(i, end)
	JL(LabelRef(loop))
	Label(rest)
	CMPQ(i, n)
	JGE(LabelRef(done))
	if vectors == 2 {
		last, next := label("last"), GP64()
		LEAQ(Mem{Base: i, Disp: g.lanes()}, next)
		CMPQ(next, n)
		JG(LabelRef(last))
		body(i, nil)
		MOVQ(next, i)
		CMPQ(i, n)
		JGE(LabelRef(done))
		half = 1
		body(i, t)
		half = 0
		JMP(LabelRef(done))
		Label(last)
	}
	body(i, t)
	Label(done)
}
