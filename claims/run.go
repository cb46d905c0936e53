package claims

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gorgonorm/internal/text"
	"gorgonorm/runlog"
)

// The files that Run writes to its directory. Training runs and measurements stand beside
// them, so that the same command resumes.
const (
	ResultsFile = "claims.json"
	PageFile    = "claims.html"
)

// Options say which claims are tested, on what, and where.
type Options struct {
	Out   string   // the directory that is written to
	Only  []string // names; none for all
	Seed  uint64   // the first of the seeds
	Seeds int
	Quick bool
	Jobs  int // training runs side by side; 0 for one a core
}

// Check returns an error for the first option that cannot be.
func (o Options) Check() error {
	if o.Out == "" {
		return errors.New("-out is empty, want a directory")
	}
	const mostSeeds = 1000 // which would take weeks
	if o.Seeds < 2 || o.Seeds > mostSeeds {
		return fmt.Errorf("-seeds is %d, want 2 to %d: an interval needs two", o.Seeds, mostSeeds)
	}
	if o.Jobs < 0 {
		return fmt.Errorf("-jobs is %d, want 0 or more", o.Jobs)
	}
	_, err := Select(o.Only)
	return err
}

// Results are what claims.json holds. They depend on the seeds and the texts alone.
type Results struct {
	Settings
	Claims []Result `json:"claims"`
}

// Settings are what all measurements depend on.
type Settings struct {
	Seeds []uint64 `json:"seeds"`
	Quick bool     `json:"quick"`
}

// Result is a claim, its judgements, and the measurements that they rest on.
type Result struct {
	Name         string          `json:"name"`
	Claim        string          `json:"claim"`
	Judgements   []Judgement     `json:"judgements"`
	Measurements json.RawMessage `json:"measurements"`

	OnThisMachine []Judgement `json:"-"` // of times
}

// Progress says where Run is.
type Progress struct {
	Claim string
	Done  int // claims measured
	All   int // claims to measure
	What  string
	Left  time.Duration // 0 where nothing is known
}

// String returns the progress as a line.
func (p Progress) String() string {
	s := fmt.Sprintf("[%d/%d] ", p.Done, p.All)
	if p.Left > 0 {
		s += fmt.Sprintf("%v left, ", p.Left.Round(time.Second))
	}
	s += p.Claim
	if p.What != "" {
		s += ": " + p.What
	}
	return s
}

// Run measures the claims that the directory has no measurements of, judges all that it has,
// and writes claims.json and claims.html. A cancelled context is an error that is ctx.Err();
// what was measured stays.
func Run(ctx context.Context, o Options, onProgress func(Progress)) (r Results, err error) {
	if err := o.Check(); err != nil {
		return r, fmt.Errorf("claims: %w", err)
	}
	selected, err := Select(o.Only)
	if err != nil {
		return r, err
	}
	r.Quick = o.Quick
	for i := range o.Seeds {
		r.Seeds = append(r.Seeds, o.Seed+uint64(i))
	}
	if err := os.MkdirAll(filepath.Join(o.Out, "measured"), 0o777); err != nil {
		return r, fmt.Errorf("claims: %w", err)
	}
	runlog.RemoveStale(o.Out)
	if err := measureAll(ctx, o, r.Settings, selected, onProgress); err != nil {
		return r, err
	}
	var all []tested
	for _, c := range All {
		m, err := readMeasured(o.Out, c, r.Settings)
		if errors.Is(err, fs.ErrNotExist) {
			continue // not selected
		}
		if err != nil {
			return r, err
		}
		t := tested{claim: c, judgements: c.judge(m.decoded), figures: c.figures(m.decoded)}
		if c.times != nil {
			switch times, err := readMeasured(o.Out, *c.times, r.Settings); {
			case err == nil:
				t.timed = c.times.judge(times.decoded)
			case !errors.Is(err, fs.ErrNotExist): // a stopped run may have left the claim without its times
				return r, err
			}
		}
		all = append(all, t)
		r.Claims = append(r.Claims, Result{
			Name: c.Name, Claim: c.Claim, Judgements: t.judgements, Measurements: m.data, OnThisMachine: t.timed,
		})
	}
	for name, write := range map[string]func(io.Writer) error{
		ResultsFile: func(w io.Writer) error { return writeJSON(w, r) },
		PageFile:    func(w io.Writer) error { return writePage(w, r.Settings, all) },
	} {
		if err := runlog.WriteFile(filepath.Join(o.Out, name), write); err != nil {
			return r, fmt.Errorf("claims: %w", err)
		}
	}
	return r, nil
}

