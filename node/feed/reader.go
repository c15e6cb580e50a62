package feed

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/internal/wake"
)

// Reader is the place of one reader of what a node says, and its sleep while
// there is nothing. Seq is guarded by the reader's own goroutine, Waiters by the
// lock of the table.
type Reader struct {
	// Seq: everything up to here was read.
	Seq  uint64
	from Position
	wake wake.Signal
}

// NewReader makes one that resumes from a place if it can.
func NewReader(from Position) Reader { return Reader{from: from, wake: wake.New()} }

// Start puts the reader behind what it has read, when the incarnation is the same
// and everything since is there, behind tail; otherwise to the head, where
// a snapshot begins. Only the first start can resume, a later one is for slowness.
func (r *Reader) Start(incarnation, tail, head uint64) (resumed bool) {
	from := r.from
	r.Seq, r.from = head, Position{}
	resumed = from.Incarnation == incarnation && from.Seq > 0 && tail <= from.Seq && from.Seq <= head
	if resumed {
		r.Seq = from.Seq
	}
	return resumed
}

// Next appends what take finds to buf, and waits while that is nothing: for a
// Wake, at most for as long as take says unless that is negative. leave is called
// behind each wait that no Wake ended. The error is the context's.
func Next[Item any](ctx context.Context, r *Reader, buf []Item, take func([]Item) ([]Item, time.Duration), leave func()) ([]Item, error) {
	for n := len(buf); ; {
		if err := ctx.Err(); err != nil {
			return buf, err
		}
		var wait time.Duration
		if buf, wait = take(buf); len(buf) > n {
			return buf, nil
		}
		if r.sleep(ctx, wait) {
			continue
		}
		leave()
		select {
		case <-r.wake: // it came too late
		default:
		}
	}
}

func (r *Reader) sleep(ctx context.Context, wait time.Duration) (woken bool) {
	var timer <-chan time.Time
	if wait >= 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
	case <-r.wake:
		return true
	case <-timer:
	}
	return false
}

// Waiters are readers that sleep. Guarded by the lock of the table.
type Waiters map[*Reader]struct{}

// Wake wakes all and forgets them.
func (w Waiters) Wake() {
	for r := range w {
		r.wake.Send()
		delete(w, r)
	}
}
