package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// flushEvery is how much of a run is lost at most when its writer is killed.
const flushEvery = 500 * time.Millisecond

// Recorder writes a history to a file. All its methods may be called from
// many goroutines. A write error stops the writing and is told by Close.
type Recorder struct {
	start     time.Time
	lastOp    atomic.Int64
	lastFault atomic.Int64

	mu      sync.Mutex
	file    *os.File
	out     *bufio.Writer
	flushed time.Duration
	rows    map[pollKey][]Row
	err     error
}

type pollKey struct {
	node string
	view View
}

// Create begins the history of a run at path; an old file there is replaced.
// It sets the header's Version and Began and fills in the bounds' defaults.
func Create(path string, h Header) (*Recorder, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create history: %w", err)
	}
	r := &Recorder{start: time.Now(), file: file, out: bufio.NewWriterSize(file, 1<<16), rows: map[pollKey][]Row{}}
	h.Version, h.Began, h.Bounds = Version, r.start, h.Bounds.WithDefaults()
	r.append(encode(h))
	return r, nil
}

// Now is the time since the run's start, by a monotonic clock.
func (r *Recorder) Now() time.Duration { return time.Since(r.start) }

// Invoke stamps and records that an operation begins. The caller does it, sets
// its outcome and what belongs to that in the returned Op and gives it to Return.
func (r *Recorder) Invoke(op Op) Op {
	op.ID, op.Invoke, op.Return = r.lastOp.Add(1), r.Now(), Never
	r.write(&entry{At: op.Invoke, Invoke: &op})
	return op
}

// Return stamps and records that an operation is over.
func (r *Recorder) Return(op Op) Op {
	op.Return = r.Now()
	r.write(&entry{At: op.Return, Return: &op})
	return op
}

// Poll records a look at a table. Asked is the caller's (Now before it asked),
// Answered is set here. Rows are sorted in place and kept.
func (r *Recorder) Poll(p Poll) {
	p.Answered = r.Now()
	slices.SortFunc(p.Rows, func(a, b Row) int { return strings.Compare(a.DN, b.DN) })
	// Compared and written in one go: the next poll may refer to this one.
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Error == "" {
		key := pollKey{p.Node, p.View}
		last, known := r.rows[key]
		r.rows[key] = p.Rows
		if p.Same = known && slices.Equal(last, p.Rows); p.Same {
			p.Rows = nil
		}
	}
	r.append(encode(&entry{At: p.Asked, Poll: &p}))
}

// Holds records a look at the reserved agents; Asked and Answered as in Poll.
func (r *Recorder) Holds(h Holds) {
	h.Answered = r.Now()
	r.write(&entry{At: h.Asked, Holds: &h})
}

// Status records a node's view of the cluster; Asked and Answered as in Poll.
func (r *Recorder) Status(s Status) {
	s.Answered = r.Now()
	r.write(&entry{At: s.Asked, Status: &s})
}

// Sums records a look at a node's statistics; Asked and Answered as in Poll.
func (r *Recorder) Sums(s Sums) {
	s.Answered = r.Now()
	r.write(&entry{At: s.Asked, Sums: &s})
}

// Dump records a node's whole configuration; Asked and Answered as in Poll.
func (r *Recorder) Dump(d Dump) {
	d.Answered = r.Now()
	r.write(&entry{At: d.Asked, Dump: &d})
}

// Item records what an observer was told or did, now.
func (r *Recorder) Item(i Item) { r.write(&entry{At: r.Now(), Item: &i}) }

// Life records what happens to a process, now: before a signal is sent, after
// an end was seen.
func (r *Recorder) Life(l Life) { r.write(&entry{At: r.Now(), Life: &l}) }

// Note records a remark, now.
func (r *Recorder) Note(text string) { r.write(&entry{At: r.Now(), Note: &Note{Text: text}}) }

// Stall records that the runner stood still from then until now.
func (r *Recorder) Stall(from time.Duration) {
	r.write(&entry{At: r.Now(), Stall: &Stall{From: from}})
}

// Inject records that a fault is about to be injected, and gives it its ID for
// Phase. Call it before the first effect.
func (r *Recorder) Inject(f Fault) (id int64) {
	f.ID = r.lastFault.Add(1)
	r.write(&entry{At: r.Now(), Fault: &faultEntry{Phase: Inject, ID: f.ID, Fault: &f}})
	return f.ID
}

// Phase records that a fault reached its next phase: Confirmed after the probe
// that saw it, Heal before the first step, Healed after the probe.
func (r *Recorder) Phase(id int64, p Phase) {
	r.write(&entry{At: r.Now(), Fault: &faultEntry{Phase: p, ID: id}})
}

// Close writes what is left and returns the first error of the whole run.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail(r.out.Flush())
	r.fail(r.file.Close())
	if r.err != nil {
		return fmt.Errorf("write history: %w", r.err)
	}
	return nil
}

func (r *Recorder) write(e *entry) {
	line, err := encode(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.append(line, err)
}

// append adds a line; the caller holds mu.
func (r *Recorder) append(line []byte, err error) {
	r.fail(err)
	if r.err != nil {
		return
	}
	_, err = r.out.Write(line)
	r.fail(err)
	if now := r.Now(); now-r.flushed > flushEvery {
		r.flushed = now
		r.fail(r.out.Flush())
	}
}

func (r *Recorder) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func encode(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	return append(line, '\n'), err
}
