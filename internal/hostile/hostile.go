// Package hostile helps tests: it calls every exported function and method of a package with arguments
// that nobody means to give: nil, zero values, sizes that overflow, NaN, and values of other kinds, graphs
// and shapes. Each call must return. What it returns, other tests check.
package hostile

import (
	"context"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Package is a package under test.
type Package struct {
	// Functions has the package's exported functions by their names, and instances of generic ones.
	Functions map[string]any
	// Values has arguments and receivers: a sensible one of each type before others. Numbers, texts,
	// booleans, nil and zero values are added to them.
	Values []any
	// Spare names functions and methods, such as Type.Method, that are not called, with the reason.
	Spare map[string]string
	// Tries is the number of calls of each function with arguments at random, beside those in which a
	// single argument is not sensible.
	Tries int
	// Most is the largest number of values of an argument that are tried alone, drawn at random; 0 for all.
	// It is for functions that take long.
	Most int
}

// Test calls the functions of the package of the test that calls it, and the methods of its values.
// Every exported function, and a value of every exported type with methods, must be in p.
func Test(t *testing.T, p Package) {
	t.Helper()
	_, file, _, _ := runtime.Caller(1)
	functions, types := exported(t, filepath.Dir(file))
	for _, name := range functions {
		if p.Spare[name] == "" {
			assert.Contains(t, p.Functions, name, "an exported function that is not called here")
		}
	}
	c := &caller{
		values: make(map[reflect.Type][]reflect.Value), causes: make(map[string]bool),
		tries: p.Tries, most: p.Most, rng: rand.New(rand.NewPCG(1, 2)),
	}
	defer func() { t.Logf("%d calls", c.calls) }()
	seen := make(map[string]bool)
	for _, v := range p.Values {
		of := reflect.TypeOf(v)
		if c.values[of] == nil {
			c.order = append(c.order, of)
		}
		c.values[of] = append(c.values[of], reflect.ValueOf(v))
		seen[of.Name()] = true
		if of.Kind() == reflect.Pointer {
			seen[of.Elem().Name()] = true
		}
	}
	for name := range types {
		if p.Spare[name] == "" {
			assert.True(t, seen[name], "the exported type %s has methods, but there is no value of it here", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Functions)) {
		c.try(t, name, reflect.ValueOf(p.Functions[name]))
	}
	for _, of := range c.order {
		name := of.Name()
		receivers := slices.Clone(c.values[of])
		if of.Kind() == reflect.Pointer {
			name = of.Elem().Name()
			receivers = append(receivers, reflect.New(of.Elem()))
		} else {
			receivers = append(receivers, reflect.Zero(of))
		}
		for _, r := range receivers {
			if r.Kind() == reflect.Pointer && r.IsNil() {
				continue // as an argument alone
			}
			for i := range of.NumMethod() {
				method := name + "." + of.Method(i).Name
				if types[name][of.Method(i).Name] && p.Spare[method] == "" && p.Spare[name] == "" {
					c.try(t, method, r.Method(i))
				}
			}
		}
	}
}

// exported returns the exported functions of the package in a directory, and its exported types with
// their exported methods.
func exported(t *testing.T, dir string) (functions []string, types map[string]map[string]bool) {
	t.Helper()
	types = make(map[string]map[string]bool)
	p, err := build.ImportDir(dir, 0)
	require.NoError(t, err)
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() {
				continue
			}
			if f.Recv == nil {
				functions = append(functions, f.Name.Name)
				continue
			}
			if name := receiver(f.Recv.List[0].Type); ast.IsExported(name) {
				if types[name] == nil {
					types[name] = make(map[string]bool)
				}
				types[name][f.Name.Name] = true
			}
		}
	}
	require.NotEmpty(t, functions)
	return functions, types
}

// receiver returns the name of a receiver's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// caller calls functions.
type caller struct {
	values map[reflect.Type][]reflect.Value
	order  []reflect.Type // of values
	tries  int
	most   int
	rng    *rand.Rand
	calls  int
	causes map[string]bool // of panics
}

// sizes are lengths and counts, of which the larger ones make sums and products of lengths overflow.
// They leave out those that the machine's memory might have.
var sizes = []int{
	2, 0, -1, 1, 3, 100, math.MaxInt/4 + 1, math.MaxInt/3 + 1, math.MaxInt/2 + 1, math.MaxInt - 1, math.MaxInt, math.MinInt,
}

var numbers = []float64{1, 0, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, 5e-324}

var texts = []string{"x", "", ".", "\x00", "*[", strings.Repeat("x", 300)}

