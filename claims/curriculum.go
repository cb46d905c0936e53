package claims

import (
	"context"
	"fmt"
	"math"
	"strings"

	"gorgonorm/runlog"
	"gorgonorm/train"
)

var curriculum = experiment(About{
	Name:  "curriculum",
	Short: "does it help to group or order the data?",
	Claim: "Grouping or ordering data by domain and difficulty helps, and interacts with the norm.",
	Method: "Small transformers learn a text of four domains that come with Go (Go, assembly, HTML, English), " +
		"under BatchNorm, LayerNorm and RMSNorm. All see the same windows with a seed: in random order; in blocks, " +
		"one domain after the other in this order; in batches of one domain, in random order; from easy to hard or " +
		"from hard to easy, where all domains are present at any time. A window is the harder, the larger it is " +
		"when compressed. Losses are of validation text that has all domains in equal parts, and of each domain.",
	Rule: "An order makes no difference if two one-sided tests at 5 % find the mean difference to random order, " +
		"with the same seed, within ±0.01 nat; otherwise it helps if the 95 % interval over the seeds is below 0, " +
		"and hurts if it is above. Under each norm: supported if all four orders help; refuted if each of them " +
		"hurts or makes no difference; depends on the order if some help and the others do not; else undecided. " +
		"Interaction: supported if the differences of an order under two norms differ by more than 0.01 nat (95 % " +
		"interval over the seeds), refuted if two one-sided tests find each pair within ±0.01 nat, else undecided.",
	Literature: "Lee et al. 2023 (arXiv 2310.09518) find interleaved easy-to-hard order best for tuning language " +
		"models on instructions, and blocks worse.",
	Limits: "The learning rate falls during a run, so that what comes last is learned with small steps. Blocks " +
		"have one order of domains, and the last has just been seen. Compressed size is a crude measure of " +
		"difficulty on 64 characters. Each of twelve pairs of norms and orders has its own interval of 95 %, " +
		"without a correction for their number. One model learns for 200 steps at one learning rate and sees a " +
		"window hardly ever twice.",
}, 300, measureCurriculum, judgeCurriculum, drawCurriculum)

// curriculumData is what the experiment measures.
type curriculumData struct {
	Domains []string         `json:"domains"`
	Norms   []curriculumNorm `json:"norms"`
}

type curriculumNorm struct {
	Norm   string            `json:"norm"`
	Random curriculumLosses  `json:"random"`
	Orders []curriculumOrder `json:"orders"`
}

type curriculumOrder struct {
	Order string `json:"order"`
	curriculumLosses
}

// curriculumLosses are the last validation losses, an element for each seed.
type curriculumLosses struct {
	All      series   `json:"all"`
	ByDomain []series `json:"by_domain"` // of each domain
}

func measureCurriculum(ctx context.Context, b *Bench) (d curriculumData, err error) {
	of, err := b.ordered(ctx, append([]string{""}, runlog.Orders...)...)
	if err != nil {
		return d, err
	}
	d.Domains = train.DomainNames
	for _, norm := range orderedNorms {
		n := curriculumNorm{Norm: norm, Random: curriculumLossesOf(of[norm][""])}
		for _, order := range runlog.Orders {
			n.Orders = append(n.Orders, curriculumOrder{order, curriculumLossesOf(of[norm][order])})
		}
		d.Norms = append(d.Norms, n)
	}
	return d, nil
}

func curriculumLossesOf(runs []trained) curriculumLosses {
	l := curriculumLosses{All: validation(runs), ByDomain: make([]series, len(train.DomainNames))}
	for _, r := range runs {
		for i, v := range r.Summary.DomainVal {
			l.ByDomain[i] = append(l.ByDomain[i], float64(v.Loss))
		}
	}
	return l
}

// curriculumMargin is the difference in nats that counts as none.
const curriculumMargin = 0.01

// difference returns the losses with the i-th order less those with random order.
func (n curriculumNorm) difference(i int) []float64 {
	return differences(n.Orders[i].All, n.Random.All)
}

func judgeCurriculum(d curriculumData) (js []Judgement) {
	for _, n := range d.Norms {
		js = append(js, judgeOrders(n))
	}
	return append(js, judgeOrdersByNorm(d))
}

