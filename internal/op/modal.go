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

// Modal is a kernel that computes something different on a machine made with gorgonia.EvalMode.
// Backward uses the mode of the last Forward.
type Modal[T Float] interface {
	Kernel[T]
	// SetTraining sets the mode. It is called before each Forward with the running machine's mode.
	SetTraining(training bool)
}

// ApplyModal is Apply for a kernel with modes.
func ApplyModal(label string, shape tensor.Shape, f32 Modal[float32], f64 Modal[float64],
	inputs ...*G.Node) (*G.Node, error) {
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

// modal is forward for a kernel that has modes. Gorgonia calls an operation's SetTraining with the
// mode of each new machine, but an operation does not know which machine runs it. Machines are
// created in these steps:
//
//	NewTapeMachine  compiles the graph, which calls each operation's OverwritesInput and puts
//	                the operation into the machine's program; then calls SetTraining on each
//	                node's operation
//	NewLispMachine  calls SetTraining on each node's operation; runs whatever operation the
//	                node has by then
//
// Therefore an operation keeps the first mode that is set on it, and a successor replaces it in the
// node. A TapeMachine runs the operation on which it set the mode. LispMachines run the latest
// successor, which knows the modes that LispMachines set on its predecessors. If the mode is
// unknown, running is an error: with LispMachines of both modes, with a compiled program that a
// machine of another mode uses, and with a graph and its Clone, whose nodes share an operation.
type modal[T Float] struct {
	*forward[T]
	kernel Modal[T]
	shared *sharedMode // shared with predecessors and successors

	serial    int   // ascends from each operation to its successor
	compiled  maker // the function that compiled it last
	program   bool  // it may be in a program that was compiled outside NewTapeMachine
	modes     modes // the modes that were set on this operation
	lispModes modes // the modes that LispMachines set on its predecessors
}

// sharedMode holds what all successive operations of a node share.
type sharedMode struct {
	node *G.Node
	// barred[m] is a serial. Earlier operations whose mode was set to m may be in a program of a
	// machine of the other mode.
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

// OverwritesInput records which function compiles the operation into a program.
func (m *modal[T]) OverwritesInput() int {
	m.compiled = caller()
	m.program = m.program || m.compiled != tapeMachine
	return m.forward.OverwritesInput()
}

// SetTraining records a new machine's mode. The first time, it puts a successor into the node.
func (m *modal[T]) SetTraining(isTraining bool) error {
	mode, by := modeOf(isTraining), caller()
	first, lispModes := m.modes == 0, m.lispModes
	switch {
	case by == tapeMachine && m.compiled == tapeMachine: // it is in that machine's program
		m.modes |= mode
	case by == lispMachine:
		m.modes |= mode
		lispModes |= mode
	default: // the mode may be for any program that holds this operation or a predecessor
		other := training + evaluation - mode
		m.shared.barred[other] = max(m.shared.barred[other], m.serial)
		if m.program || by == unknown {
			m.modes |= mode
		}
		if by == unknown {
			lispModes |= mode
		}
	}
	if first && m.modes != 0 {
		next := &modal[T]{
			forward: m.forward, kernel: m.kernel, shared: m.shared, serial: m.serial + 1, lispModes: lispModes,
		}
		replace(m.shared.node, m, next)
	}
	return nil
}

// Do runs the kernel in the machine's mode.
func (m *modal[T]) Do(inputs ...G.Value) (_ G.Value, err error) {
	mode := m.modes
	if mode == 0 {
		mode = m.lispModes
	}
	if mode == training+evaluation || m.serial < m.shared.barred[mode] {
		defer m.guard(&err)
		return nil, errMode
	}
	m.kernel.SetTraining(mode != evaluation)
	return m.forward.Do(inputs...)
}

var errMode = errors.New("machines with and without gorgonia.EvalMode may run this operation, so its mode is " +
	"unknown: " +
	"create a new machine with gorgonia.NewTapeMachine, from the graph and not from a compiled program, " +
	"or evaluate on a separate branch or graph, placing the layer there with On(g, layers.Evaluation)")

// maker is a function that creates a machine and meanwhile calls the methods of operations.
type maker int

const (
	unknown maker = iota + 1
	tapeMachine
	lispMachine
)

// caller returns the maker on the call stack.
func caller() maker {
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
			return unknown
		}
	}
}

// opField is the index of the node field that holds its operation, or nil if the field differs from
// that in Gorgonia v0.9.18.
var opField = func() []int {
	f, ok := reflect.TypeFor[G.Node]().FieldByName("op")
	if !ok || f.Type != reflect.TypeFor[G.Op]() {
		return nil
	}
	return f.Index
}()

// replace replaces the node's operation old with by, which has the same hash. If that is impossible,
// old stays and every mode is set on it.
func replace(n *G.Node, old, by G.Op) {
	if n == nil || opField == nil || n.Op() != old {
		return
	}
	field := reflect.ValueOf(n).Elem().FieldByIndex(opField)
	*(*G.Op)(unsafe.Pointer(field.UnsafeAddr())) = by
}
