package train

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"gorgonorm/models/transformer"
)

// Run is the record of one training run: the files of its directory.
type Run struct {
	Config  Config  // config.json
	Steps   []Step  // metrics.jsonl, one line a step
	Summary Summary // summary.json
}

// Step is what was measured in one step.
type Step struct {
	Step     int    `json:"step"`               // from 1
	Loss     Float  `json:"loss"`               // training loss before the update, nats a token
	GradNorm Float  `json:"grad_norm"`          // global gradient norm before clipping
	LR       Float  `json:"lr"`                 // learning rate of the update
	ValLoss  *Float `json:"val_loss,omitempty"` // validation loss after the update, at the steps that evaluate

	TokensPerSec Float `json:"tokens_per_s"` // of training so far, evaluation left out
	Seconds      Float `json:"seconds"`      // since the run began, evaluation and all
}

// Summary is a run's result.
type Summary struct {
	Norm         string `json:"norm"`
	Parameters   int    `json:"parameters"` // learnable numbers
	Steps        int    `json:"steps"`      // steps done
	FirstLoss    Float  `json:"first_loss"` // training loss of the first step
	LastLoss     Float  `json:"last_loss"`  // training loss of the last step
	BestVal      Float  `json:"best_val"`   // lowest validation loss; NaN if none was taken
	LastVal      Float  `json:"last_val"`   // last validation loss; NaN if none was taken
	MaxGradNorm  Float  `json:"max_grad_norm"`
	DivergedAt   int    `json:"diverged_at"`  // the step at which a loss or the gradient was not finite, 0 for none
	Interrupted  bool   `json:"interrupted"`  // ended before its time by the user
	TokensPerSec Float  `json:"tokens_per_s"` // of training, evaluation left out
	Seconds      Float  `json:"seconds"`      // evaluation and all
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
		return fmt.Errorf("train: %s is no number", b)
	}
	*f = Float(v)
	return nil
}

// The files of a run's directory.
const (
	configFile  = "config.json"
	metricsFile = "metrics.jsonl"
	weightsFile = "model.safetensors"
	summaryFile = "summary.json"
)

// WriteRun writes the run's files, and the model's weights, into dir, which it
// makes. Each file appears whole or not at all. The summary is taken away first
// and comes last, so that it never stands beside files of another run.
func WriteRun(dir string, r Run, m *transformer.Model) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err := os.Remove(filepath.Join(dir, summaryFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("train: %w", err)
	}
	metrics := func(w io.Writer) error {
		enc := json.NewEncoder(w)
		for _, s := range r.Steps {
			if err := enc.Encode(s); err != nil {
				return err
			}
		}
		return nil
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{configFile, indented(r.Config)},
		{metricsFile, metrics},
		{weightsFile, m.Save},
		{summaryFile, indented(r.Summary)},
	} {
		if err := WriteFile(filepath.Join(dir, f.name), f.write); err != nil {
			return err
		}
	}
	return nil
}

func indented(v any) func(io.Writer) error {
	return func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
}

// WriteFile makes a file of what write writes: under a temporary name first,
// synced, then renamed, so that no reader ever sees half of it.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("train: writing %s: %w", path, err)
		}
	}()
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// ReadRun reads a run's directory.
func ReadRun(dir string) (Run, error) {
	var r Run
	if err := readJSON(filepath.Join(dir, configFile), &r.Config); err != nil {
		return r, err
	}
	if err := readJSON(filepath.Join(dir, summaryFile), &r.Summary); err != nil {
		return r, err
	}
	f, err := os.Open(filepath.Join(dir, metricsFile))
	if err != nil {
		return r, fmt.Errorf("train: %w", err)
	}
	defer f.Close()
	for dec := json.NewDecoder(bufio.NewReader(f)); ; {
		var s Step
		if err := dec.Decode(&s); err == io.EOF {
			return r, nil
		} else if err != nil {
			return r, fmt.Errorf("train: %s, after step %d: %w", f.Name(), len(r.Steps), err)
		}
		r.Steps = append(r.Steps, s)
	}
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("train: %s: %w", path, err)
	}
	return nil
}
