package train

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"gorgonorm/runlog"
)

// Checkpoints says where Train keeps the state of a run, and how often it saves it.
//
// A checkpoint is a safetensors file with the model and all else that determines the steps to come:
// AdamW's moments, the random states, the record so far. It ends with its SHA-256. Dir keeps the
// last two. A run that is stopped at any moment, even while it saves, and is trained again with the
// same Dir goes on from the last one that is whole, and ends with the same bits as a run that was
// never stopped. StartFrom starts another run from one. The run's config.json is beside them, for
// programs that need the vocabulary.
type Checkpoints struct {
	Dir   string // of this run alone, which Train makes
	Every Interval

	// Log, if not nil, is told where the run goes on, which checkpoints are damaged, and which
	// could not be saved. Training goes on without those.
	Log func(message string)
}

// Interval is the distance between two checkpoints: a number of steps or, if that is 0, a time of
// training. If both are 0, it is DefaultInterval. A checkpoint is never saved before the training
// has taken a hundred times as long as saving the last one took, unless Steps says so.
type Interval struct {
	Steps int
	Time  time.Duration
}

// DefaultInterval is the time between two checkpoints.
const DefaultInterval = 30 * time.Second

// kept is the number of checkpoints in a directory: the last and the one before, in case the last
// turns out to be damaged.
const kept = 2

// Option is an option of Train.
type Option func(*loop)

// WithCheckpoints makes Train save the state of the run and go on from there.
func WithCheckpoints(c Checkpoints) Option {
	return func(l *loop) { l.keeper = &keeper{Checkpoints: c, last: time.Now()} }
}

// keeper saves the checkpoints of a run. A nil keeper saves none.
type keeper struct {
	Checkpoints
	at    int           // step of the last checkpoint
	last  time.Time     // when it was saved
	price time.Duration // time that it took
}

var checkpointName = regexp.MustCompile(`^step([1-9]\d{0,17})\.safetensors$`)

// steps returns the steps of a directory's checkpoints, the last first.
func steps(dir string) (all []int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if m := checkpointName.FindStringSubmatch(e.Name()); m != nil {
			n, err := strconv.Atoi(m[1])
			if err == nil {
				all = append(all, n)
			}
		}
	}
	slices.SortFunc(all, func(a, b int) int { return cmp.Compare(b, a) })
	return all, nil
}

func (k *keeper) path(step int) string {
	return filepath.Join(k.Dir, fmt.Sprintf("step%d.safetensors", step))
}

// resume sets the loop and the record to the last checkpoint that is whole. It removes those that
// are damaged, because they would count among the last two. A checkpoint of another run is an error.
func (k *keeper) resume(l *loop, run *Run) error {
	if k == nil {
		return nil
	}
	runlog.RemoveStale(k.Dir)
	all, err := steps(k.Dir)
	if err != nil {
		return err
	}
	for _, step := range all {
		err := l.read(k.path(step), run)
		switch {
		case err == nil:
			k.at = len(run.Steps)
			k.log("%s goes on from step %d of %d", l.ID(), k.at, l.Steps)
			return nil
		case errors.Is(err, errOtherRun):
			return fmt.Errorf("%w (give another directory, or remove it)", err)
		}
		k.log("%s cannot go on from step %d: %v", l.ID(), step, err)
		if err := os.Remove(k.path(step)); err != nil {
			return err
		}
	}
	return nil
}

// save saves a checkpoint if one is due, or in any case if the run is stopped.
func (k *keeper) save(l *loop, run *Run, stopped bool) {
	if k == nil || len(run.Steps) == k.at || !stopped && !k.due(len(run.Steps)) {
		return
	}
	began := time.Now()
	if err := k.write(l, run); err != nil {
		k.log("%s is trained without a checkpoint at step %d: %v", l.ID(), len(run.Steps), err)
	}
	k.at, k.last = len(run.Steps), time.Now()
	k.price = k.last.Sub(began)
}

func (k *keeper) due(step int) bool {
	if k.Every.Steps > 0 {
		return step-k.at >= k.Every.Steps
	}
	const share = 100
	return time.Since(k.last) >= max(cmp.Or(k.Every.Time, DefaultInterval), share*k.price)
}

// write writes a checkpoint and removes all but the last two.
func (k *keeper) write(l *loop, run *Run) error {
	if err := os.MkdirAll(k.Dir, 0o777); err != nil {
		return err
	}
	err := runlog.WriteFile(k.path(len(run.Steps)), func(w io.Writer) error { return l.write(w, run) })
	if err != nil {
		return err
	}
	if err := runlog.WriteConfig(k.Dir, run.Config); err != nil {
		return err
	}
	all, err := steps(k.Dir)
	for _, step := range all[min(kept, len(all)):] {
		err = errors.Join(err, os.Remove(k.path(step)))
	}
	return err
}

func (k *keeper) log(format string, values ...any) {
	if k.Log != nil {
		k.Log(fmt.Sprintf(format, values...))
	}
}

// Resumable returns the step from which Train goes on in a directory of checkpoints, 0 if there are
// none. It returns an error if they are another run's. It does not look for damage.
func Resumable(dir string, c Config, text *Corpus) (step int, err error) {
	if err := text.check(); err != nil {
		return 0, err
	}
	all, err := steps(dir)
	if err != nil {
		return 0, fmt.Errorf("train: %w", err)
	}
	k := keeper{Checkpoints: Checkpoints{Dir: dir}}
	for _, step := range all {
		f, _, err := openState(k.path(step), on(c, text))
		if errors.Is(err, errOtherRun) {
			return 0, fmt.Errorf("train: %w", err)
		}
		if err == nil {
			return step, f.Close()
		}
	}
	return 0, nil
}
