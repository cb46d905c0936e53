package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// task is work in chunks that may run in any order and at the same time. The range of a
// chunk, and so every result, depends on the shape of the data, not on the number of
// threads.
type task interface{ run(chunk int) }

// maxThreads is the largest number of threads of a kernel; 0 stands for GOMAXPROCS.
var maxThreads atomic.Int32

// SetThreads bounds the number of threads that each later call of a kernel runs on, for
// programs that make several calls at the same time. 0 removes the bound. Results do not
// depend on it.
func SetThreads(n int) { maxThreads.Store(int32(n)) }

// threads returns the number of threads that a kernel may run on.
func threads() int {
	n := runtime.GOMAXPROCS(0)
	if most := int(maxThreads.Load()); most > 0 {
		n = min(n, most)
	}
	return n
}

// parallel runs all chunks of the task on up to threads() threads. It panics if a chunk
// does.
func parallel(t task, chunks int) {
	helpers := min(threads(), chunks) - 1
	// The workers serve one caller at a time. Other callers work alone.
	if helpers < 1 || !workers.caller.TryLock() {
		for c := range chunks {
			t.run(c)
		}
		return
	}
	defer workers.caller.Unlock()
	workers.run(t, chunks, helpers)
}

// spin is how long a worker waits for the next task before it sleeps. It is longer than
// the gaps between the operations of a graph, because waking a sleeping thread takes as
// long as a small kernel.
const spin = 100 * time.Microsecond

var workers = newPool()

// pool is a set of worker goroutines and their task.
type pool struct {
	caller sync.Mutex // held while a task runs

	mu      sync.Mutex
	wake    *sync.Cond   // sleeping workers wait here
	wanted  atomic.Int32 // workers that may still join the task; changed under mu
	active  atomic.Int32 // workers on the task; rises under mu
	started int
	asleep  int
	failure any // the first panic of a worker

	task   task
	chunks int
	next   atomic.Int64
}

func newPool() *pool {
	p := &pool{}
	p.wake = sync.NewCond(&p.mu)
	return p
}

func (p *pool) run(t task, chunks, helpers int) {
	p.mu.Lock()
	p.task, p.chunks, p.failure = t, chunks, nil
	p.next.Store(0)
	p.wanted.Store(int32(helpers))
	for ; p.started < helpers; p.started++ {
		go p.work()
	}
	if p.asleep > 0 {
		p.wake.Broadcast()
	}
	p.mu.Unlock()

	defer p.finish()
	p.take()
}

// finish keeps other workers from joining and waits for those that have joined.
func (p *pool) finish() {
	p.mu.Lock()
	p.wanted.Store(0)
	p.mu.Unlock()
	for i := 1; p.active.Load() > 0; i++ {
		if i%64 == 0 {
			runtime.Gosched()
		}
	}
	p.task = nil
	if p.failure != nil {
		panic(p.failure)
	}
}

// take runs chunks until none are left.
func (p *pool) take() {
	for {
		c := int(p.next.Add(1)) - 1
		if c >= p.chunks {
			return
		}
		p.task.run(c)
	}
}

// work is the loop of a worker.
func (p *pool) work() {
	for {
		p.join()
		p.help()
	}
}

// help runs chunks of the current task and records a panic.
func (p *pool) help() {
	defer p.active.Add(-1)
	defer func() {
		if r := recover(); r != nil {
			p.mu.Lock()
			if p.failure == nil {
				p.failure = r
			}
			p.mu.Unlock()
		}
	}()
	p.take()
}

// join waits for a task that wants workers.
func (p *pool) join() {
	for end := time.Now().Add(spin); p.wanted.Load() == 0 && time.Now().Before(end); {
		for i := 0; i < 64 && p.wanted.Load() == 0; i++ {
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.wanted.Load() == 0 {
		p.asleep++
		p.wake.Wait()
		p.asleep--
	}
	p.wanted.Add(-1)
	p.active.Add(1)
}
