// Package host describes the machine and the program of a measurement.
package host

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

// Processor returns the name of the processor, or its architecture if the name is unknown.
func Processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// Command returns the command line as it can be typed again: that of go run for a program that
// it has built, else that of the program.
func Command(args []string) string {
	words := []string{program(args[0])}
	for _, arg := range args[1:] {
		words = append(words, quoted(arg))
	}
	return strings.Join(words, " ")
}

// program returns the words that start the program whose file is at path.
func program(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok && strings.Contains(path, "go-build") {
		if folder, in := strings.CutPrefix(info.Path, info.Main.Path+"/"); in {
			return "go run ./" + folder
		}
	}
	return quoted(filepath.Base(path))
}

// plain matches words that mean to a shell what they say.
var plain = regexp.MustCompile(`^[-+.,:=@%/\w]+$`)

// quoted returns a word as a POSIX shell reads it.
func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Revision returns the revision of the source that the program was built from, with "+" if it was
// changed, or "" if it is unknown, as for go run.
func Revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var revision, changed string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + changed
}
