package op

import (
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// switched is a weighted kernel that records the modes in which it runs.
type switched struct {
	weighted[float64]
	trains bool
	ran    []bool
}

func (s *switched) SetTraining(training bool) { s.trains = training }

func (s *switched) Forward(out Array[float64], in []Array[float64]) error {
	s.ran = append(s.ran, s.trains)
	return s.weighted.Forward(out, in)
}

func applySwitched(t *testing.T) (*switched, *G.ExprGraph, *G.Node) {
	t.Helper()
	g := G.NewGraph()
	k := &switched{}
	y, err := ApplyModal("Switched", tensor.Shape{2, 3}, nil, k, newInput(g, "x", layouts(t)["row-major"]),
		newInput(g, "w", G.NewF64(2)))
	require.NoError(t, err)
	return k, g, y
}

func TestOperationsKeepTheModeOfTheirMachine(t *testing.T) {
	k, g, y := applySwitched(t)
	hash, nodes := y.Op().Hashcode(), len(g.AllNodes())
	var vms []G.VM
	for _, opts := range [][]G.VMOpt{nil, {G.EvalMode()}, nil} {
		vm := G.NewTapeMachine(g, opts...)
		defer vm.Close()
		vms = append(vms, vm)
	}
	for _, i := range []int{1, 0, 2, 1} {
		require.NoError(t, vms[i].RunAll())
		vms[i].Reset()
	}
	require.Equal(t, []bool{false, true, true, false}, k.ran)
	require.Equal(t, hash, y.Op().Hashcode(), "a successor has the hash of the operation that it replaces")
	require.Len(t, g.AllNodes(), nodes)
}

// TestExplicitSetTrainingIsNotIgnored: a user's call of SetTraining may be meant for any machine.
func TestExplicitSetTrainingIsNotIgnored(t *testing.T) {
	k, g, y := applySwitched(t)
	train := G.NewTapeMachine(g)
	defer train.Close()
	require.NoError(t, y.Op().(G.TrainModeOp).SetTraining(false))
	require.ErrorContains(t, train.RunAll(), "create a new machine")
	lisp := G.NewLispMachine(g, G.ExecuteFwdOnly(), G.EvalMode())
	defer lisp.Close()
	require.NoError(t, lisp.RunAll())
	again := G.NewTapeMachine(g)
	defer again.Close()
	require.NoError(t, again.RunAll())
	require.Equal(t, []bool{false, true}, k.ran)
}

func TestExplicitSetTrainingAppliesToLispMachines(t *testing.T) {
	k, g, y := applySwitched(t)
	lisp := G.NewLispMachine(g, G.ExecuteFwdOnly())
	defer lisp.Close()
	require.NoError(t, y.Op().(G.TrainModeOp).SetTraining(false))
	require.ErrorContains(t, lisp.RunAll(), "create a new machine")
	require.Empty(t, k.ran)

	_, _, y = applySwitched(t)
	require.NoError(t, y.Op().(G.TrainModeOp).SetTraining(false))
	require.NoError(t, y.Op().(G.TrainModeOp).SetTraining(true))
	_, err := y.Op().Do(layouts(t)["row-major"], G.NewF64(2))
	require.ErrorContains(t, err, "create a new machine")
}

// TestWithoutSuccessorsNoModeIsGuessed hides the field of Gorgonia's nodes that holds the operation.
func TestWithoutSuccessorsNoModeIsGuessed(t *testing.T) {
	require.NotNil(t, opField)
	defer func(f []int) { opField = f }(opField)
	opField = nil
	k, g, _ := applySwitched(t)
	first := G.NewTapeMachine(g, G.EvalMode())
	defer first.Close()
	require.NoError(t, first.RunAll())
	first.Reset()
	second := G.NewTapeMachine(g)
	defer second.Close()
	for _, vm := range []G.VM{first, second} {
		require.ErrorContains(t, vm.RunAll(), "create a new machine")
		vm.Reset()
	}
	require.Equal(t, []bool{false}, k.ran)
}

func TestModalKernelWithoutAFloatInputIsAnError(t *testing.T) {
	g := G.NewGraph()
	ids := G.NewVector(g, tensor.Int, G.WithShape(2), G.WithName("ids"))
	_, err := ApplyModal("Switched", tensor.Shape{2}, nil, &switched{}, ids)
	require.EqualError(t, err, "layers: Switched: no input of type float32 or float64")
}
