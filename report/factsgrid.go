package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gorgonorm/train"
)

// qkNormSensitivity compares each norm and placement with and without qk-norm,
// over the same learning rates.
func qkNormSensitivity(vs []variant) fact {
	f := fact{
		Claim:  "qk-norm lowers LR sensitivity",
		Source: "Wortsman et al. 2023, arXiv 2309.14322",
	}
	lower := 0
	var told []string
	for _, without := range vs {
		with, ok := find(vs, kind{without.norm, without.placement, true})
		if without.qk || !ok || !slices.Equal(with.rates, without.rates) ||
			!with.Sensitivity.Finite() || !without.Sensitivity.Finite() {
			continue
		}
		if with.Sensitivity < without.Sensitivity {
			lower++
		}
		told = append(told, fmt.Sprintf("%q %s to %s%s", without.Name, loss(without.Sensitivity), loss(with.Sensitivity),
			seedsApart(with.Sensitivities, without.Sensitivities)))
	}
	if len(told) == 0 {
		return f.needs("It needs a norm with and without qk-norm, both over the same learning rates, two or more, and learning at some.")
	}
	return f.judged(lower == len(told), fmt.Sprintf("Lower for %d of %d: %s.", lower, len(told), strings.Join(told, ", ")))
}

// seedsApart says in brackets whether two samples overlap, or nothing of one
// seed.
func seedsApart(a, b []train.Float) string {
	switch {
	case len(a) < 2 || len(b) < 2:
		return ""
	case train.Below(a, b) || train.Below(b, a):
		return " (seeds apart)"
	default:
		return " (seeds overlap)"
	}
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
	var told []string
	for _, layer := range vs {
		rms, ok := find(vs, kind{"rms", layer.placement, layer.qk})
		if layer.norm != "layer" || !ok || len(layer.Lowest) < 2 || len(rms.Lowest) < 2 ||
			len(finite(layer.Lowest)) == 0 || len(finite(rms.Lowest)) == 0 {
			continue
		}
		if !train.Below(layer.Lowest, rms.Lowest) && !train.Below(rms.Lowest, layer.Lowest) {
			overlap++
		}
		told = append(told, fmt.Sprintf("%q %s and %q %s", layer.Name, plusMinus(layer.Best, layer.BestStd), rms.Name, plusMinus(rms.Best, rms.BestStd)))
	}
	if len(told) == 0 {
		return f.needs("It needs layer and rms at the same placement, with two seeds each.")
	}
	return f.judged(overlap == len(told), fmt.Sprintf("Seeds overlap in %d of %d pairs: %s.", overlap, len(told), strings.Join(told, "; ")))
}

// batchGap compares the plain variants' losses in the two modes.
func batchGap(vs []variant) fact {
	f := fact{
		Claim:  "BatchNorm has the largest gap between training-mode and evaluation-mode loss",
		Source: "Wang et al. 2022, arXiv 2210.05153",
	}
	var gaps values
	for _, v := range vs {
		if v.plain() && v.Gap.Finite() {
			gaps.add(v.norm, train.Float(math.Abs(float64(v.Gap))))
		}
	}
	largest, known := gaps.top("batch")
	if !known {
		return f.needs("It needs losses in both modes of pre-norm runs under batch and under another norm.")
	}
	return f.judged(largest, fmt.Sprintf("Nats: %s.", gaps))
}
