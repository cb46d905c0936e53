// Package op turns a layer's pair of forward and backward kernels into an operation of a Gorgonia
// graph: one node with a symbolic gradient (for TapeMachine, through gorgonia.Grad) and an automatic
// gradient (for LispMachine).
//
// An operation owns the memory of its output and of its gradients and returns the same values on
// every run, so runs do not allocate. A value read from a node is therefore valid until the graph
// runs again, and machines that share a graph, or a graph and its Clone, must not run concurrently.
package op

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"sync/atomic"

	"github.com/chewxy/hm"
	_ "go4.org/unsafe/assume-no-moving-gc" // imported for its version; go.mod explains why
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/extent"
)

// Float is the element type of a kernel. It repeats the Float of internal/cpu/simd because this package
// imports nothing of ours that computes.
type Float interface{ float32 | float64 }

// Array is a kernel's view of a tensor: its shape and its elements, contiguous and row-major. Data is
// nil for an integer input, and Ints is nil for any other. A scalar has an empty shape and one
// element.
type Array[T Float] struct {
	Shape tensor.Shape
	Data  []T
	Ints  []int
}

// Forward is a layer's function.
type Forward[T Float] interface {
	// Forward overwrites out. It is called only if out has at least one element.
	Forward(out Array[T], in []Array[T]) error
}

// Kernel is a layer's pair of functions. A kernel belongs to one node, so Forward may store what
// Backward needs.
type Kernel[T Float] interface {
	Forward[T]
	// Backward overwrites din, the gradients of all float inputs, after Forward has run on the same
	// in. The din of an integer input is empty. Backward is called only if dout has at least one
	// element; the gradients of an empty output are zero.
	Backward(din, in []Array[T], out, dout Array[T]) error
}

// Apply adds a node with this output shape that runs the kernel for the inputs' element type. Inputs
// are float tensors of one type, or integers (tensor.Int), which have no gradient. Every error
// starts with the label, which consists of a layer's kind and name.
func Apply(label string, shape tensor.Shape, f32 Kernel[float32], f64 Kernel[float64],
	inputs ...*G.Node) (*G.Node, error) {
	return ApplyForward(label, shape, f32, f64, inputs...)
}

// ApplyForward is Apply for a kernel whose Backward is optional. Without it, taking a gradient through
// the node is an error.
func ApplyForward(label string, shape tensor.Shape, f32 Forward[float32], f64 Forward[float64],
	inputs ...*G.Node) (*G.Node, error) {
	dt, err := floatType(inputs)
	if err == nil {
		_, err = extent.Of("the output", shape)
	}
	if err != nil {
		return nil, fmt.Errorf("layers: %s: %w", label, err)
	}
	if dt == tensor.Float32 {
		return apply(newForward(label, shape, f32, inputs), inputs)
	}
	return apply(newForward(label, shape, f64, inputs), inputs)
}

// floatType returns the float type of the inputs, which must be the same for all float inputs.
func floatType(inputs []*G.Node) (tensor.Dtype, error) {
	var dt tensor.Dtype
	for i, in := range inputs {
		if err := CheckNode(in); err != nil {
			return dt, fmt.Errorf("input %d %w", i, err)
		}
		switch t := in.Dtype(); {
		case t == tensor.Int:
		case t != tensor.Float32 && t != tensor.Float64:
			return dt, fmt.Errorf("input %d (%s) is of type %v, want float32, float64 or, for ids, int", i, in.Name(),
				t)
		case dt.Type == nil:
			dt = t
		case t != dt:
			return dt, fmt.Errorf("input %d (%s) is of type %v, want %v like the inputs before it", i, in.Name(), t, dt)
		}
	}
	if dt.Type == nil {
		return dt, fmt.Errorf("no input of type float32 or float64")
	}
	return dt, nil
}

// base implements the part of Gorgonia's Op that is the same for all operations of a layer.
type base struct {
	label string // kind and name of the layer
	role  string // which of the layer's operations this is
	id    uint64
	types []hm.Type // of the inputs and the output
	arity int
	out   hm.Type      // type of the output
	shape tensor.Shape // shape of the output
}

var lastID atomic.Uint64

func newBase(label, role string, shape tensor.Shape, output hm.Type, inputs []*G.Node) base {
	types := make([]hm.Type, 0, len(inputs)+1)
	for _, in := range inputs {
		types = append(types, in.Type())
	}
	return base{
		label: label,
		role:  role,
		id:    lastID.Add(1),
		types: append(types, output),
		arity: len(inputs),
		out:   output,
		shape: shape,
	}
}

func (b *base) Arity() int           { return b.arity }
func (b *base) ReturnsPtr() bool     { return true }
func (b *base) CallsExtern() bool    { return false }
func (b *base) OverwritesInput() int { return -1 }
func (b *base) String() string       { return b.label + " " + b.role }

// Type returns a new function type at each call, because Gorgonia returns the one that it gets to
// a pool, from which any other operation may take it.
func (b *base) Type() hm.Type { return hm.NewFnType(b.types...) }

func (b *base) InferShape(...G.DimSizer) (tensor.Shape, error) { return b.shape.Clone(), nil }

// WriteHash writes a hash that is different for every instance. Operations keep state, so no two of
// them are equal, even if their settings are.
func (b *base) WriteHash(h hash.Hash) { fmt.Fprintf(h, "gorgonorm %s %d", b, b.id) }

func (b *base) Hashcode() uint32 {
	h := fnv.New32a()
	b.WriteHash(h)
	return h.Sum32()
}

// guard converts a kernel's panic to an error, and adds the label to any error.
func (b *base) guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v", r)
	}
	if *err != nil {
		*err = fmt.Errorf("layers: %s: %w", b, *err)
	}
}

func (b *base) self() *base { return b }

type operation interface {
	G.Op
	self() *base
}

// apply adds the operation to the graph. Gorgonia's compiler merges nodes with the same 32-bit hash,
// so apply changes the operation's id until no node of the graph has its hash.
func apply(o operation, inputs []*G.Node) (*G.Node, error) {
	b := o.self()
	g := graphOf(inputs)
	if g == nil {
		return nil, fmt.Errorf("layers: %s: no input belongs to a graph", b)
	}
	for hashTaken(g, nodeHash(b, inputs)) {
		b.id = lastID.Add(1)
	}
	n, err := G.ApplyOp(o, inputs...)
	if err != nil {
		return nil, fmt.Errorf("layers: %s: %w", b, err)
	}
	return n, nil
}

// graphOf returns the graph of the inputs, or nil. Constants belong to no graph until they are used.
func graphOf(inputs []*G.Node) *G.ExprGraph {
	for _, in := range inputs {
		if g := in.Graph(); g != nil {
			return g
		}
	}
	return nil
}

// nodeHash returns the hash that Gorgonia will compute for the operation's node.
func nodeHash(b *base, inputs []*G.Node) uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%v%v", b.out, b.shape)
	b.WriteHash(h)
	h.Write([]byte{byte(len(inputs))})
	for _, in := range inputs {
		binary.Write(h, binary.LittleEndian, in.Hashcode())
	}
	return h.Sum32()
}

// tensorType returns Gorgonia's type of a float tensor with this shape.
func tensorType(dt tensor.Dtype, shape tensor.Shape) hm.Type {
	if shape.IsScalar() {
		return dt
	}
	return G.TensorType{Dims: shape.Dims(), Of: dt}
}
