package train

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/safetensors"
	"gorgonorm/internal/text"
	"gorgonorm/layers"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// The names of a checkpoint's tensors besides the model's. A weight's moments have its name after
// theirs. sealName is the last in byte order, so that its data ends the file.
const (
	meanName    = transformer.ExtraPrefix + "adamw.m."
	squaresName = transformer.ExtraPrefix + "adamw.v."
	inputsName  = transformer.ExtraPrefix + "inputs"
	stateName   = transformer.ExtraPrefix + "run"
	sealName    = transformer.ExtraPrefix + "sha256"
)

// state is what a checkpoint holds of a run besides tensors. With the model, the moments and the
// config, it determines all further steps. The schedule follows from the number of steps.
type state struct {
	Config    Config
	Steps     []Step
	Probes    []runlog.Probe
	InitVal   runlog.Float
	NonFinite string

	Taken   map[string]int // steps that AdamW has taken with each weight
	Batches []byte         // state of the random places
	Noise   []byte         // state of the noise after norms
	Inputs  []int          // features of the norms' inputs at the last probe; nil before the first

	Training, Elapsed time.Duration // which count for the run's Speed alone
}

// write writes the state of the run after its last step.
func (l *loop) write(w io.Writer, run *Run) error {
	s := state{
		Config: run.Config, Steps: run.Steps, Probes: run.Probes,
		InitVal: run.Summary.InitVal, NonFinite: run.Summary.NonFinite,
		Taken: make(map[string]int), Training: l.training, Elapsed: time.Since(l.start),
	}
	var err, failed error
	s.Batches, err = l.batches.source.MarshalBinary()
	s.Noise, failed = l.noise.MarshalBinary()
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	more := layers.State{sealName: bytesTensor(make([]byte, sha256.Size))}
	if l.prober.inputs != nil {
		s.Inputs, more[inputsName] = inputsTensor(l.prober.inputs)
	}
	for _, n := range l.model.Learnables() {
		mo := l.solver.momentsOf(values(n))
		s.Taken[n.Name()] = mo.step
		more[meanName+n.Name()], more[squaresName+n.Name()] = floatsTensor(n, mo.m), floatsTensor(n, mo.v)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	more[stateName] = bytesTensor(text)
	sealed := &sealer{w: w, hash: sha256.New()}
	if err := l.model.SaveWith(sealed, more); err != nil {
		return err
	}
	return sealed.seal()
}

func bytesTensor(b []byte) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(b)), tensor.WithBacking(b))
}

// floatsTensor returns a tensor of the node's shape.
func floatsTensor(n *G.Node, x []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(x))
}

// sealer writes all bytes but the last of a hash's size, in whose place seal writes the hash of
// those before.
type sealer struct {
	w    io.Writer
	hash hash.Hash
	held []byte
}

func (s *sealer) Write(b []byte) (int, error) {
	s.held = append(s.held, b...)
	if n := len(s.held) - s.hash.Size(); n > 0 {
		s.hash.Write(s.held[:n]) // never fails
		if _, err := s.w.Write(s.held[:n]); err != nil {
			return 0, err
		}
		s.held = append(s.held[:0], s.held[n:]...)
	}
	return len(b), nil
}

func (s *sealer) seal() error {
	_, err := s.w.Write(s.hash.Sum(nil))
	return err
}

// checkSeal returns an error unless a file ends with the hash of what is before.
func checkSeal(path string) error {
	f, err := text.Open(path, math.MaxInt64)
	if err != nil {
		return err
	}
	defer f.Close()
	s := &sealer{w: io.Discard, hash: sha256.New()}
	if _, err := io.Copy(s, f); err != nil {
		return err
	}
	if !bytes.Equal(s.held, s.hash.Sum(nil)) {
		return fmt.Errorf("%s is damaged: its contents do not have the checksum at its end", path)
	}
	return nil
}

// errOtherRun is the error of a checkpoint that is whole, but of another run.
var errOtherRun = errors.New("it belongs to another run")

// read reads the state of a run from a checkpoint into the loop and the record, or returns an error
// and changes neither.
func (l *loop) read(path string, run *Run) error {
	if err := checkSeal(path); err != nil {
		return err
	}
	f, s, err := openState(path, run.Config)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := l.take(f, s); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	run.Steps, run.Probes = s.Steps, s.Probes
	run.Summary.InitVal, run.Summary.NonFinite = s.InitVal, s.NonFinite
	return nil
}

// openState opens a checkpoint, which must be of the config's run.
func openState(path string, c Config) (f *safetensors.File, s state, err error) {
	if f, err = safetensors.Open(path); err != nil {
		return nil, s, err
	}
	text, err := f.Bytes(stateName)
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields() // another version's
		err = dec.Decode(&s)
	}
	if err == nil {
		if other := runlog.SameRun(s.Config, c); other != nil {
			err = fmt.Errorf("%w: %w", errOtherRun, other)
		}
	}
	if err != nil {
		return nil, s, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return f, s, nil
}

