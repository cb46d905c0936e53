package cpu

import "unsafe"

// streamBytes is the size of a result from which on it is written past the
// caches, which could not hold it until it is read.
const streamBytes = 16 << 20

// streams says that a result is that large and that its rows lie as such writes
// need it.
func streams[T Float](y []T, cols int) bool {
	const line = 64
	var z T
	size := int(unsafe.Sizeof(z))
	return len(y)*size >= streamBytes && cols*size%line == 0 && uintptr(unsafe.Pointer(&y[0]))%line == 0
}
