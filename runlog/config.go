package runlog

// Norms are the names that a Config's Norm may have. Reports list and colour them in this
// order, and put unknown names after them.
var Norms = []string{"none", "batch", "layer", "rms", "dyt", "derf", "scale"}

// The orders in which a run can see its windows, except random order, which is "".
const (
	Blocks    = "blocks"     // one domain after the other
	OneDomain = "one-domain" // batches of one domain each, in random order
	EasyFirst = "easy-first" // difficulty rises, all domains at any time
	HardFirst = "hard-first" // difficulty falls, all domains at any time
)

// Orders are the orders except random order.
var Orders = []string{Blocks, OneDomain, EasyFirst, HardFirst}

// Config has all settings of a run. Runs with the same Config on the same text are equal.
type Config struct {
	Norm      string `json:"norm"`      // one of Norms
	Placement string `json:"placement"` // where the norms of a block are
	QKNorm    bool   `json:"qk_norm"`   // whether attention normalizes queries and keys

	Layers   int  `json:"layers"`
	Heads    int  `json:"heads"`
	Channels int  `json:"channels"`
	Context  int  `json:"context"` // tokens in a sequence
	Bias     bool `json:"bias"`    // whether norms and linear layers have biases

	Batch  int    `json:"batch"` // sequences in a batch
	Steps  int    `json:"steps"`
	Seed   uint64 `json:"seed"` // of the weights and the batches
	Warmup int    `json:"warmup"`

	LR          float64 `json:"lr"`     // after warm-up
	MinLR       float64 `json:"min_lr"` // at the end
	Beta1       float64 `json:"beta1"`
	Beta2       float64 `json:"beta2"`
	WeightDecay float64 `json:"weight_decay"` // of matrices
	Clip        float64 `json:"clip"`         // largest global gradient norm of an update; 0 to clip nothing

	EvalEvery   int `json:"eval_every"`   // steps between evaluations
	EvalBatches int `json:"eval_batches"` // most batches of an evaluation
	ProbeEvery  int `json:"probe_every"`  // steps between probes of the network; 0 for no probes

	StopOnDivergence bool `json:"stop_on_divergence"` // whether a lost run ends early

	Order     string  `json:"order,omitempty"`      // of the training windows; "" for random
	TextShare float64 `json:"text_share,omitempty"` // of the training text that is read; 0 for all
	NormNoise float64 `json:"norm_noise,omitempty"` // standard deviation of the noise after each norm

	StatisticsBatches int `json:"statistics_batches,omitempty"` // training batches that recompute BatchNorm's statistics
	LandscapeEvery    int `json:"landscape_every,omitempty"`    // steps between probes of the loss around the weights

	GELU string `json:"gelu,omitempty"` // form of the MLP's GELU, which initial weights may determine

	Init       string `json:"init,omitempty"`        // path of the initial weights; empty for random ones
	InitSHA256 string `json:"init_sha256,omitempty"` // their hash
	InitExcept string `json:"init_except,omitempty"` // name of the tensor that is not loaded from them

	Data       string `json:"data"`        // path of the text
	DataSHA256 string `json:"data_sha256"` // its hash
	Vocabulary string `json:"vocabulary"`  // its characters, in the order of their ids
}

// Probes reports whether a run probes the network at a step: at the first, at every
// ProbeEvery-th and at the last.
func (c Config) Probes(step int) bool {
	return c.ProbeEvery > 0 && (step == 1 || step%c.ProbeEvery == 0 || step == c.Steps)
}

// Evaluates reports whether a run measures the validation loss after a step: after every
// EvalEvery-th and after the last.
func (c Config) Evaluates(step int) bool {
	return c.EvalEvery > 0 && step%c.EvalEvery == 0 || step == c.Steps
}
