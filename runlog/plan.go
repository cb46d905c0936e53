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

// PlannedOf returns a run with a config's values on the axes.
func PlannedOf(c Config) Planned {
	return Planned{
		ID: c.ID(), Norm: c.Norm, Placement: c.Placement, QKNorm: c.QKNorm, Order: c.Order, TextShare: c.TextShare,
		NormNoise: c.NormNoise, LR: c.LR, Seed: c.Seed,
	}
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
		return nil, err
	}
	if err := check(p.Runs); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, PlanFile), err)
	}
	return &p, nil
}

// check returns an error for the first run whose ID does not follow from its values.
func check(runs []Planned) error {
	for _, r := range runs {
		if r.ID != r.Config().ID() {
			return fmt.Errorf("the run %q has the ID of another, want %q", r.ID, r.Config().ID())
		}
	}
	return nil
}

// AddToPlan adds runs to the plan in a directory, and says what added them. It replaces a plan
// that is broken. Other processes may add runs at the same time: AddToPlan locks the directory or,
// where there are no locks, writes again until the plan holds its own.
func AddToPlan(dir string, from Provenance, runs []Planned) error {
	if err := check(runs); err != nil {
		return fmt.Errorf("adding to %s: %w", filepath.Join(dir, PlanFile), err)
	}
	unlock, locked := lockDir(dir)
	defer unlock()
	const tries, pause = 20, 20 * time.Millisecond
	for range tries {
		before, _ := ReadPlan(dir)
		after := Plan{Provenance: from, Runs: []Planned{}} // null would be a fault of the file
		if before != nil {
			after.Runs = before.Runs
		}
		for _, r := range runs {
			if i := slices.IndexFunc(after.Runs, func(p Planned) bool { return p.ID == r.ID }); i < 0 {
				after.Runs = append(after.Runs, r)
			}
		}
		if err := WriteFile(filepath.Join(dir, PlanFile), indented(after)); err != nil {
			return err
		}
		if locked {
			return nil
		}
		time.Sleep(pause) // in which others may replace it
		if now, err := ReadPlan(dir); err == nil && now != nil && now.Holds(runs) {
			return nil
		}
	}
	return fmt.Errorf("%s: other processes replace it all the time", filepath.Join(dir, PlanFile))
}

// Holds reports whether the plan has all of the runs.
func (p Plan) Holds(runs []Planned) bool {
	in := make(map[string]bool)
	for _, r := range p.Runs {
		in[r.ID] = true
	}
	return !slices.ContainsFunc(runs, func(r Planned) bool { return !in[r.ID] })
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
	finished := make(map[string]bool)
	for _, run := range r.Runs {
		finished[run.Config.ID()] = !run.Summary.Interrupted
	}
	for _, p := range r.Plan.Runs {
		if p.SameAs == "" && !finished[p.ID] {
			missing = append(missing, p)
		}
	}
	return missing
}
