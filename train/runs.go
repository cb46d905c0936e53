package train

import (
	"errors"
	"fmt"

	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// model implements runlog.ModelCheck for the runs of this package.
func model(c Config) (checkWeights func(path string) error, err error) {
	m, err := modelOf(c, []rune(c.Vocabulary))
	return func(path string) error { return transformer.CheckFile(path, m) }, err
}

// ReadRun reads a run's directory as runlog.Read does. It also returns an error if the
// length of the weights file differs from what its header says, or its tensors from the
// model's.
func ReadRun(dir string) (Run, error) {
	r, err := runlog.Read(dir, model)
	return r, prefixed(err)
}

// ReadRuns reads the plan and all runs in a directory as runlog.ReadAll does, each of the runs
// as ReadRun does.
func ReadRuns(dir string) (runlog.Records, error) {
	all, err := runlog.ReadAll(dir, model)
	return all, prefixed(err)
}

// Finished reads the finished run of a config on the text from dir as runlog.Finished
// does.
func Finished(dir string, c Config, text *Corpus) (Run, error) {
	if err := text.check(); err != nil {
		return Run{}, err
	}
	r, err := runlog.Finished(dir, on(c, text), model)
	return r, prefixed(err)
}

// Pending returns the configs whose runs on the text are not finished in a directory, and
// describes those whose folders exist already, as runlog.Pending does.
func Pending(dir string, cs []Config, text *Corpus) (pending []Config, again []runlog.Broken, err error) {
	if err := text.check(); err != nil {
		return nil, nil, err
	}
	whole := make([]Config, len(cs))
	for i, c := range cs {
		whole[i] = on(c, text)
	}
	at, again, err := runlog.Pending(dir, whole, model)
	for _, i := range at {
		pending = append(pending, cs[i])
	}
	return pending, again, prefixed(err)
}

// WriteRun writes a run and its model as runlog.Write does. It returns an error instead
// of writing a run that ReadRun would refuse.
func WriteRun(dir string, r Run, m *transformer.Model) error {
	if m == nil {
		return errors.New("train: WriteRun: the model is nil")
	}
	return prefixed(runlog.Write(dir, r, m.Save, model))
}

// CheckCheckpoint returns an error if path is the directory of a run that ReadRun
// refuses. It returns nil if path is not the directory of a run.
func CheckCheckpoint(path string) error { return prefixed(runlog.CheckCheckpoint(path, model)) }

// prefixed returns the error with this package's name, or nil.
func prefixed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("train: %w", err)
}