// judgeOrders judges what orders do under one norm.
func judgeOrders(n curriculumNorm) Judgement {
	found := make(map[string][]string) // orders by what they do
	best := Interval{Mean: math.Inf(1)}
	j := Judgement{Part: "it helps under " + n.Norm, Verdict: Undecided}
	for i, o := range n.Orders {
		difference := n.difference(i)
		size := interval(difference)
		what := "open"
		switch {
		case equivalent(difference, curriculumMargin):
			what = "no difference"
		case size.below(0):
			what = "helps"
		case size.above(0):
			what = "hurts"
		}
		found[what] = append(found[what], fmt.Sprintf("%s %+.3f (%+.3f to %+.3f)", o.Order, size.Mean, size.Low, size.High))
		if size.Mean < best.Mean {
			best = size
			j.Effect = fmt.Sprintf("validation loss with %s, the best of the four, less that with random order, nats", o.Order)
		}
	}
	j.Size = best
	helps, open := len(found["helps"]), len(found["open"])
	switch {
	case helps == len(n.Orders):
		j.Verdict = Supported
	case helps > 0 && open == 0:
		j.Verdict = Depends
	case helps == 0 && open == 0:
		j.Verdict = Refuted
	}
	var reasons []string
	for _, what := range []string{"helps", "no difference", "hurts", "open"} {
		if orders := found[what]; orders != nil {
			reasons = append(reasons, what+": "+strings.Join(orders, ", "))
		}
	}
	j.Reason = sentence(reasons) + " nat"
	return j
}

// judgeOrdersByNorm judges whether the differences that orders make differ between norms.
func judgeOrdersByNorm(d curriculumData) Judgement {
	j := Judgement{Part: "it interacts with the norm", Verdict: Refuted}
	differ, equal := 0, 0
	largest := 0.0
	for i, o := range d.Norms[0].Orders {
		for k, a := range d.Norms {
			for _, b := range d.Norms[k+1:] {
				between := differences(a.difference(i), b.difference(i))
				size := interval(between)
				if math.Abs(size.Mean) >= largest {
					largest, j.Size = math.Abs(size.Mean), size
					j.Effect = fmt.Sprintf("what %s costs under %s less what it costs under %s, nats", o.Order, a.Norm, b.Norm)
				}
				switch {
				case size.above(curriculumMargin) || size.below(-curriculumMargin):
					differ++
				case equivalent(between, curriculumMargin):
					equal++
				}
			}
		}
	}
	pairs := len(d.Norms[0].Orders) * len(d.Norms) * (len(d.Norms) - 1) / 2
	switch {
	case differ > 0:
		j.Verdict = Supported
	case equal < pairs:
		j.Verdict = Undecided
	}
	j.Reason = fmt.Sprintf("of %d pairs of norms with an order, %d differ and %d are equal; "+
		"the largest difference is %s: %s",
		pairs, differ, equal, nats(j.Size), strings.TrimSuffix(j.Effect, ", nats"))
	return j
}

func drawCurriculum(d curriculumData) []Figure {
	levels := []Level{{"+0.01", curriculumMargin}, {"random", 0}, {"−0.01", -curriculumMargin}}
	all := Figure{Title: "What an order costs, beside random order", Y: "nats", Names: runlog.Orders, Levels: levels}
	figures := []Figure{all}
	for _, n := range d.Norms {
		c := Curve{Name: n.Norm, Dots: true}
		domains := Figure{Title: "By domain, under " + n.Norm, Y: "nats", Names: d.Domains, Levels: levels[1:2]}
		for i, o := range n.Orders {
			c.Points = append(c.Points, pointOf(float64(i), interval(n.difference(i))))
			by := Curve{Name: o.Order, Dots: true}
			for k, losses := range o.ByDomain {
				by.Points = append(by.Points, pointOf(float64(k), interval(differences(losses, n.Random.ByDomain[k]))))
			}
			domains.Curves = append(domains.Curves, by)
		}
		figures[0].Curves = append(figures[0].Curves, c)
		figures = append(figures, domains)
	}
	return figures
}
