package session

import (
	"context"
	"math/rand/v2"
	"time"
)

// Sessions that monitor everything share the node's time: each gets its next
// batch no sooner than paceEach for every one of them, maxPace at most, behind
// its last. What happens meanwhile comes together, at the cost of one message;
// an event after a silence waits for nothing.
const (
	paceEach = 500 * time.Microsecond
	maxPace  = 50 * time.Millisecond
)

// source reads a stream of a table for a session, in a goroutine of its own
// that ends with stop. One batch is on its way at most.
type source[I any] struct {
	// pace is the time between batches; nil for none.
	pace func() time.Duration
	stop context.CancelFunc
	out  chan batch[I]
	back chan []I
	done chan struct{}
}

// reader is a stream of a table.
type reader[I any] interface {
	Next(ctx context.Context, buf []I) ([]I, error)
	Seq() uint64
}

// batch of items; seq is the stream's position behind it.
type batch[I any] struct {
	items []I
	seq   uint64
}

const batchSize = 512

func newSource[I any](ctx context.Context, s reader[I], pace func() time.Duration) *source[I] {
	ctx, cancel := context.WithCancel(ctx)
	src := &source[I]{pace: pace, stop: cancel, out: make(chan batch[I]), back: make(chan []I, 1), done: make(chan struct{})}
	src.back <- make([]I, 0, batchSize)
	go src.read(ctx, s)
	return src
}

func (src *source[I]) read(ctx context.Context, s reader[I]) {
	defer close(src.done)
	for {
		var buf []I
		select {
		case buf = <-src.back:
		case <-ctx.Done():
			return
		}
		items, err := s.Next(ctx, buf[:0])
		if err != nil {
			return
		}
		select {
		case src.out <- batch[I]{items, s.Seq()}:
		case <-ctx.Done():
			return
		}
		if src.pace != nil && s.Seq() > 0 {
			src.wait(ctx)
		}
	}
}

// wait takes more or less the pace, so that sessions woken together drift apart.
func (src *source[I]) wait(ctx context.Context) {
	pace := src.pace()
	t := time.NewTimer(pace/2 + rand.N(pace+1))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// end stops the source and waits for its goroutine.
func (src *source[I]) end() {
	if src != nil {
		src.stop()
		<-src.done
	}
}

// batches is where they come; nil for a session that listens to nothing.
func (src *source[I]) batches() <-chan batch[I] {
	if src == nil {
		return nil
	}
	return src.out
}