// of returns arguments of a type, a sensible one first. deep limits the parts of slices and structs.
func (c *caller) of(t reflect.Type, deep int) (all []reflect.Value) {
	if t == reflect.TypeFor[context.Context]() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		return []reflect.Value{reflect.ValueOf(context.Background()), reflect.ValueOf(ended)}
	}
	all = slices.Clone(c.values[t])
	if t.Kind() == reflect.Interface {
		for _, of := range c.order {
			if of.Implements(t) {
				all = append(all, c.values[of]...)
			}
		}
	}
	add := func(v any) { all = append(all, reflect.ValueOf(v).Convert(t)) }
	switch t.Kind() {
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Uint, reflect.Int32:
		for _, n := range sizes {
			add(n)
		}
	case reflect.Float64, reflect.Float32:
		for _, x := range numbers {
			add(x)
		}
	case reflect.String:
		for _, s := range texts {
			add(s)
		}
	case reflect.Bool:
		add(false)
		add(true)
	case reflect.Slice:
		all = append(all, reflect.Zero(t), reflect.MakeSlice(t, 0, 0), reflect.MakeSlice(t, 1, 1))
		if deep > 0 {
			for _, v := range c.of(t.Elem(), deep-1) {
				all = append(all, reflect.Append(reflect.Zero(t), v, v))
			}
		}
	case reflect.Func:
		all = append(all, reflect.MakeFunc(t, func([]reflect.Value) (results []reflect.Value) {
			for i := range t.NumOut() {
				results = append(results, reflect.Zero(t.Out(i)))
			}
			return results
		}), reflect.Zero(t))
	case reflect.Pointer:
		all = append(all, reflect.Zero(t), reflect.New(t.Elem()))
	case reflect.Struct:
		all = append(all, reflect.Zero(t))
		if deep > 0 && len(c.values[t]) > 0 {
			all = append(all, c.changed(c.values[t][0], deep-1)...)
		}
	default:
		all = append(all, reflect.Zero(t))
	}
	return all
}

// changed returns copies of a struct in which one exported field has another value.
func (c *caller) changed(good reflect.Value, deep int) (all []reflect.Value) {
	for i := range good.NumField() {
		if !good.Type().Field(i).IsExported() {
			continue
		}
		for _, v := range c.of(good.Type().Field(i).Type, deep) {
			s := reflect.New(good.Type()).Elem()
			s.Set(good)
			s.Field(i).Set(v)
			all = append(all, s)
		}
	}
	return all
}

// try calls a function with arguments that are sensible except for one, and with any.
func (c *caller) try(t *testing.T, name string, f reflect.Value) {
	t.Helper()
	of := f.Type()
	var choices [][]reflect.Value
	for i := range of.NumIn() {
		in := of.In(i)
		if of.IsVariadic() && i == of.NumIn()-1 {
			choices = append(choices, append([]reflect.Value{reflect.Zero(in)}, c.of(in, 2)...))
			continue
		}
		choices = append(choices, c.of(in, 2))
	}
	args := make([]reflect.Value, len(choices))
	for i := range choices {
		values := choices[i]
		if c.most > 0 && len(values) > c.most {
			values = slices.Clone(values)
			c.rng.Shuffle(len(values), func(a, b int) { values[a], values[b] = values[b], values[a] })
			values = values[:c.most]
		}
		for _, v := range values {
			for j := range choices {
				args[j] = choices[j][0]
			}
			args[i] = v
			c.call(t, name, f, args)
		}
	}
	if len(choices) == 0 {
		c.call(t, name, f, nil)
		return
	}
	for range c.tries {
		for j, all := range choices {
			args[j] = all[c.rng.IntN(len(all))]
		}
		c.call(t, name, f, args)
	}
}

// longest is the time in which a call must return, and patience that of its context.
const (
	longest  = 20 * time.Second
	patience = time.Second / 10
)

// call calls a function, whose last argument is a slice if it is variadic.
func (c *caller) call(t *testing.T, name string, f reflect.Value, args []reflect.Value) {
	t.Helper()
	args = slices.Clone(args)
	soon, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i, a := range args {
		if a.Type() == reflect.TypeFor[context.Context]() || a.Type() == reflect.TypeOf(context.Background()) {
			args[i] = reflect.ValueOf(soon)
		}
	}
	ended := make(chan string)
	go func() {
		defer func() {
			if e := recover(); e != nil {
				ended <- fmt.Sprintf("%v\n%s", e, frames(debug.Stack()))
			}
			close(ended)
		}()
		if f.Type().IsVariadic() {
			f.CallSlice(args)
		} else {
			f.Call(args)
		}
	}()
	select {
	case panicked := <-ended:
		c.calls++
		if panicked != "" && !c.causes[panicked] { // one call for each cause
			c.causes[panicked] = true
			assert.Fail(t, "panic", "%s(%s): %s", name, describe(args), panicked)
		}
	case <-time.After(longest):
		require.Fail(t, "no return", "%s(%s) has not returned after %v", name, describe(args), longest)
	}
}

// frames returns the lines of a stack that are in a source file of a module, from the panic on.
func frames(stack []byte) string {
	_, after, _ := strings.Cut(string(stack), "panic(")
	var lines []string
	for line := range strings.Lines(after) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " +0x")
		if strings.Contains(line, ".go:") && !strings.Contains(line, "/src/") && !strings.Contains(line, "/hostile/") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[:min(4, len(lines))], "\n")
}

func describe(args []reflect.Value) string {
	var all []string
	for _, a := range args {
		s := fmt.Sprintf("%T", a.Interface())
		func() {
			defer func() { _ = recover() }() // a broken value may not print
			s = fmt.Sprintf("%s(%.80v)", s, a.Interface())
		}()
		if len(s) > 120 {
			s = s[:120] + "…"
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}
