package op

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"unsafe"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Modal is a kernel that computes something else under a machine made with
// gorgonia.EvalMode. Its Backward belongs to the mode of its last Forward.
type Modal[T Float] interface {
	Kernel[T]
	// SetTraining is called before each Forward with the mode of the running machine.
	SetTraining(training bool)
}

// ApplyModal is Apply for such a kernel.
func ApplyModal(label string, shape tensor.Shape, f32 Modal[float32], f64 Modal[float64], inputs ...*G.Node) (*G.Node, error) {
	dt, err := floatType(inputs)
	if err != nil {
		return nil, fmt.Errorf("layers: %s: %w", label, err)
	}
	if dt == tensor.Float32 {
		return applyModal(newForward(label, shape, f32, inputs), f32, inputs)
	}
	return applyModal(newForward(label, shape, f64, inputs), f64, inputs)
}

func applyModal[T Float](f *forward[T], k Modal[T], inputs []*G.Node) (*G.Node, error) {
	m := &modal[T]{forward: f, kernel: k, shared: new(sharedMode)}
	n, err := apply(m, inputs)
	m.shared.node = n
	return n, err
}

// modal is forward for a kernel that has modes. Gorgonia tells an operation the mode of
// each new machine, but not which machine runs it. It makes them in this order:
//
//	NewTapeMachine  compiles the graph, which asks each operation whether it overwrites
//	                its input and puts it into the machine's program; then tells
//	                the mode to each node's operation
//	NewLispMachine  tells the mode to each node's operation, and runs whatever operation
//	                the node has by then
//
// So once an operation has been told a mode, it keeps that mode, and a successor takes
// its place in the node. A TapeMachine runs the operation that it has told. LispMachines
// run the latest successor, which knows what its predecessors have been told by them.
// Where the mode stays unknown, running is an error: with LispMachines of both modes, with a
// compiled program that a machine of another mode takes over, and with a graph and its
// Clone, whose nodes have one operation.
type modal[T Float] struct {
	*forward[T]
	kernel Modal[T]
	shared *sharedMode // with predecessors and successors

	serial   int   // ascends from each to its successor
	compiled maker // who has compiled it last
	program  bool  // it may be in a program that was compiled outside NewTapeMachine
	told     modes // the modes that it was told itself
	lisp     modes // the modes that LispMachines told its predecessors
}

// sharedMode is common to all operations that a node has had.
type sharedMode struct {
	node *G.Node
	// barred[m] is a serial: operations before it that were told m may be in a program
	// of a machine of the other mode.
	barred [3]int
}

// modes is a set of modes.
type modes uint8

const (
	training modes = 1 << iota
	evaluation
)

func modeOf(isTraining bool) modes {
	if isTraining {
		return training
	}
	return evaluation
}

// OverwritesInput notes which machine's program the operation is put into.
func (m *modal[T]) OverwritesInput() int {
	m.compiled = whoMakes()
	m.program = m.program || m.compiled != tapeMachine
	return m.forward.OverwritesInput()
}

// SetTraining takes a new machine's mode and makes way for a successor.
func (m *modal[T]) SetTraining(isTraining bool) error {
	mode, by := modeOf(isTraining), whoMakes()
	untold, lisp := m.told == 0, m.lisp
	switch {
	case by == tapeMachine && m.compiled == tapeMachine: // it is in that machine's program
		m.told |= mode
	case by == lispMachine:
		m.told |= mode
		lisp |= mode
	default: // the mode may be for any program that holds this operation or a predecessor
		other := training + evaluation - mode
		m.shared.barred[other] = max(m.shared.barred[other], m.serial)
		if m.program || by == somebody {
			m.told |= mode
		}
		if by == somebody {
			lisp |= mode
		}
	}
	if untold && m.told != 0 {
		next := &modal[T]{forward: m.forward, kernel: m.kernel, shared: m.shared, serial: m.serial + 1, lisp: lisp}
		replace(m.shared.node, m, next)
	}
	return nil
}

// Do runs the kernel in the mode of the machine.
func (m *modal[T]) Do(inputs ...G.Value) (_ G.Value, err error) {
	mode := m.told
	if mode == 0 {
		mode = m.lisp
	}
	if mode == training+evaluation || m.serial < m.shared.barred[mode] {
		defer m.guard(&err)
		return nil, errMode
	}
	m.kernel.SetTraining(mode != evaluation)
	return m.forward.Do(inputs...)
}

var errMode = errors.New("machines made with and without gorgonia.EvalMode may run this operation, and it cannot tell which one does: " +
	"make the machine anew with gorgonia.NewTapeMachine, from the graph and not from a compiled program, " +
	"or evaluate a branch or graph of its own, placing the layer there with On(g, layers.Evaluation)")

// maker is the function that calls an operation while a machine is made.
type maker int

const (
	somebody maker = iota + 1
	tapeMachine
	lispMachine
)

// whoMakes finds the maker among the callers.
func whoMakes() maker {
	var callers [16]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers[:])])
	for {
		frame, more := frames.Next()
		switch frame.Function {
		case "gorgonia.org/gorgonia.NewTapeMachine":
			return tapeMachine
		case "gorgonia.org/gorgonia.NewLispMachine":
			return lispMachine
		}
		if !more {
			return somebody
		}
	}
}

// opField is the field of a node that holds its operation, nil if it is not as in Gorgonia
// v0.9.18.
var opField = func() []int {
	f, ok := reflect.TypeFor[G.Node]().FieldByName("op")
	if !ok || f.Type != reflect.TypeFor[G.Op]() {
		return nil
	}
	return f.Index
}()

// replace puts the operation by, which has the same hash, in the place of old. Where it
// cannot, old stays and is told every mode.
func replace(n *G.Node, old, by G.Op) {
	if n == nil || opField == nil || n.Op() != old {
		return
	}
	field := reflect.ValueOf(n).Elem().FieldByIndex(opField)
	*(*G.Op)(unsafe.Pointer(field.UnsafeAddr())) = by
}
