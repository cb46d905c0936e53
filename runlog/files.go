package runlog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"

	"gorgonorm/internal/text"
)

// The files of a run's directory.
const (
	configFile  = "config.json"
	metricsFile = "metrics.jsonl"
	probesFile  = "probes.jsonl"
	weightsFile = "model.safetensors"
	speedFile   = "speed.json"
	summaryFile = "summary.json"
)

// fingerprint tells whether a file is the one that was written.
type fingerprint struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// sealed is the content of summary.json, the last file of a run: its summary and the fingerprints of
// the files except speed.json. Its own is that of the summary alone.
// Runs of earlier versions do not have the files.
type sealed struct {
	Summary
	Files map[string]fingerprint `json:"files,omitempty"`
}

// check returns an error for the first file in dir that is not the one that was written.
func (s sealed) check(dir string) error {
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		if !slices.Contains([]string{configFile, metricsFile, probesFile, weightsFile, summaryFile}, name) {
			return fmt.Errorf("%s: %s has an unknown file %q", dir, summaryFile, name)
		}
		path, want := filepath.Join(dir, name), s.Files[name]
		var got fingerprint
		var err error
		if name == summaryFile {
			got, err = ofSummary(s.Summary)
		} else {
			got, err = ofFile(path, want.Bytes)
		}
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s is not the file that was written: it has %d bytes with the SHA-256 %s, %s says %d with %s",
				path, got.Bytes, brief(got.SHA256), summaryFile, want.Bytes, brief(want.SHA256))
		}
	}
	return nil
}

// brief returns the start of a hash.
func brief(hash string) string { return hash[:min(12, len(hash))] }

// ofSummary returns the fingerprint of a file that would hold the summary alone.
func ofSummary(s Summary) (p fingerprint, err error) {
	err = p.of(indented(s))(io.Discard)
	return p, err
}

// ofFile returns the fingerprint of a file, without the hash of one of another length.
func ofFile(path string, length int64) (p fingerprint, err error) {
	f, err := text.Open(path, math.MaxInt64)
	if err != nil {
		return p, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != length {
		return fingerprint{Bytes: info.Size()}, err
	}
	h := sha256.New()
	p.Bytes, err = io.Copy(h, f)
	p.SHA256 = hex.EncodeToString(h.Sum(nil))
	return p, err
}

// of returns a function that writes as another and sets the fingerprint.
func (p *fingerprint) of(write func(io.Writer) error) func(io.Writer) error {
	if write == nil {
		return nil
	}
	return func(w io.Writer) error {
		h := sha256.New()
		n := new(counter)
		err := write(io.MultiWriter(w, h, n))
		p.Bytes, p.SHA256 = int64(*n), hex.EncodeToString(h.Sum(nil))
		return err
	}
}

// counter counts the bytes that are written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
