package op

import (
	"runtime"

	G "gorgonia.org/gorgonia"
)

// Close ends a machine. Gorgonia has set a finalizer on it, which does nothing but
// keep all that the machine holds through one more garbage collection.
func Close(vm G.VM) {
	vm.Close()
	runtime.SetFinalizer(vm, nil)
}