func measureAll(ctx context.Context, o Options, s Settings, selected []Claim, onProgress func(Progress)) error {
	var todo []Claim
	for _, c := range withTimesOf(selected) {
		if _, err := readMeasured(o.Out, c, s); errors.Is(err, fs.ErrNotExist) {
			todo = append(todo, c)
		} else if err != nil {
			return err
		}
	}
	clock := newClock(todo)
	for i, c := range todo {
		b := &Bench{Settings: s, Dir: filepath.Join(o.Out, "runs"), Jobs: o.Jobs}
		b.onPart = func(share float64, what string) {
			if onProgress != nil {
				onProgress(Progress{Claim: c.Name, Done: i, All: len(todo), What: what, Left: clock.left(i, share)})
			}
		}
		b.onPart(0, "")
		m, err := c.measure(ctx, b)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("claims: %s: %w", c.Name, err)
		}
		if err := writeMeasured(o.Out, c, s, m); err != nil {
			return err
		}
	}
	return nil
}

// withTimesOf returns the claims and, after each that has them, its measurements of time.
func withTimesOf(selected []Claim) (all []Claim) {
	for _, c := range selected {
		if all = append(all, c); c.times != nil {
			all = append(all, *c.times)
		}
	}
	return all
}

// clock estimates the time left from the claims' costs.
type clock struct {
	began time.Time
	costs []float64
}

func newClock(todo []Claim) clock {
	c := clock{began: time.Now()}
	for _, t := range todo {
		c.costs = append(c.costs, cmp.Or(t.cost, 1))
	}
	return c
}

// left returns the time left when a share of claim i is done.
func (c clock) left(i int, share float64) time.Duration {
	var done, all float64
	for j, cost := range c.costs {
		all += cost
		if j < i {
			done += cost
		} else if j == i {
			done += float64(cost * share)
		}
	}
	if done == 0 {
		return 0
	}
	return time.Duration(float64(time.Since(c.began)) * (all - done) / done)
}

// measured is the file of one claim's measurements.
type measured struct {
	Settings
	Measurements json.RawMessage `json:"measurements"`
}

// evidence are measurements as they are judged, and as they were read.
type evidence struct {
	decoded any
	data    json.RawMessage
}

func measuredFile(dir string, c Claim, s Settings) string {
	kind := "full"
	if s.Quick {
		kind = "quick"
	}
	name := fmt.Sprintf("%s-%s-seeds-%d-%d.json", c.Name, kind, s.Seeds[0], s.Seeds[len(s.Seeds)-1])
	return filepath.Join(dir, "measured", name)
}

// readMeasured returns a claim's measurements under the settings. The error is
// fs.ErrNotExist if there are none.
func readMeasured(dir string, c Claim, s Settings) (e evidence, err error) {
	path := measuredFile(dir, c, s)
	data, err := text.ReadFile(path, text.MaxJSON)
	if err != nil {
		return e, fmt.Errorf("claims: %w", err)
	}
	var m measured
	if err := json.Unmarshal(data, &m); err != nil {
		return e, fmt.Errorf("claims: %s: %w (remove it, and it is measured again)", path, err)
	}
	e.data = m.Measurements
	e.decoded, err = c.decode(m.Measurements)
	return e, err
}

func writeMeasured(dir string, c Claim, s Settings, m any) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("claims: measurements of %s: %w", c.Name, err)
	}
	err = runlog.WriteFile(measuredFile(dir, c, s), func(w io.Writer) error { return writeJSON(w, measured{s, data}) })
	if err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(v)
}
