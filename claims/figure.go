package claims

// Figure is what a picture shows, whatever draws it.
type Figure struct {
	Title      string
	X, Y       string // labels of the axes
	LogX, LogY bool
	Names      []string // of the places 0, 1, 2, … on the x axis, where these are not numbers
	Curves     []Curve
	Levels     []Level
}

// Curve is a series of points, joined by a line unless it is to be dots alone.
type Curve struct {
	Name   string
	Points []Point
	Dots   bool
}

// Point has an interval where Low is below High.
type Point struct{ X, Y, Low, High float64 }

// Level is a horizontal line, of a theory or a margin.
type Level struct {
	Name string
	Y    float64
}

// pointOf returns an interval's point at x.
func pointOf(x float64, i Interval) Point {
	if i.N < 2 {
		return Point{X: x, Y: i.Mean, Low: i.Mean, High: i.Mean}
	}
	return Point{X: x, Y: i.Mean, Low: i.Low, High: i.High}
}
