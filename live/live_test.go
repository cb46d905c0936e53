package live

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serve starts a server of a page that counts how often it was rendered.
func serve(t *testing.T) (s *Server, renders *atomic.Int64) {
	t.Helper()
	renders = new(atomic.Int64)
	s, err := Listen(":0", t.TempDir(), func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "<html><body><main>page %d</main></body></html>", renders.Add(1))
		return err
	})
	require.NoError(t, err)
	return s, renders
}

func get(t *testing.T, url string) (status int, body string, h http.Header) {
	t.Helper()
	r, err := http.Get(url)
	require.NoError(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(b), r.Header
}

// events returns the events of a server, each as its lines.
func events(t *testing.T, s *Server, query string) <-chan []string {
	t.Helper()
	r, err := http.Get(s.URL() + "events" + query)
	require.NoError(t, err)
	t.Cleanup(func() { r.Body.Close() })
	require.Equal(t, "text/event-stream", r.Header.Get("Content-Type"))
	all := make(chan []string, 1000)
	go func() {
		defer close(all)
		var event []string
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			if lines.Text() != "" {
				event = append(event, lines.Text())
				continue
			}
			all <- event
			event = nil
		}
	}()
	require.Equal(t, []string{": welcome"}, next(t, all))
	return all
}

func next(t *testing.T, events <-chan []string) []string {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(10 * time.Second):
		require.Fail(t, "no event")
		return nil
	}
}

func TestOnlyThisMachineIsServed(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0"} {
		_, err := Listen(address, "", nil)
		require.ErrorContains(t, err, "want one of this machine alone, such as :0", address)
	}
	for _, address := range []string{"", "8080", "localhost"} {
		_, err := Listen(address, "", nil)
		require.ErrorContains(t, err, "want a port such as :8080", address)
	}
	s, _ := serve(t)
	defer s.Close()
	require.True(t, s.listener.Addr().(*net.TCPAddr).IP.IsLoopback())
	_, err := Listen(s.listener.Addr().String(), "", nil)
	require.ErrorContains(t, err, "(:0 takes a free port)")

	for host, want := range map[string]int{
		"localhost:1": 200, "127.0.0.1": 200, "[::1]:80": 200, "evil.example": 403, "127.0.0.1.evil.example:80": 403, "": 403,
	} {
		r, err := http.NewRequest("GET", s.URL(), nil)
		require.NoError(t, err)
		if r.Host = host; host == "" {
			r.Host = "8.8.8.8"
		}
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		answer.Body.Close()
		require.Equal(t, want, answer.StatusCode, host)
	}
}

// TestThePageIsRenderedWhenItChanges and somebody looks, with a script that keeps it up to date.
func TestThePageIsRenderedWhenItChanges(t *testing.T) {
	t.Parallel()
	s, renders := serve(t)
	for range 5 {
		s.Changed()
	}
	require.Zero(t, renders.Load(), "nobody looks")
	status, page, h := get(t, s.URL())
	require.Equal(t, 200, status)
	require.True(t, strings.HasPrefix(page, `<html><body><main>page 1</main><script data-version="1">`), page[:60])
	require.True(t, strings.HasSuffix(page, "</script>\n</body></html>"))
	require.Equal(t, "no-store", h.Get("Cache-Control"))
	require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'")
	get(t, s.URL())
	require.EqualValues(t, 1, renders.Load(), "nothing has changed")

	news := events(t, s, "?version=1")
	s.Changed()
	require.Equal(t, []string{"id: 2", "event: page", "data:"}, next(t, news))
	_, page, _ = get(t, s.URL())
	require.Contains(t, page, "page 2")
	s.Show([]string{"1 min left", "a \"run\"\n"})
	require.Equal(t, []string{"event: step", `data: ["1 min left","a \"run\"\n"]`}, next(t, news))

	late := events(t, s, "?version=1") // a client that has missed something is told at once
	require.Equal(t, []string{"id: 2", "event: page", "data:"}, next(t, late)[:3])

	closed := make(chan error)
	go func() { closed <- s.Close() }()
	require.Equal(t, []string{"id: 3", "event: page", "data:"}, next(t, news), "the end")
	for range 2 { // both clients fetch it
		_, page, _ = get(t, s.URL())
		require.Contains(t, page, "page 3")
	}
	require.Equal(t, []string{"event: end", "data:"}, next(t, news))
	require.NoError(t, <-closed)
	_, err := http.Get(s.URL())
	require.Error(t, err, "it has stopped")
}

