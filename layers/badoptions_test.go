package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	takes  = regexp.MustCompile(`It takes (?:[^.;]|\.\d)*`) // to the end of the sentence
	option = regexp.MustCompile(`With\w+`)
)

// documentation is the functions of this package and their doc comments.
func documentation(t *testing.T) map[string]*ast.FuncDecl {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	functions := make(map[string]*ast.FuncDecl)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil {
				functions[d.Name.Name] = d
			}
		}
	}
	return functions
}

// documentedOptions are the options that each layer takes by its constructor's doc
// comment.
func documentedOptions(t *testing.T) map[string][]string {
	t.Helper()
	options := make(map[string][]string)
	for name, f := range documentation(t) {
		kind, ok := strings.CutPrefix(name, "New")
		if ok && f.Type.Params.NumFields() > 0 {
			options[kind] = option.FindAllString(takes.FindString(strings.ReplaceAll(f.Doc.Text(), "\n", " ")), -1)
		}
	}
	return options
}

func sortedOptions() []string { return slices.Sorted(maps.Keys(everyOption)) }
