package cpu

// SumRows adds up the rows of x. acc is scratch of cols.
func SumRows[T Float](sum, x []T, acc []float64, rows, cols int) {
	clear(acc)
	for r := range rows {
		for j, v := range x[r*cols : (r+1)*cols] {
			acc[j] += float64(v)
		}
	}
	store(sum, acc)
}
