package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// task is work in chunks that may run in any order and side by side. What a
// chunk covers depends on the shape of the data only, never on the number of
// threads, and so does every result.
type task interface{ run(chunk int) }

// maxThreads is the most threads that a kernel runs on; 0 means GOMAXPROCS.
var maxThreads atomic.Int32

// SetThreads bounds the threads that each kernel's call runs on from now on, for
// programs that make several calls side by side; 0 takes the bound away. Results
// do not depend on it.
func SetThreads(n int) { maxThreads.Store(int32(n)) }

func threads() int {
	n := runtime.GOMAXPROCS(0)
	if most := int(maxThreads.Load()); most > 0 {
		n = min(n, most)
	}
	return n
}

// parallel runs all chunks of the task, on up to as many threads as there may be.
// A panic of a chunk is the caller's.
func parallel(t task, chunks int) {
	helpers := min(threads(), chunks) - 1
	// The workers serve one caller at a time; another one works alone.
	if helpers < 1 || !workers.caller.TryLock() {
		for c := range chunks {
			t.run(c)
		}
		return
	}
	defer workers.caller.Unlock()
	workers.run(t, chunks, helpers)
}

// spin is how long a worker looks out for the next task before it sleeps: longer
// than the gaps between the operations of a graph, for to wake a sleeping thread
// takes as long as a small kernel.
const spin = 100 * time.Microsecond

var workers = newPool()

// pool is the worker goroutines and the task that they are on.
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

// finish lets nobody join any more and waits for those who have.
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

// take runs chunks until there are none left.
func (p *pool) take() {
	for {
		c := int(p.next.Add(1)) - 1
		if c >= p.chunks {
			return
		}
		p.task.run(c)
	}
}

// work is the life of a worker.
func (p *pool) work() {
	for {
		p.join()
		p.help()
	}
}

// help takes part in the task at hand.
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
