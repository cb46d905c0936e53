package cpu

// Gather copies rows of table: y[i] = table[ids[i]].
func Gather[T Float](y, table []T, ids []int, cols int) {
	for i, id := range ids {
		copy(y[i*cols:(i+1)*cols], table[id*cols:(id+1)*cols])
	}
}

// GatherBackward sums the gradients of a row's uses: dtable[id] = Σ dy[i] over
// ids[i] = id, taken in T as a matrix product with one-hot rows would.
func GatherBackward[T Float](dtable, dy []T, ids []int, cols int) {
	clear(dtable)
	for i, id := range ids {
		d := dtable[id*cols : (id+1)*cols]
		for j, v := range dy[i*cols : (i+1)*cols] {
			d[j] += v
		}
	}
}
