package op

import (
	"runtime"

	G "gorgonia.org/gorgonia"
)

// Close closes a machine and removes the finalizer that Gorgonia has set on it. The finalizer would
// only keep the machine's memory alive for one more garbage collection.
func Close(vm G.VM) {
	vm.Close()
	runtime.SetFinalizer(vm, nil)
}
