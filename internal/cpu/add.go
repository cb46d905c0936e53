package cpu

// Add is z = x + y.
func Add[T Float](z, x, y []T) {
	for i, v := range x {
		z[i] = v + y[i]
	}
}
