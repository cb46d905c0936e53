// Package live shows the report of a directory of runs in browsers on this machine while the runs
// are trained.
//
// The page is rendered in the background, at most as often as costs a hundredth of one core, and
// only while a browser looks at it. Browsers are told of a new page and of progress by server-sent
// events (https://html.spec.whatwg.org/multipage/server-sent-events.html). Each gets the latest
// state when it is ready for more, so that a slow one falls behind alone and nothing waits for it.
package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Server serves the page.
type Server struct {
	render   func(io.Writer) error
	listener net.Listener
	http     http.Server
	root     *os.Root // nil until the directory exists
	dir      string

	first     sync.Once // renders for the first client
	rendering sync.Mutex
	dirty     chan struct{} // holds a value if the page has to be rendered
	stopped   chan struct{} // closed when the training has ended
	work      sync.WaitGroup
	once      sync.Once // closes

	mu      sync.Mutex
	page    []byte
	version int // of the page, from 1 on
	fetched int // times that this version was fetched
	stale   bool
	status  []string // lines of progress
	news    int      // counts changes of the status
	clients map[chan struct{}]bool
}

// Listen returns a server at an address, such as ":0" for any free port, that shows what render
// writes and the files in dir. It is reachable from this machine alone: Listen returns an error for
// a host that is not a loopback address. Call Close when the training has ended.
func Listen(address, dir string, render func(io.Writer) error) (*Server, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("live: the address is %q, want a port such as :8080, or :0 for a free one", address)
	}
	switch ip := net.ParseIP(host); {
	case host == "" || host == "localhost":
		host = "127.0.0.1"
	case ip == nil || !ip.IsLoopback():
		return nil, fmt.Errorf("live: the address is %q, want one of this machine alone, such as :%s", address, port)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("live: %w (:0 takes a free port)", err)
	}
	s := &Server{
		render: render, listener: listener, dir: dir, dirty: make(chan struct{}, 1), stopped: make(chan struct{}),
		clients: make(map[chan struct{}]bool), stale: true,
	}
	s.http = http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	s.work.Go(func() { s.http.Serve(listener) })
	s.work.Go(s.renderAll)
	return s, nil
}

// URL returns the address of the page, "" of a Server that is not from Listen.
func (s *Server) URL() string {
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String() + "/"
}

// Changed tells the server that the page is out of date.
func (s *Server) Changed() {
	s.mu.Lock()
	s.stale = true
	watched := len(s.clients) > 0
	s.mu.Unlock()
	if watched {
		s.order()
	}
}

// order asks for a new page.
func (s *Server) order() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// Show shows lines of progress above the page.
func (s *Server) Show(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = lines
	s.news++
	s.wake()
}

// wake makes each client look for what is new. The caller holds mu.
func (s *Server) wake() {
	for c := range s.clients {
		select {
		case c <- struct{}{}:
		default: // it has not yet looked at what was new before
		}
	}
}

// share is the part of one core's time, as one of so many, that rendering may take.
const share = 100

// renderAll renders the page whenever that is asked for, and rests for share times as long as that took.
func (s *Server) renderAll() {
	for {
		select {
		case <-s.dirty:
		case <-s.stopped:
			return
		}
		began := time.Now()
		s.renderOne()
		rest := time.NewTimer(max(time.Second, share*time.Since(began)))
		select {
		case <-rest.C:
		case <-s.stopped:
			rest.Stop()
			return
		}
	}
}

// renderOne renders the page, unless it is up to date, and tells the clients.
func (s *Server) renderOne() {
	s.rendering.Lock()
	defer s.rendering.Unlock()
	s.mu.Lock()
	stale := s.stale
	s.stale = false
	s.mu.Unlock()
	if !stale {
		return
	}
	var b bytes.Buffer
	err := errors.New("nothing renders the page")
	if s.render != nil {
		err = s.render(&b)
	}
	if err != nil {
		b.Reset()
		b.WriteString(waiting(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page, s.fetched = b.Bytes(), 0
	s.version++
	s.wake()
}

// current returns the page and its version. The first clients wait until there is one, and share it.
func (s *Server) current() ([]byte, int) {
	rendered := false
	s.first.Do(func() {
		s.renderOne()
		rendered = true
	})
	if !rendered {
		s.order() // if it is stale, because nobody was looking
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched++
	return s.page, s.version
}

// patience is the time that clients have at the end, to fetch the last page and then to close.
const patience = 3 * time.Second

// Close shows the page once more, as it is at the end, tells the clients, and stops the server. Further
// calls do nothing.
func (s *Server) Close() (err error) {
	if s.listener != nil {
		s.once.Do(func() { err = s.close() })
	}
	return err
}

func (s *Server) close() error {
	s.mu.Lock()
	s.stale = true
	s.mu.Unlock()
	s.renderOne()
	for end := time.Now().Add(patience); !s.allHaveIt() && time.Now().Before(end); {
		time.Sleep(patience / 100)
	}
	close(s.stopped)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) { // a client does not read
		err = s.http.Close()
	}
	s.work.Wait()
	if s.root != nil {
		err = errors.Join(err, s.root.Close())
	}
	return err
}

// allHaveIt reports whether as many clients have fetched the page as there are.
func (s *Server) allHaveIt() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetched >= len(s.clients)
}
