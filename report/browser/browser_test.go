// Package browser tests the page of package report in a headless Chromium. It is a module of its
// own, so that users of gorgonorm do not need what drives the browser. Without Chromium the tests
// are skipped; CI installs it.
package browser

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"gorgonorm/report"
	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

// chromium is the browser that all tests share, each in a tab of its own.
var chromium context.Context

func TestMain(m *testing.M) {
	os.Exit(func() int {
		path := browser()
		if path == "" {
			return m.Run() // every test is skipped
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
			chromedp.Flag("hide-scrollbars", false), chromedp.Flag("force-color-profile", "srgb"))
		allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
		defer stop()
		var cancel context.CancelFunc
		chromium, cancel = chromedp.NewContext(allocator)
		defer cancel()
		if err := chromedp.Run(chromium); err != nil {
			fmt.Fprintf(os.Stderr, "%s does not start: %v\n", path, err)
			return 1
		}
		return m.Run()
	}())
}

// browser returns the path of a Chromium, "" if there is none.
func browser() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// look is how a page is looked at.
type look struct {
	width     int64
	dark      bool
	print     bool
	noScripts bool
	fragment  string // of the address
}

func (l look) String() string {
	s := fmt.Sprint(l.width)
	for _, part := range []struct {
		is   bool
		name string
	}{{l.dark, " dark"}, {l.print, " print"}, {l.noScripts, " without scripts"}} {
		if part.is {
			s += part.name
		}
	}
	return s
}

// tab is a page in the browser, and what it has done that it should not have.
type tab struct {
	context.Context
	t      *testing.T
	mu     sync.Mutex
	faults []string
}

// directory has a file for each kind of page.
var directory = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pages")
	if err != nil {
		return "", err
	}
	for name, records := range runtest.Pages() {
		err := runlog.WriteFile(filepath.Join(dir, name+".html"), func(w io.Writer) error {
			return report.HTML(w, records)
		})
		if err != nil {
			return "", err
		}
	}
	return dir, nil
})

// open opens a page. It fails the test in the end if the page had errors or made requests.
func open(t *testing.T, name string, l look) *tab {
	t.Helper()
	if chromium == nil {
		t.Skip("there is no Chromium: install the package chromium to test the page in a browser")
	}
	dir, err := directory()
	require.NoError(t, err)
	address := "file://" + filepath.Join(dir, name+".html")
	ctx, cancel := chromedp.NewContext(chromium)
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	p := &tab{Context: ctx, t: t}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			p.fault("script error: " + e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			p.fault("log: " + e.Entry.Text)
		case *network.EventRequestWillBeSent:
			if url := e.Request.URL; !strings.HasPrefix(url, address) && !strings.HasPrefix(url, "data:") &&
				!strings.HasPrefix(url, "blob:") {
				p.fault("request: " + url)
			}
		}
	})
	t.Cleanup(func() {
		stop()
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		require.Empty(t, p.faults, "%s, %v", name, l)
	})
	media, scheme := "screen", "light"
	if l.print {
		media = "print"
	}
	if l.dark {
		scheme = "dark"
	}
	p.run(
		network.Enable(), log.Enable(), runtime.Enable(),
		emulation.SetDeviceMetricsOverride(l.width, 900, 1, false),
		emulation.SetEmulatedMedia().WithMedia(media).
			WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		emulation.SetScriptExecutionDisabled(l.noScripts),
		chromedp.Navigate(address+l.fragment),
	)
	return p
}

func (p *tab) fault(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, text)
}

func (p *tab) run(actions ...chromedp.Action) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Run(p, actions...))
}

// eval returns the value of an expression in the page.
func eval[T any](p *tab, expression string) (value T) {
	p.t.Helper()
	p.run(chromedp.Evaluate(expression, &value))
	return value
}
