package cpu

import "unsafe"

// streamBytes is the size from which a result is written past the caches, because they
// could not hold it until it is read.
const streamBytes = 16 << 20

// streams reports whether y is that large and its rows begin where such writes must.
func streams[T Float](y []T, cols int) bool {
	const line = 64
	var z T
	size := int(unsafe.Sizeof(z))
	return len(y)*size >= streamBytes && cols*size%line == 0 && uintptr(unsafe.Pointer(&y[0]))%line == 0
}
