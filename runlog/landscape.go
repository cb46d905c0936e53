package runlog

// Landscape has measurements of the loss and its gradient around the weights x of one step, on
// the step's batch (Santurkar et al. 2018, arXiv 1805.11604, sections 2.2 and 3.2).
type Landscape struct {
	Along  []Along       `json:"along"`  // at each of LandscapeTimes
	Blocks []BlockChange `json:"blocks"` // in the model's order
}

// LandscapeTimes are the distances of a Landscape's points.
var LandscapeTimes = []float64{0.5, 1, 2, 4}

// Along has the changes of the loss and of its gradient g at x + Δ, where Δ points against the
// gradient and is Times as long as the optimizer's update of the step. Equal lengths make the
// changes under different norms comparable. Small changes mean that the gradient predicts what
// a step will find.
type Along struct {
	Times    Float `json:"times"`
	Loss     Float `json:"loss"`     // (L(x+Δ) − L(x))/L(x)
	Gradient Float `json:"gradient"` // ‖g(x+Δ) − g(x)‖/‖g(x)‖
}

// BlockChange compares the gradient G of a block's weights with the gradient G' of the same
// weights after this step's update of all parameters before the block, the embeddings and
// earlier blocks, with all others as they were. It is the internal covariate shift of Santurkar
// et al., definition 2.1. The head moves as well, because it shares the token embedding.
type BlockChange struct {
	Gradient Float `json:"gradient"` // ‖G' − G‖/‖G‖
	Cosine   Float `json:"cosine"`   // of the angle between G and G'
}

// Surveys reports whether a run measures the Landscape at a step: at every LandscapeEvery-th.
// It does not if the step's loss or gradient is not finite, because there is no update then.
func (c Config) Surveys(step int) bool {
	return c.LandscapeEvery > 0 && step%c.LandscapeEvery == 0
}
