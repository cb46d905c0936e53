package claims

import (
	"encoding/json"
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"gorgonorm/runlog"
)

// Interval is the mean of a sample with its confidence interval of 95 %.
type Interval struct {
	Mean, Low, High float64
	N               int // size of the sample
}

// MarshalJSON writes bounds that are infinite, of a sample of one, as strings, because JSON has
// no such numbers.
func (i Interval) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Mean runlog.Float `json:"mean"`
		Low  runlog.Float `json:"low"`
		High runlog.Float `json:"high"`
		N    int          `json:"n"`
	}{runlog.Float(i.Mean), runlog.Float(i.Low), runlog.Float(i.High), i.N})
}

// above reports whether the whole interval is above v. It is false for a sample of one.
func (i Interval) above(v float64) bool { return i.N > 1 && i.Low > v }

// below reports whether the whole interval is below v. It is false for a sample of one.
func (i Interval) below(v float64) bool { return i.N > 1 && i.High < v }

// within reports whether the whole interval lies between two numbers.
func (i Interval) within(low, high float64) bool { return i.N > 1 && i.Low >= low && i.High <= high }

// interval returns the mean of x with Student's interval of 95 %: mean ± t·s/√n, where t
// has n−1 degrees of freedom. Of a single number it has no width, and no interval either:
// its bounds are infinite.
func interval(x []float64) Interval { return intervalAt(x, 0.95) }

func intervalAt(x []float64, confidence float64) Interval {
	n := len(x)
	if n < 2 {
		return Interval{Mean: stat.Mean(x, nil), Low: math.Inf(-1), High: math.Inf(1), N: n}
	}
	mean, std := stat.MeanStdDev(x, nil)
	t := distuv.StudentsT{Sigma: 1, Nu: float64(n - 1)}.Quantile((1 + confidence) / 2)
	half := float64(t * stat.StdErr(std, float64(n)))
	return Interval{Mean: mean, Low: mean - half, High: mean + half, N: n}
}

// equivalent reports whether two one-sided tests at 5 % (Schuirmann 1987, J. Pharmacokinet.
// Biopharm. 15) find the mean of paired differences inside ±margin. That is so if the
// interval of 90 % lies inside.
func equivalent(differences []float64, margin float64) bool {
	return intervalAt(differences, 0.90).within(-margin, margin)
}

// differences returns a − b, an element for each seed.
func differences(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

// ratios returns a/b, an element for each pair.
func ratios(a, b []float64) []float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return r
}

// shape is the third and fourth standardized moment of a sample, without a correction for
// its size: 0 and 0 for a Gaussian.
type shape struct {
	Skewness float64 `json:"skewness"`
	Kurtosis float64 `json:"excess_kurtosis"`
}

// shapeOf returns the shape of x. Its elements are taken about their mean, which is exact to
// rounding whatever their offset.
func shapeOf(x []float64) shape {
	mean := stat.Mean(x, nil)
	var m2, m3, m4 float64
	for _, v := range x {
		d := v - mean
		m2 += float64(d * d)
		m3 += float64(d * d * d)
		m4 += float64(d * d * d * d)
	}
	n := float64(len(x))
	m2, m3, m4 = m2/n, m3/n, m4/n
	return shape{Skewness: m3 / math.Pow(m2, 1.5), Kurtosis: m4/(m2*m2) - 3}
}

// jarqueBera returns the p-value of the test of Jarque & Bera (1980, Econ. Lett. 6) that n
// numbers of such a shape are Gaussian: n/6·(S² + K²/4) is χ² with two degrees of freedom,
// for which P(χ² > v) = exp(−v/2).
func jarqueBera(s shape, n int) float64 {
	return math.Exp(-float64(n) / 12 * (float64(s.Skewness*s.Skewness) + float64(s.Kurtosis*s.Kurtosis/4)))
}

// fit is how well a curve of two parameters fits positive values: Akaike's criterion with
// the correction for small samples (Burnham & Anderson 2002, Model Selection, section 2.4)
// of least squares between logarithms, k = 3 with the variance. The least is best.
type fit struct {
	AICc float64 `json:"aicc"`
	Rate float64 `json:"rate"` // of the exponential: growth per unit of x; of the line: its slope over its start
}

func aicc(residuals float64, n int) float64 {
	const k = 3
	return float64(float64(n)*math.Log(residuals/float64(n))) + float64(2*k) + 2*k*(k+1)/float64(n-k-1)
}

// exponentialFit fits y = a·exp(b·x), a line between x and the logarithms of y.
func exponentialFit(x, y []float64) fit {
	logs := logarithms(y)
	a, b := stat.LinearRegression(x, logs, nil, false)
	var residuals float64
	for i, l := range logs {
		d := l - a - float64(b*x[i])
		residuals += float64(d * d)
	}
	return fit{AICc: aicc(residuals, len(x)), Rate: math.Exp(b)}
}

// linearFit fits y = a·(1 + c·x) with c ≥ 0, by the same distances between logarithms. For
// each c the best a is known, so that one parameter is searched for.
func linearFit(x, y []float64) (fit, error) {
	logs := logarithms(y)
	residuals := func(c float64) float64 {
		rest := make([]float64, len(x))
		for i, l := range logs {
			rest[i] = l - math.Log1p(c*x[i])
		}
		mean := stat.Mean(rest, nil)
		var sum float64
		for _, r := range rest {
			sum += float64((r - mean) * (r - mean))
		}
		return sum
	}
	best := fit{AICc: aicc(residuals(0), len(x))}
	for _, start := range []float64{-4, 0, 4} { // log c
		r, err := optimize.Minimize(optimize.Problem{Func: func(v []float64) float64 { return residuals(math.Exp(v[0])) }},
			[]float64{start}, nil, &optimize.NelderMead{})
		if err != nil {
			return best, err
		}
		if a := aicc(r.F, len(x)); a < best.AICc {
			best = fit{AICc: a, Rate: math.Exp(r.X[0])}
		}
	}
	return best, nil
}

func logarithms(y []float64) []float64 {
	logs := make([]float64, len(y))
	for i, v := range y {
		logs[i] = math.Log(v)
	}
	return logs
}

// sorted returns a sorted copy of x.
func sorted(x []float64) []float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return s
}
