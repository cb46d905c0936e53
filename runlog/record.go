// Package runlog defines the record of a training run: its settings, its measures, the
// files of its directory, and its identity. Package train writes the record and package
// report reads it. This package depends on neither, and on nothing that computes a model.
package runlog

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Run is the record of one training run, which is the content of its directory. Repeated
// runs are equal to the last bit, except for Speed.
type Run struct {
	Config  Config  // config.json
	Steps   []Step  // metrics.jsonl, one line per step
	Probes  []Probe // probes.jsonl, one line per probe
	Summary Summary // summary.json
	Speed   Speed   // speed.json
}

// Step has the measurements of one step.
type Step struct {
	Step     int    `json:"step"`               // from 1
	Loss     Float  `json:"loss"`               // training loss before the update, in nats per token
	GradNorm Float  `json:"grad_norm"`          // global gradient norm before clipping
	LR       Float  `json:"lr"`                 // learning rate of the update
	ValLoss  *Float `json:"val_loss,omitempty"` // validation loss after the update; nil without evaluation

	Landscape *Landscape `json:"landscape,omitempty"` // around the weights before the update; nil unless surveyed
}

// Finite reports whether all measurements of the step are finite.
func (s Step) Finite() bool {
	return s.Loss.Finite() && s.GradNorm.Finite() && (s.ValLoss == nil || s.ValLoss.Finite())
}

// Summary is the result of a run. The file measures.go defines the measures.
type Summary struct {
	Norm       string `json:"norm"`
	Parameters int    `json:"parameters"` // learnable numbers
	Steps      int    `json:"steps"`      // steps done

	FirstLoss    Float `json:"first_loss"`     // training loss of the first step
	LastLoss     Float `json:"last_loss"`      // training loss of the last step
	InitVal      Float `json:"init_val"`       // validation loss of the initial weights
	BestVal      Float `json:"best_val"`       // lowest validation loss after a step; NaN without evaluation
	LastVal      Float `json:"last_val"`       // last validation loss after a step; NaN without evaluation
	TrainModeVal Float `json:"train_mode_val"` // last loss in training mode; NaN if the run ended early

	PreciseVal          *Float `json:"precise_val,omitempty"`           // with statistics of many training batches
	DomainStatisticsVal *Float `json:"domain_statistics_val,omitempty"` // with each domain's own such statistics

	DomainVal []DomainLoss `json:"domain_val,omitempty"` // last loss on each domain; nil for a text of one

	MedianGradNorm Float `json:"median_grad_norm"`
	MaxGradNorm    Float `json:"max_grad_norm"`
	GradNormCV     Float `json:"grad_norm_cv"` // coefficient of variation
	LossSpikes     Float `json:"loss_spikes"`  // spike score of the training loss
	GradSpikes     Float `json:"grad_spikes"`  // spike score of the gradient norm
	SpikeWindow    int   `json:"spike_window"` // steps that a spike is compared with; 0 if there are too few

	DivergedAt  int        `json:"diverged_at"`           // step at which the run diverged; 0 if it did not
	Divergence  Divergence `json:"divergence,omitempty"`  // how the run diverged
	NonFinite   string     `json:"non_finite,omitempty"`  // graph node at which the first NaN or infinity arose
	Stopped     bool       `json:"stopped,omitempty"`     // ended early by StopOnDivergence
	Interrupted bool       `json:"interrupted,omitempty"` // ended early by the user
}

// DomainLoss is a loss on one domain of the text.
type DomainLoss struct {
	Domain string `json:"domain"`
	Loss   Float  `json:"loss"`
}

// Probe has measurements of the graph's nodes in one step, before its update. The probe of
// step 1 shows the initial model.
type Probe struct {
	Step      int          `json:"step"`
	Residual  []Spread     `json:"residual"`        // residual stream after the embedding and after each block
	Norms     []NormProbe  `json:"norms"`           // in the order of the forward pass
	Attention []Float      `json:"attention_logit"` // largest attention logit of each block
	Logits    Moments      `json:"logits"`          // output logits
	LogZ      Moments      `json:"log_z"`           // log Σ exp(logits), over the tokens
	Groups    []GroupProbe `json:"groups"`          // parameter groups, in the model's order
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

// NormProbe has measurements of one norm. A model without norms has them for the places at
// which other models have norms. The norm qk_norm has queries and keys side by side.
type NormProbe struct {
	Name  string `json:"name"`
	In    Spread `json:"in"`
	Out   Spread `json:"out"`
	Drift *Drift `json:"drift,omitempty"` // of the input since the previous probe; nil in the first
	Batch *Batch `json:"batch,omitempty"` // nil except for BatchNorm
}

// Drift measures how far the distribution of a norm's input has moved since the previous
// probe, the "internal covariate shift" of Ioffe & Szegedy 2015 (arXiv 1502.03167). A
// feature has the mean m and the deviation s over the batch, and had m₀ and s₀ at the
// previous probe. Both measures are averages over the features.
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

// GroupProbe has measurements of the parameters of one part of the model: an embedding, or
// the attention, the MLP or the norms of a block.
type GroupProbe struct {
	Name   string `json:"name"`
	Grad   Float  `json:"grad"`   // norm of the gradient before clipping
	Weight Float  `json:"weight"` // norm of the weights before the update
	Update Float  `json:"update"` // norm of the update divided by that of the weights
}

// Speed is the time that a run took. It depends on the machine and on the runs beside it.
type Speed struct {
	TokensPerSec Float `json:"tokens_per_s"` // training without evaluation
	Seconds      Float `json:"seconds"`      // the whole run
}

// Float is a float64 whose NaN and infinities survive JSON, as the strings
// "NaN", "+Inf" and "-Inf".
type Float float64

// Finite reports whether f is neither NaN nor infinite.
func (f Float) Finite() bool { return !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) }

// MarshalJSON returns f as a number, or as a string if it is not finite.
func (f Float) MarshalJSON() ([]byte, error) {
	if !f.Finite() {
		return strconv.AppendQuote(nil, strconv.FormatFloat(float64(f), 'g', -1, 64)), nil
	}
	return json.Marshal(float64(f))
}

// UnmarshalJSON reads the result of MarshalJSON.
func (f *Float) UnmarshalJSON(b []byte) error {
	s := string(b)
	if u, err := strconv.Unquote(s); err == nil {
		s = u
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("%s is not a number", b)
	}
	*f = Float(v)
	return nil
}