// startFrom adopts the moments of loaded weights if path is a checkpoint.
func (a *AdamW) startFrom(path string, loaded []string, weights G.Nodes) error {
	if path == "" {
		return nil
	}
	f, err := safetensors.Open(path)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	defer f.Close()
	if _, ok := f.Tensors[stateName]; !ok {
		return nil
	}
	var s struct{ Taken map[string]int }
	text, err := f.Bytes(stateName)
	if err = cmp.Or(checkSeal(path), err, json.Unmarshal(text, &s)); err != nil {
		return fmt.Errorf("train: %s: %w", path, err)
	}
	weights = slices.DeleteFunc(slices.Clone(weights), func(n *G.Node) bool { return !slices.Contains(loaded, n.Name()) })
	for _, n := range weights { // LoadMatching takes the first positions of a longer context
		for _, name := range []string{meanName + n.Name(), squaresName + n.Name()} {
			if t := f.Tensors[name]; len(t.Shape) > 0 && t.Shape[0] > n.Shape()[0] {
				f.Tensors[name] = t.Rows(n.Shape()[0])
			}
		}
	}
	moments, err := readMoments(f, weights, s.Taken)
	if err != nil {
		return fmt.Errorf("train: %s: %w", path, err)
	}
	a.adopt(moments)
	return nil
}

// HasOptimizer reports whether a file of weights is a checkpoint, from which a run starts with
// AdamW's moments.
func HasOptimizer(path string) (bool, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return false, fmt.Errorf("train: %w", err)
	}
	_, ok := f.Tensors[stateName]
	return ok, f.Close()
}

// take sets the loop to a state. All that can fail comes first.
func (l *loop) take(f *safetensors.File, s state) error {
	drawn, ordered := len(s.Steps)*l.Batch, l.batches.ordered
	if len(s.Steps) > l.Steps || ordered != nil && drawn > len(ordered) {
		return fmt.Errorf("it has %d steps, want at most %d", len(s.Steps), l.Steps)
	}
	inputs, err := readInputs(f, s.Inputs, len(l.prober.nodes.Norms))
	if err != nil {
		return err
	}
	moments, err := readMoments(f, l.model.Learnables(), s.Taken)
	if err != nil {
		return err
	}
	weights := l.model.State()
	for name, d := range weights {
		if err := readTensor(f, name, d); err != nil {
			return err
		}
	}
	var batches, noise rand.PCG
	if err := errors.Join(batches.UnmarshalBinary(s.Batches), noise.UnmarshalBinary(s.Noise)); err != nil {
		return err
	}
	if err := l.model.Load(weights); err != nil {
		return err
	}
	*l.batches.source = batches
	_ = l.noise.UnmarshalBinary(s.Noise) // tried above
	if ordered != nil {
		l.batches.ordered = ordered[drawn:]
	}
	l.solver.adopt(moments)
	l.prober.inputs = inputs
	l.training, l.start = s.Training, time.Now().Add(-s.Elapsed)
	return nil
}

// readTensor reads a tensor into one of the same shape.
func readTensor(f *safetensors.File, name string, d *tensor.Dense) error {
	t, ok := f.Tensors[name]
	if !ok {
		return fmt.Errorf("the tensor %s is missing", name)
	}
	if !slices.Equal(t.Shape, d.Shape()) && !(safetensors.IsCount(name) && t.Len() == 1) {
		return fmt.Errorf("%s has shape %v, want %v", name, t.Shape, d.Shape())
	}
	return safetensors.Fill(f, name, d)
}

// readMoments reads the moments of weights, given the steps taken by the weights' names.
func readMoments(f *safetensors.File, weights G.Nodes, taken map[string]int) (all []*moments[float32], err error) {
	for _, n := range weights {
		mo := newMoments(values(n))
		mo.step = taken[n.Name()]
		all = append(all, mo)
		if err := errors.Join(
			readTensor(f, meanName+n.Name(), floatsTensor(n, mo.m)),
			readTensor(f, squaresName+n.Name(), floatsTensor(n, mo.v)),
		); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// inputsTensor returns the means and variances one after the other, and the number of features of
// each distribution.
func inputsTensor(inputs []distribution) (features []int, all *tensor.Dense) {
	var x []float64
	for _, d := range inputs {
		features = append(features, len(d.mean))
		x = slices.Concat(x, d.mean, d.variance)
	}
	return features, tensor.New(tensor.WithShape(len(x)), tensor.WithBacking(x))
}

// readInputs reads the distributions of a model with this number of norms, nil if there were none.
func readInputs(f *safetensors.File, features []int, norms int) (inputs []distribution, err error) {
	if features == nil {
		return nil, nil
	}
	var x []float64
	err = safetensors.Read(f, inputsName, func(_ int, block []float64) error {
		x = append(x, block...)
		return nil
	})
	for _, n := range features {
		if n < 0 || n > len(x)/2 {
			return nil, errors.Join(err, fmt.Errorf("%s is too short", inputsName))
		}
		inputs, x = append(inputs, distribution{x[:n:n], x[n : 2*n : 2*n]}), x[2*n:]
	}
	if len(inputs) != norms {
		err = errors.Join(err, fmt.Errorf("it has inputs of %d norms, want %d", len(inputs), norms))
	}
	return inputs, err
}
