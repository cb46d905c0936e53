package live

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
)

//go:embed live.js
var script []byte

// handler serves the page at /, its news at /events, and the files of the runs elsewhere.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.servePage)
	mux.HandleFunc("GET /events", s.serveEvents)
	mux.HandleFunc("GET /", s.serveFile)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A page elsewhere whose name leads here must not read the runs (DNS rebinding).
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "want a loopback address as the host", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "+
			"img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		mux.ServeHTTP(w, r)
	})
}

// waiting is the page while there is none.
func waiting(err error) string {
	return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>No page yet</title></head>\n" +
		"<body><main><h1>No page yet</h1><p>" + html.EscapeString(err.Error()) + "</p></main></body></html>\n"
}

// servePage serves the page with the script that keeps it up to date.
func (s *Server) servePage(w http.ResponseWriter, _ *http.Request) {
	page, version := s.current()
	end := bytes.LastIndex(page, []byte("</body>"))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page[:end])
	fmt.Fprintf(w, "<script data-version=\"%d\">\n%s</script>\n%s", version, script, page[end:])
}

const (
	mostClients = 200
	writeTime   = 5 * time.Second // in which a client must take an event
)

// serveEvents tells a client what is new: "page", that a page has the version of the event's ID,
// "step", lines of progress, and "end".
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	wake := make(chan struct{}, 1)
	s.mu.Lock()
	full := len(s.clients) >= mostClients
	if !full {
		s.clients[wake] = true
	}
	s.mu.Unlock()
	if full {
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.clients, wake)
	}()
	s.order()
	w.Header().Set("Content-Type", "text/event-stream")
	c := client{w: w, control: http.NewResponseController(w)}
	fmt.Sscan(r.URL.Query().Get("version"), &c.version)
	fmt.Sscan(r.Header.Get("Last-Event-ID"), &c.version)
	if c.send(": welcome\n\n") != nil {
		return
	}
	for {
		if c.tell(s) != nil {
			return
		}
		select {
		case <-wake:
		case <-r.Context().Done():
			return
		case <-s.stopped:
			if c.tell(s) == nil {
				c.send("event: end\ndata:\n\n")
			}
			return
		}
	}
}

// client is a browser that gets events, and what it knows.
type client struct {
	w             http.ResponseWriter
	control       *http.ResponseController
	version, news int
}

// tell sends what is new.
func (c *client) tell(s *Server) error {
	s.mu.Lock()
	version, news, status := s.version, s.news, s.status
	s.mu.Unlock()
	var events strings.Builder
	if version != c.version && version > 0 {
		fmt.Fprintf(&events, "id: %d\nevent: page\ndata:\n\n", version)
	}
	if news != c.news {
		lines, _ := json.Marshal(status) // strings always marshal
		fmt.Fprintf(&events, "event: step\ndata: %s\n\n", lines)
	}
	c.version, c.news = version, news
	if events.Len() == 0 {
		return nil
	}
	return c.send(events.String())
}

// send returns an error if the client does not take the text in time.
func (c *client) send(text string) error {
	if err := c.control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if _, err := c.w.Write([]byte(text)); err != nil {
		return err
	}
	return c.control.Flush()
}

// serveFile serves a regular file or a list of those in a directory of the runs, which the page
// links. What is hidden, or leads out of the directory, does not exist.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	root, err := s.openRoot()
	if err != nil {
		http.NotFound(w, r)
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") {
			http.NotFound(w, r)
			return
		}
	}
	if info, err := root.Stat(name); err != nil || !info.Mode().IsRegular() && !info.IsDir() { // a pipe would wait
		http.NotFound(w, r)
		return
	}
	if strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".jsonl") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8") // to be read, not saved
	}
	http.FileServerFS(root.FS()).ServeHTTP(w, r)
}

func (s *Server) openRoot() (*os.Root, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.root != nil {
		return s.root, nil
	}
	var err error
	s.root, err = os.OpenRoot(s.dir)
	return s.root, err
}
