package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gorgonorm/runlog"
)

// qkNormSensitivity compares each norm and placement with and without qk-norm,
// over the same learning rates. Only what two seeds or more of both show is judged.
func qkNormSensitivity(vs []variant) fact {
	f := fact{
		Claim:  "qk-norm lowers LR sensitivity",
		Source: "Wortsman et al. 2023, arXiv 2309.14322",
	}
	var judged [][]runlog.Float
	apart, lower := 0, 0
	var told []string
	for _, without := range vs {
		with, ok := find(vs, kind{without.norm, without.placement, true})
		if without.qk || !ok || !slices.Equal(with.rates, without.rates) ||
			!with.Sensitivity.Finite() || !without.Sensitivity.Finite() {
			continue
		}
		a, b := with.Sensitivities, without.Sensitivities
		seeds := "one seed"
		if len(a) > 1 && len(b) > 1 {
			judged = append(judged, a, b)
			seeds = "seeds overlap"
		}
		if below := runlog.Below(a, b); below || runlog.Below(b, a) {
			apart++
			seeds = "seeds apart"
			if below {
				lower++
			}
		}
		told = append(told, fmt.Sprintf("%q %s to %s (%s)", without.Name, loss(without.Sensitivity), loss(with.Sensitivity), seeds))
	}
	pairs, numbers := len(judged)/2, strings.Join(told, ", ")
	switch {
	case len(told) == 0:
		return f.needs("It needs a norm with and without qk-norm, both over the same learning rates, two or more, and learning at some.")
	case pairs == 0:
		return f.needs(fmt.Sprintf("It needs two seeds each: %s.", numbers))
	}
	f = f.judged(lower == apart, fmt.Sprintf("Of %d pairs with two seeds or more, the seeds of %d are apart, lower with qk-norm in %d: %s.%s",
		pairs, apart, lower, numbers, worth(fewest(judged...), pairs-apart, apart)))
	if apart == 0 {
		f.Outcome = noDifference
	}
	return f
}

// worth says what pairs prove that overlap, or are apart, with n seeds each.
func worth(n, overlapping, apart int) (s string) {
	if overlapping > 0 {
		s += fmt.Sprintf(" That %d seeds overlap proves little.", n)
	}
	if apart > 0 {
		s += fmt.Sprintf(" With %d seeds, %s of pairs that do not differ come apart by chance.", n, chance(n))
	}
	return s
}

func find(vs []variant, k kind) (variant, bool) {
	i := slices.IndexFunc(vs, func(v variant) bool { return v.kind == k })
	if i < 0 {
		return variant{}, false
	}
	return vs[i], true
}

// layerLikeRMS compares the two norms at the same placement and qk-norm.
func layerLikeRMS(vs []variant) fact {
	f := fact{
		Claim:  "LayerNorm and RMSNorm are within the seeds' spread of each other",
		Source: "Zhang & Sennrich 2019, arXiv 1910.07467",
	}
	overlap := 0
	var judged [][]runlog.Float
	var told []string
	for _, layer := range vs {
		rms, ok := find(vs, kind{"rms", layer.placement, layer.qk})
		if layer.norm != "layer" || !ok || len(layer.Lowest) < 2 || len(rms.Lowest) < 2 ||
			len(finite(layer.Lowest)) == 0 || len(finite(rms.Lowest)) == 0 {
			continue
		}
		if !runlog.Below(layer.Lowest, rms.Lowest) && !runlog.Below(rms.Lowest, layer.Lowest) {
			overlap++
		}
		judged = append(judged, layer.Lowest, rms.Lowest)
		told = append(told, fmt.Sprintf("%q %s and %q %s", layer.Name, plusMinus(layer.Best, layer.BestStd), rms.Name, plusMinus(rms.Best, rms.BestStd)))
	}
	if len(told) == 0 {
		return f.needs("It needs layer and rms at the same placement, with two seeds each.")
	}
	return f.judged(overlap == len(told), fmt.Sprintf("Seeds overlap in %d of %d pairs: %s.%s", overlap, len(told), strings.Join(told, "; "),
		worth(fewest(judged...), overlap, len(told)-overlap)))
}

// leastGap is how many nats apart the two modes' losses must be to be called so: a
// smaller difference shows in but one of the three decimals that are printed, and
// is below what two seeds differ by.
const leastGap = 0.01

// batchGap compares the plain variants' losses in the two modes. Only BatchNorm has
// two: all else computes the same in both, so its gap is 0.
func batchGap(vs []variant) fact {
	f := fact{
		Claim:  "BatchNorm has the largest gap between training-mode and evaluation-mode loss",
		Source: "Wang et al. 2022, arXiv 2210.05153",
	}
	var gaps values // without their signs
	var told []string
	better := ""
	for _, v := range vs {
		if !v.plain() || !v.Gap.Finite() {
			continue
		}
		gaps.add(v.norm, runlog.Float(math.Abs(float64(v.Gap))))
		told = append(told, fmt.Sprintf("%q %s", v.norm, loss(v.Gap)))
		if v.norm == "batch" && v.Gap <= -leastGap {
			better = " Under BatchNorm evaluation mode is the better one."
		}
	}
	largest, known := gaps.top("batch")
	if !known {
		return f.needs("It needs losses in both modes of pre-norm runs under batch and under another norm.")
	}
	return f.judged(largest && gaps.of("batch") >= leastGap, fmt.Sprintf(
		"Loss in evaluation mode less that in training mode, nats, median over the runs: %s.%s Without BatchNorm the modes compute the same, and the gap is 0 by construction; a gap below %g counts as none.",
		strings.Join(told, ", "), better, leastGap))
}
