package runlog

// Norms are the names that a Config's Norm may have, in the order in which reports list
// them and give them colours. A report puts other names after them.
var Norms = []string{"none", "batch", "layer", "rms", "dyt", "derf", "scale"}

// Config is everything that a run depends on. The same Config on the same text
// gives the same run.
type Config struct {
	Norm      string `json:"norm"`      // one of Norms
	Placement string `json:"placement"` // of the norms
	QKNorm    bool   `json:"qk_norm"`   // of queries and keys, inside attention

	Layers   int  `json:"layers"`
	Heads    int  `json:"heads"`
	Channels int  `json:"channels"`
	Context  int  `json:"context"` // tokens that a sequence holds
	Bias     bool `json:"bias"`    // of norms and linear layers

	Batch  int    `json:"batch"` // sequences in a batch
	Steps  int    `json:"steps"`
	Seed   uint64 `json:"seed"` // of the weights and the batches
	Warmup int    `json:"warmup"`

	LR          float64 `json:"lr"`     // after warm-up
	MinLR       float64 `json:"min_lr"` // that the rate falls to
	Beta1       float64 `json:"beta1"`
	Beta2       float64 `json:"beta2"`
	WeightDecay float64 `json:"weight_decay"` // of matrices
	Clip        float64 `json:"clip"`         // largest global gradient norm of an update; 0 to clip nothing

	EvalEvery   int `json:"eval_every"`   // steps from one evaluation to the next
	EvalBatches int `json:"eval_batches"` // batches that an evaluation reads at the most
	ProbeEvery  int `json:"probe_every"`  // steps from one probe of the network to the next; 0 for none

	StopOnDivergence bool `json:"stop_on_divergence"` // end a lost run early

	GELU string `json:"gelu,omitempty"` // of the MLP; that of the weights that a run starts from

	Init       string `json:"init,omitempty"`        // the path of weights that are loaded before the first step
	InitSHA256 string `json:"init_sha256,omitempty"` // their hash
	InitExcept string `json:"init_except,omitempty"` // and the tensor that is not taken from them

	Data       string `json:"data"`        // the text's path
	DataSHA256 string `json:"data_sha256"` // and its hash
	Vocabulary string `json:"vocabulary"`  // its characters, in the order of their ids
}

// Probes reports whether the network is looked into at a step: the first, every
// ProbeEvery-th and the last.
func (c Config) Probes(step int) bool {
	return c.ProbeEvery > 0 && (step == 1 || step%c.ProbeEvery == 0 || step == c.Steps)
}

// Evaluates reports whether the validation loss is taken after a step: every
// EvalEvery-th and the last.
func (c Config) Evaluates(step int) bool {
	return c.EvalEvery > 0 && step%c.EvalEvery == 0 || step == c.Steps
}
