package session

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Sessions that monitor everything share the node's time: each gets its next
// batch no sooner than paceEach for every one of them, maxPace at most, behind
// its last. What happens meanwhile comes together, at the cost of one message;
// an event after a silence waits for nothing.
const (
	paceEach = 500 * time.Microsecond
	maxPace  = 50 * time.Millisecond
)

// source reads a stream of the table for a session, in a goroutine of its own
// that ends with stop. One batch is on its way at most.
type source struct {
	// pace is the time between batches; nil for none.
	pace func() time.Duration
	stop context.CancelFunc
	out  chan batch
	back chan []dn.Item
	done chan struct{}
}

// batch of items; seq is the stream's position behind it.
type batch struct {
	items []dn.Item
	seq   uint64
}

const batchSize = 512

func newSource(ctx context.Context, s *dn.Stream, pace func() time.Duration) *source {
	ctx, cancel := context.WithCancel(ctx)
	src := &source{pace: pace, stop: cancel, out: make(chan batch), back: make(chan []dn.Item, 1), done: make(chan struct{})}
	src.back <- make([]dn.Item, 0, batchSize)
	go src.read(ctx, s)
	return src
}

func (src *source) read(ctx context.Context, s *dn.Stream) {
	defer close(src.done)
	for {
		var buf []dn.Item
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
		case src.out <- batch{items, s.Seq()}:
		case <-ctx.Done():
			return
		}
		if src.pace != nil && s.Seq() > 0 {
			src.wait(ctx)
		}
	}
}

// wait takes more or less the pace, so that sessions woken together drift apart.
func (src *source) wait(ctx context.Context) {
	pace := src.pace()
	t := time.NewTimer(pace/2 + rand.N(pace+1))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// end stops the source and waits for its goroutine.
func (src *source) end() {
	if src != nil {
		src.stop()
		<-src.done
	}
}

// batches is where they come; nil for a session that listens to nothing.
func (src *source) batches() <-chan batch {
	if src == nil {
		return nil
	}
	return src.out
}
