package report

import (
	"encoding/json"
	"fmt"
	"io"

	"gorgonorm/runlog"
)

// jsonResults are the results of the table, for programs.
type jsonResults struct {
	Answer      string           `json:"answer"`   // the title of the page
	Complete    bool             `json:"complete"` // whether all planned runs have finished
	Missing     []runlog.Planned `json:"missing"`  // the other planned runs
	Broken      []jsonBroken     `json:"broken"`
	Variants    []jsonVariant    `json:"variants"`
	Predictions []jsonPrediction `json:"predictions"`
	Runs        []jsonRun        `json:"runs"`
}

type jsonBroken struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// jsonVariant has a variant's measures. Losses are in nats per token.
type jsonVariant struct {
	Name                string         `json:"name"`
	Norm                string         `json:"norm"`
	Placement           string         `json:"placement"`
	QKNorm              bool           `json:"qk_norm"`
	BestLoss            runlog.Float   `json:"best_loss"`
	BestLossStd         runlog.Float   `json:"best_loss_std"`
	BestLossBySeed      []runlog.Float `json:"best_loss_by_seed"`
	BestLR              runlog.Float   `json:"best_lr"`
	LRSensitivity       runlog.Float   `json:"lr_sensitivity"`
	LRSensitivityStd    runlog.Float   `json:"lr_sensitivity_std"`
	LRSensitivityBySeed []runlog.Float `json:"lr_sensitivity_by_seed"`
	TopLR               runlog.Float   `json:"top_lr"`
	Place               [2]int         `json:"place"`                // from, to; 0 for none
	SensitivityPlace    [2]int         `json:"lr_sensitivity_place"` // the same by LR sensitivity
	Runs                int            `json:"runs"`
	Diverged            int            `json:"diverged"`
	UnstableLRs         []runlog.Float `json:"unstable_lrs"` // rates at which a run was not stable
	MedianGradNorm      runlog.Float   `json:"median_grad_norm"`
	LossSpikes          runlog.Float   `json:"loss_spikes"` // fractions of the steps
	GradSpikes          runlog.Float   `json:"grad_spikes"`
	Gap                 runlog.Float   `json:"gap"`
}

type jsonPrediction struct {
	Claim   string `json:"claim"`
	Source  string `json:"source"`
	Outcome string `json:"outcome"`
	Found   string `json:"found"`
}

// jsonRun is a run's place in the grid and its summary.
type jsonRun struct {
	runlog.Planned
	Summary runlog.Summary `json:"summary"`
}

// JSON writes the results of the table as JSON, with all digits. Numbers that are not finite are
// strings, as runlog.Float writes them. The output depends neither on the order of the runs nor on
// their speed.
func JSON(w io.Writer, records runlog.Records) error {
	if w == nil {
		return errNoWriter
	}
	s, err := summarize(records)
	if err != nil {
		return err
	}
	r := jsonResults{
		Answer: s.title(), Complete: s.Coverage.Complete(), Missing: append([]runlog.Planned{}, records.Missing()...),
		Broken: []jsonBroken{}, Variants: []jsonVariant{}, Predictions: []jsonPrediction{}, Runs: []jsonRun{},
	}
	for _, b := range records.Broken {
		r.Broken = append(r.Broken, jsonBroken(b))
	}
	for _, v := range s.Variants {
		r.Variants = append(r.Variants, jsonVariant{
			Name: v.Name, Norm: v.Norm, Placement: v.Placement, QKNorm: v.QK,
			BestLoss: v.Best, BestLossStd: v.BestStd, BestLossBySeed: v.Lowest, BestLR: v.BestLR,
			LRSensitivity: v.Sensitivity, LRSensitivityStd: v.SensitivityStd, LRSensitivityBySeed: v.Sensitivities,
			TopLR: v.LargestLR, Place: [2]int{v.Place.Best, v.Place.Worst},
			SensitivityPlace: [2]int{v.SensitivityPlace.Best, v.SensitivityPlace.Worst},
			Runs:             len(v.Runs), Diverged: v.Diverged, UnstableLRs: append([]runlog.Float{}, v.UnstableRates()...),
			MedianGradNorm: v.MedianGradNorm, LossSpikes: v.LossSpikes, GradSpikes: v.GradSpikes, Gap: v.Gap,
		})
	}
	for _, f := range s.Facts {
		r.Predictions = append(r.Predictions, jsonPrediction{f.Claim, f.Source, f.Outcome.String(), f.Found})
	}
	for _, run := range s.Runs {
		r.Runs = append(r.Runs, jsonRun{runlog.PlannedOf(run.Config), run.Summary})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
