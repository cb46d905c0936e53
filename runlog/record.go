// Package runlog defines the record of a training run: its settings, what was
// measured, the files of its directory, and what identifies it. Package train writes
// the record and package report reads it; this package depends on neither, nor on
// anything that computes a model.
package runlog

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Run is the record of one training run: the files of its directory. All but
// Speed is the same to the last bit whenever the run is repeated.
type Run struct {
	Config  Config  // config.json
	Steps   []Step  // metrics.jsonl, one line a step
	Probes  []Probe // probes.jsonl, one line a probe
	Summary Summary // summary.json
	Speed   Speed   // speed.json
}

// Step is what was measured in one step.
type Step struct {
	Step     int    `json:"step"`               // from 1
	Loss     Float  `json:"loss"`               // training loss before the update, nats a token
	GradNorm Float  `json:"grad_norm"`          // global gradient norm before clipping
	LR       Float  `json:"lr"`                 // learning rate of the update
	ValLoss  *Float `json:"val_loss,omitempty"` // validation loss after the update, at the steps that evaluate
}

// Finite says that nothing measured in the step is NaN or infinite.
func (s Step) Finite() bool {
	return s.Loss.Finite() && s.GradNorm.Finite() && (s.ValLoss == nil || s.ValLoss.Finite())
}

// Summary is a run's result. The file measures.go defines what is measured.
type Summary struct {
	Norm       string `json:"norm"`
	Parameters int    `json:"parameters"` // learnable numbers
	Steps      int    `json:"steps"`      // steps done

	FirstLoss    Float `json:"first_loss"`     // training loss of the first step
	LastLoss     Float `json:"last_loss"`      // training loss of the last step
	InitVal      Float `json:"init_val"`       // validation loss of the initial weights
	BestVal      Float `json:"best_val"`       // lowest validation loss after a step; NaN if none was taken
	LastVal      Float `json:"last_val"`       // last validation loss after a step; NaN if none was taken
	TrainModeVal Float `json:"train_mode_val"` // the same in training mode; NaN if the run did not get there

	MedianGradNorm Float `json:"median_grad_norm"`
	MaxGradNorm    Float `json:"max_grad_norm"`
	GradNormCV     Float `json:"grad_norm_cv"` // coefficient of variation
	LossSpikes     Float `json:"loss_spikes"`  // spike score of the training loss
	GradSpikes     Float `json:"grad_spikes"`  // spike score of the gradient norm
	SpikeWindow    int   `json:"spike_window"` // steps that a spike stands out from; 0 if there were too few

	DivergedAt  int        `json:"diverged_at"`           // the step at which the run diverged, 0 for none
	Divergence  Divergence `json:"divergence,omitempty"`  // how
	NonFinite   string     `json:"non_finite,omitempty"`  // the graph's node at which the first NaN or infinity arose
	Stopped     bool       `json:"stopped,omitempty"`     // ended before its time by the watchdog
	Interrupted bool       `json:"interrupted,omitempty"` // ended before its time by the user
}

// Probe is what was read from the graph's nodes in one step, before its update:
// that of step 1 shows the model as it was initialized.
type Probe struct {
	Step      int          `json:"step"`
	Residual  []Spread     `json:"residual"`        // of the residual stream after the embedding and after each block
	Norms     []NormProbe  `json:"norms"`           // in the order of the forward pass
	Attention []Float      `json:"attention_logit"` // the largest of each block
	Logits    Moments      `json:"logits"`          // of the output
	LogZ      Moments      `json:"log_z"`           // of the tokens' log Σ exp(logits)
	Groups    []GroupProbe `json:"groups"`          // of parameters, in the model's order
}

// Spread is the size of an activation's elements.
type Spread struct {
	RMS Float `json:"rms"`
	Max Float `json:"max"` // largest absolute value
}

// Moments are a mean and a standard deviation.
type Moments struct {
	Mean Float `json:"mean"`
	Std  Float `json:"std"`
}

// NormProbe tells of one norm, or of the place where a model without norms has
// none. That of queries and keys, qk_norm, has both side by side.
type NormProbe struct {
	Name  string `json:"name"`
	In    Spread `json:"in"`
	Out   Spread `json:"out"`
	Drift *Drift `json:"drift,omitempty"` // of the input since the last probe; nil in the first
	Batch *Batch `json:"batch,omitempty"` // of a BatchNorm alone
}

// Drift is how far the distribution of a norm's input has moved since the last
// probe, the "internal covariate shift" of Ioffe & Szegedy 2015 (arXiv
// 1502.03167) as a number. With a feature's mean m and deviation s over the
// batch, and m₀ and s₀ those of the last probe, averaged over the features:
type Drift struct {
	Shift    Float `json:"shift"`     // |m − m₀|/s₀
	LogRatio Float `json:"log_ratio"` // |ln(s/s₀)|
}

// Batch is the distance between a BatchNorm's batch and its running statistics
// before that batch, ‖batch − running‖/features, as PowerNorm measures it (Shen et
// al. 2020, arXiv 2003.07845, figure 2).
type Batch struct {
	Mean Float `json:"mean"`
	Var  Float `json:"var"`
}

// GroupProbe tells of the parameters of one part of the model: an embedding, or
// the attention, the MLP or the norms of a block.
type GroupProbe struct {
	Name   string `json:"name"`
	Grad   Float  `json:"grad"`   // norm of the gradient before clipping
	Weight Float  `json:"weight"` // norm of the weights before the update
	Update Float  `json:"update"` // norm of the update over that of the weights
}

// Speed is how long a run took, on the machine and beside the runs that it had.
type Speed struct {
	TokensPerSec Float `json:"tokens_per_s"` // of training, evaluation left out
	Seconds      Float `json:"seconds"`      // evaluation and all
}

// Float is a float64 whose NaN and infinities survive JSON, as the strings
// "NaN", "+Inf" and "-Inf".
type Float float64

// Finite says that f is neither NaN nor infinite.
func (f Float) Finite() bool { return !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) }

// MarshalJSON writes a number, or a string where JSON has no number.
func (f Float) MarshalJSON() ([]byte, error) {
	if !f.Finite() {
		return strconv.AppendQuote(nil, strconv.FormatFloat(float64(f), 'g', -1, 64)), nil
	}
	return json.Marshal(float64(f))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Float) UnmarshalJSON(b []byte) error {
	s := string(b)
	if u, err := strconv.Unquote(s); err == nil {
		s = u
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("%s is no number", b)
	}
	*f = Float(v)
	return nil
}
