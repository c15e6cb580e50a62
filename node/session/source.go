package session

import (
	"context"

	"github.com/sipcluster/sipcluster/node/dn"
)

// source reads a stream of the table for a session, in a goroutine of its own
// that ends with stop. One batch is on its way at most.
type source struct {
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

func newSource(ctx context.Context, s *dn.Stream) *source {
	ctx, cancel := context.WithCancel(ctx)
	src := &source{stop: cancel, out: make(chan batch), back: make(chan []dn.Item, 1), done: make(chan struct{})}
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
