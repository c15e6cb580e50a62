package tlib

import (
	"context"
	"iter"

	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// Next waits for the next event. It returns ctx's error, or ErrClosed when there
// will be no more. The event is the caller's.
func (c *Client) Next(ctx context.Context) (*tlibpb.Event, error) {
	select {
	case e := <-c.queue:
		return e, nil
	default:
	}
	select {
	case e := <-c.queue:
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ended:
	}
	select {
	case e := <-c.queue:
		return e, nil
	default:
		return nil, c.err
	}
}

// Events are the results of Next, until its first error, which is the last
// element.
func (c *Client) Events(ctx context.Context) iter.Seq2[*tlibpb.Event, error] {
	return func(yield func(*tlibpb.Event, error) bool) {
		for {
			e, err := c.Next(ctx)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// push queues an event, when there is room for it.
func (c *Client) push(ctx context.Context, e *tlibpb.Event) error {
	select {
	case c.queue <- e:
		return nil
	case <-c.closing: // nobody reads any more, but answers may still come
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