// TestManyChangesAreFewRenderings, never two at a time.
func TestManyChangesAreFewRenderings(t *testing.T) {
	t.Parallel()
	const took = 20 * time.Millisecond
	var renders, now atomic.Int64
	s, err := Listen(":0", t.TempDir(), func(w io.Writer) error {
		assert.EqualValues(t, 1, now.Add(1))
		defer now.Add(-1)
		time.Sleep(took)
		_, err := fmt.Fprintf(w, "<html><body>%d</body></html>", renders.Add(1))
		return err
	})
	require.NoError(t, err)
	news := events(t, s, "")
	began := time.Now()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 20 {
				s.Changed()
				r, err := http.Get(s.URL())
				if assert.NoError(t, err) {
					r.Body.Close()
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	all.Wait()
	const rest = share * took
	require.LessOrEqual(t, renders.Load(), 2+int64(time.Since(began)/rest), "for the first client, and after each rest")
	next(t, news)
	require.NoError(t, s.Close())
}

// TestSlowAndBrokenClientsDoNoHarm: nothing waits for clients that do not read or that go.
func TestSlowAndBrokenClientsDoNoHarm(t *testing.T) {
	if testing.Short() {
		t.Skip("the server waits seconds for slow clients in the end")
	}
	t.Parallel()
	s, _ := serve(t)
	for range 50 {
		slow, err := net.Dial("tcp", s.listener.Addr().String())
		require.NoError(t, err)
		defer slow.Close()
		fmt.Fprintf(slow, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n") // and reads nothing
	}
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "GET", s.URL()+"events", nil)
		require.NoError(t, err)
		_, err = http.DefaultClient.Do(r)
		require.NoError(t, err)
		cancel() // it is gone
	}
	good := events(t, s, "")
	line := strings.Repeat("x", 10_000)
	began := time.Now()
	for range 2000 { // more than the buffers of the connections
		s.Show([]string{line})
	}
	require.Less(t, time.Since(began), 2*time.Second, "it does not wait")
	next(t, good)
	for {
		_, page, _ := get(t, s.URL())
		if strings.Contains(page, "page") {
			break
		}
	}
	closed := time.Now()
	s.Close()
	require.Less(t, time.Since(closed), 3*patience)
}

func TestTooManyClients(t *testing.T) {
	if testing.Short() {
		t.Skip("the server waits seconds for its clients in the end")
	}
	t.Parallel()
	s, _ := serve(t)
	for range mostClients {
		events(t, s, "")
	}
	status, _, _ := get(t, s.URL()+"events")
	require.Equal(t, http.StatusServiceUnavailable, status)
	status, _, _ = get(t, s.URL())
	require.Equal(t, 200, status, "the page itself can be seen")
	s.Close()
}

// TestFilesOfRuns: the page's links lead to regular files in the directory, and to nothing else.
func TestFilesOfRuns(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o666))
	s, _ := serve(t)
	defer s.Close()
	run := filepath.Join(s.dir, "layer-pre-lr0.01-seed1")
	require.NoError(t, os.MkdirAll(run, 0o777))
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, ".hidden"), 0o777))
	for name, text := range map[string]string{
		filepath.Join(run, "summary.json"): "{}", filepath.Join(run, ".x"): "hidden",
		filepath.Join(s.dir, ".hidden", "x"): "hidden",
	} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o666))
	}
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(run, "link")))
	for path, want := range map[string]int{
		"layer-pre-lr0.01-seed1/": 200, "layer-pre-lr0.01-seed1/summary.json": 200, "nothing": 404, ".hidden/x": 404,
		"layer-pre-lr0.01-seed1/.x": 404, "layer-pre-lr0.01-seed1/link": 404, "../secret": 404, "%2e%2e/secret": 404,
		"layer-pre-lr0.01-seed1/..%2f..%2fsecret": 404,
	} {
		status, body, h := get(t, s.URL()+path)
		require.Equal(t, want, status, path)
		require.NotContains(t, body, "secret\n", path)
		if strings.HasSuffix(path, ".json") {
			require.Equal(t, "{}", body)
			require.Equal(t, "text/plain; charset=utf-8", h.Get("Content-Type"))
		}
	}
	r, err := http.Post(s.URL(), "text/plain", strings.NewReader("x"))
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode)
}

// TestAPageThatFailsIsAPage with the reason.
func TestAPageThatFailsIsAPage(t *testing.T) {
	t.Parallel()
	fail := func(io.Writer) error { return errors.New("there are <no> runs") }
	s, err := Listen(":0", filepath.Join(t.TempDir(), "missing"), fail)
	require.NoError(t, err)
	defer s.Close()
	status, page, _ := get(t, s.URL())
	require.Equal(t, 200, status)
	require.Contains(t, page, "there are &lt;no&gt; runs")
	status, _, _ = get(t, s.URL()+"file")
	require.Equal(t, 404, status)
}

// plain is a line that is never due.
type plain struct {
	io.Writer
	shown int
}

func (*plain) Due() bool                      { return false }
func (p *plain) ShowRows(...func(int) string) { p.shown++ }
func (*plain) Clear()                         {}

// TestWatchedLine shows progress on the page twice a second, and results make the page old.
func TestWatchedLine(t *testing.T) {
	t.Parallel()
	s, renders := serve(t)
	get(t, s.URL())
	news := events(t, s, "?version=1")
	var written strings.Builder
	inner := &plain{Writer: &written}
	line := s.Watch(inner)
	require.True(t, line.Due())
	row := func(text string) func(int) string { return func(int) string { return text } }
	line.ShowRows(row("a"), row("b"))
	require.False(t, line.Due())
	line.ShowRows(row("c"))
	require.Zero(t, inner.shown)
	got := [][]string{next(t, news), next(t, news)} // in any order
	require.Contains(t, got, []string{"event: step", `data: ["a","b"]`})
	require.Contains(t, got, []string{"id: 2", "event: page", "data:"})
	fmt.Fprintln(line, "a result")
	require.Equal(t, "a result\n", written.String())
	require.Equal(t, []string{"id: 3", "event: page", "data:"}, next(t, news))
	require.EqualValues(t, 3, renders.Load())
	s.Close()
}

// TestNothingIsLeft of a server that is closed.
func TestNothingIsLeft(t *testing.T) {
	http.DefaultClient.CloseIdleConnections()
	before := runtime.NumGoroutine()
	for range 5 {
		s, _ := serve(t)
		get(t, s.URL())
		require.NoError(t, s.Close())
	}
	http.DefaultClient.CloseIdleConnections()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}
