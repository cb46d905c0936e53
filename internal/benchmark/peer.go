package benchmark

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

//go:embed peer.py
var script string

// peers are processes with PyTorch, one for each number of threads. A nil *peers has no
// process.
type peers struct {
	python, version, kernels string
	byThreads                map[int]*peer
	warn                     io.Writer
}

// peer is one of the processes. It waits for a task while other contestants are measured.
type peer struct {
	stdin  io.Closer
	tasks  *json.Encoder
	answer *json.Decoder
	wait   func() error
	stderr bytes.Buffer
	failed bool
}

// task is a request to peer.py: the name of one of its functions, and the arguments.
type task map[string]any

// answer is a line that peer.py writes.
type answer struct {
	Version, Kernels string  // in the first line
	Seconds          float64 // in the answer to a task
	Error            string  // the reason if there is no other answer
}

// String describes PyTorch's version.
func (ps *peers) String() string {
	if ps == nil {
		return ""
	}
	return fmt.Sprintf(" PyTorch: %s, its kernels: %s.", ps.version, ps.kernels)
}

// startPeers starts the first of the interpreters that has PyTorch. If none has it, the error
// has the reasons.
func startPeers(ctx context.Context, interpreters []string, threads []int, warn io.Writer) (*peers, error) {
	if len(interpreters) == 0 {
		return nil, errors.New("there are no interpreters to search")
	}
	var reasons []string
	for _, python := range interpreters {
		ps := &peers{python: python, byThreads: make(map[int]*peer), warn: warn}
		err := ps.start(ctx, threads)
		if err == nil {
			return ps, nil
		}
		ps.close()
		reasons = append(reasons, fmt.Sprintf("%s: %v", python, err))
	}
	return nil, errors.New(strings.Join(reasons, "; "))
}

func (ps *peers) start(ctx context.Context, threads []int) error {
	for _, n := range threads {
		p, err := startPeer(ctx, ps.python, n)
		if err != nil {
			return err
		}
		ps.byThreads[n] = p
	}
	for _, p := range ps.byThreads {
		hello, err := p.read()
		if err != nil {
			return err
		}
		ps.version, ps.kernels = hello.Version, hello.Kernels
	}
	return nil
}

func startPeer(ctx context.Context, python string, threads int) (*peer, error) {
	n := strconv.Itoa(threads)
	cmd := exec.CommandContext(ctx, python, "-c", script, n)
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(),
		"OMP_NUM_THREADS="+n, "OPENBLAS_NUM_THREADS="+n, "MKL_NUM_THREADS="+n,
		// Waiting threads must not use the processor.
		"OMP_WAIT_POLICY=passive", "OPENBLAS_THREAD_TIMEOUT=24",
		// Keep freed memory; by default every large tensor gets new pages.
		"MALLOC_MMAP_MAX_=0", "MALLOC_TRIM_THRESHOLD_=68719476736", "MALLOC_TOP_PAD_=268435456")
	p := &peer{wait: cmd.Wait}
	cmd.Stderr = &p.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdin, p.tasks, p.answer = in, json.NewEncoder(in), json.NewDecoder(out)
	return p, cmd.Start()
}

// read reads the next answer. If the process has ended, the error has the last line of its
// standard error.
func (p *peer) read() (a answer, err error) {
	if err := p.answer.Decode(&a); err != nil {
		p.stdin.Close()
		if err := p.wait(); err != nil {
			lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
			return a, fmt.Errorf("%w %s", err, lines[len(lines)-1])
		}
		return a, fmt.Errorf("no answer: %w", err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// do sends the task to the peer, which repeats it, and returns the time.
func (p *peer) do(t task, repeat int) (seconds float64, err error) {
	t = maps.Clone(t)
	t["repeat"] = repeat
	if err := p.tasks.Encode(t); err != nil {
		// The answers may have the reason.
		if _, err := p.read(); err != nil {
			return 0, err
		}
		return 0, err
	}
	a, err := p.read()
	return a.Seconds, err
}

// settle is the time that PyTorch's threads need to fall asleep.
const settle = 20 * time.Millisecond

// contestant returns a contestant that does the task in PyTorch on a number of threads. Its
// time is NaN without PyTorch, and after the process has ended.
func (ps *peers) contestant(ctx context.Context, threads int, t task) contestant {
	return func(repeat int) (float64, error) {
		if ps == nil || ps.byThreads[threads].failed {
			return math.NaN(), nil
		}
		p := ps.byThreads[threads]
		seconds, err := p.do(t, repeat)
		if err != nil {
			p.failed = true
			if ctx.Err() == nil {
				fmt.Fprintf(ps.warn, "bench: PyTorch on %s ended, its other measurements are left out: %v\n",
					plural(threads, "thread"), err)
			}
			return math.NaN(), nil
		}
		time.Sleep(settle)
		return seconds, nil
	}
}

// close ends the processes.
func (ps *peers) close() {
	if ps == nil {
		return
	}
	for _, p := range ps.byThreads {
		p.stdin.Close()
		p.wait()
	}
}
