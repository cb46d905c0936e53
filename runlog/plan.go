package runlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// PlanFile is the name of the file that lists the runs of a grid, in the directory of the runs.
const PlanFile = "grid.json"

// Plan lists the runs of a grid, those that are finished and those that are not, so that a
// report claims nothing of what is missing.
type Plan struct {
	Provenance
	Runs []Planned `json:"runs"`
}

// Provenance says where the records of a grid come from: the last command that added to it,
// its program and its machine.
type Provenance struct {
	Command   string    `json:"command"`
	Date      time.Time `json:"date"`
	Revision  string    `json:"revision,omitempty"` // of the source, "" where the program does not know it
	Go        string    `json:"go"`                 // version
	System    string    `json:"system"`             // such as linux/amd64
	Processor string    `json:"processor,omitempty"`
	Threads   int       `json:"threads"`
}

// Planned is a run of a grid: its ID and its values on the grid's axes.
type Planned struct {
	ID        string  `json:"id"`
	Norm      string  `json:"norm"`
	Placement string  `json:"placement"`
	QKNorm    bool    `json:"qk_norm"`
	Order     string  `json:"order,omitempty"`
	TextShare float64 `json:"text_share,omitempty"`
	NormNoise float64 `json:"norm_noise,omitempty"`
	LR        float64 `json:"lr"`
	Seed      uint64  `json:"seed"`

	// SameAs is the ID of another run that computes the same, and is run instead of this one:
	// without norms there is nothing to place.
	SameAs string `json:"same_as,omitempty"`
}

// Config returns a config with the run's values on the axes, and nothing else.
func (p Planned) Config() Config {
	return Config{
		Norm: p.Norm, Placement: p.Placement, QKNorm: p.QKNorm, Order: p.Order, TextShare: p.TextShare,
		NormNoise: p.NormNoise, LR: p.LR, Seed: p.Seed,
	}
}

// ReadPlan returns the plan in a directory of runs, nil if it has none.
func ReadPlan(dir string) (*Plan, error) {
	var p Plan
	switch err := readJSON(filepath.Join(dir, PlanFile), &p); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w (remove it, and the next command with the same -out writes it again)", err)
	}
	return &p, nil
}

// Records are what a directory of runs holds.
type Records struct {
	Runs   []Run    // finished and interrupted
	Broken []Broken // directories of runs that cannot be used
	Plan   *Plan    // nil if the directory has none
}

// Missing returns the planned runs that have no record, or only an interrupted one. A run that
// is the same as another is missing nowhere.
func (r Records) Missing() (missing []Planned) {
	if r.Plan == nil {
		return nil
	}
	finished := func(id string) bool {
		return slices.ContainsFunc(r.Runs, func(r Run) bool { return r.Config.ID() == id && !r.Summary.Interrupted })
	}
	for _, p := range r.Plan.Runs {
		if p.SameAs == "" && !finished(p.ID) {
			missing = append(missing, p)
		}
	}
	return missing
}
