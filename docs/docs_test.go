// Package docs tests the documentation: its links resolve, its lines and README are short, and the
// program in README prints the documented output.
package docs

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

const root = ".."

// pages returns the paths of all Markdown files of the repository.
func pages(t *testing.T) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			paths = append(paths, path)
		}
		return nil
	}))
	require.Contains(t, paths, filepath.Join(root, "README.md"))
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// anchors returns the fragments with which GitHub links to a page's headings.
func anchors(page string) (a []string) {
	unlinked := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		a = append(a, strings.ReplaceAll(strings.ToLower(unlinked.ReplaceAllString(m[1], "")), " ", "-"))
	}
	return a
}

func TestLinksResolve(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, fragment, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			_, err := os.Stat(target)
			require.NoErrorf(t, err, "%s links to %s", page, m[1])
			if fragment != "" {
				require.Containsf(t, anchors(read(t, target)), fragment, "%s links to %s, which has no such heading", page, m[1])
			}
		}
	}
}

func TestREADMEFitsOneScreenToFirstSuccess(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, strings.Count(read(t, filepath.Join(root, "README.md")), "\n"), 150)
}

// TestLinesAreShort ignores rows of tables, which Markdown cannot wrap.
func TestLinesAreShort(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		for i, line := range strings.Split(read(t, page), "\n") {
			if !strings.HasPrefix(line, "|") {
				require.LessOrEqualf(t, utf8.RuneCountInString(line), 120, "%s:%d", page, i+1)
			}
		}
	}
}

// TestREADMEsProgramRuns extracts the program from README and runs it. .ci/run also runs it in a
// module of its own.
func TestREADMEsProgramRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("links a program")
	}
	t.Parallel()
	readme := read(t, filepath.Join(root, "README.md"))
	program := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindStringSubmatch(readme)
	require.NotNil(t, program, "README has no Go program")
	output := regexp.MustCompile("It prints `(.*?)`").FindStringSubmatch(readme)
	require.NotNil(t, output, "README does not document the program's output")

	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(program[1]), 0o644))
	run := exec.Command("go", "run", file)
	run.Dir = root
	out, err := run.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, output[1], strings.TrimSpace(string(out)))
}

// TestANormOfOnesOwn: the file that docs/lab.md shows gives the lab a norm.
func TestANormOfOnesOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("links a program")
	}
	t.Parallel()
	file := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindStringSubmatch(read(t, "lab.md"))
	require.NotNil(t, file, "docs/lab.md has no Go file")
	dir := t.TempDir()
	mine, overlay := filepath.Join(dir, "mine.go"), filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(mine, []byte(file[1]), 0o644))
	stability, err := filepath.Abs(filepath.Join(root, "examples", "stability", "mine.go"))
	require.NoError(t, err)
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{stability: mine}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, b, 0o644))
	run := exec.Command("go", "run", "-overlay", overlay, "./examples/stability", "-norms", "rms,mine", "-lr", "1e-3",
		"-steps", "3", "-layers", "1", "-channels", "8", "-heads", "1", "-context", "8", "-batch", "2",
		"-out", filepath.Join(dir, "runs"))
	run.Dir = root
	out, err := run.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "\nmine ", "it has a line in the table")
}
