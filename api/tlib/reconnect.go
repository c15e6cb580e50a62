package tlib

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// Pauses between attempts to connect, one at every address each.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	// steady is how long a connection lives that was not a failed attempt.
	steady = 5 * time.Second
)

// run serves the client over as many connections as it takes.
func (c *Client) run(ctx context.Context, s *session) {
	var pauses backoff
	for {
		began := time.Now()
		why := s.pump(ctx)
		c.lose(s, why)
		hasty := time.Since(began) < steady // a node that ends every session is not asked at once again
		if !hasty {
			pauses = backoff{}
		}
		if c.opts.NoReconnect || c.over() {
			c.err = c.finally(why)
			break
		}
		gone := &tlibpb.Event{Time: timestamppb.Now(), Body: &tlibpb.Event_LinkDisconnected{LinkDisconnected: &tlibpb.EventLinkDisconnected{
			Server: c.Server(), Text: status.Convert(why).Message(),
		}}}
		if c.push(ctx, gone) != nil {
			c.err = ErrClosed
			break
		}
		var e *tlibpb.Event
		if errors.Is(why, errSilent) {
			c.shun()
		}
		if s, e = c.redial(ctx, &pauses, hasty); s == nil {
			c.err = ErrClosed
			break
		}
		_ = c.push(ctx, e) // when closing, pump ends
	}
	close(c.ended)
}

// lose takes a session that is over from the client.
func (c *Client) lose(s *session, why error) {
	c.mu.Lock()
	c.cur = nil
	c.mu.Unlock()
	s.end(why)
}

// finally is what Next returns behind the last event.
func (c *Client) finally(why error) error {
	if c.over() {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrClosed, why)
}

// over tells whether Close was called.
func (c *Client) over() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// shun has another address tried first: a node that hangs would take an attempt's
// whole time.
func (c *Client) shun() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = (c.first + 1) % len(c.addrs)
}

// redial opens a session at one of the addresses, as a rule that of the last one
// first; nil when the client is closed.
func (c *Client) redial(ctx context.Context, pauses *backoff, pause bool) (*session, *tlibpb.Event) {
	c.mu.Lock()
	first := c.first
	c.mu.Unlock()
	for ; ; pause = true {
		if pause && !c.wait(ctx, pauses.next()) {
			return nil, nil
		}
		for i := range c.addrs {
			attempt, cancel := context.WithTimeout(ctx, dialWithin)
			s, e, err := c.open(attempt, ctx, (first+i)%len(c.addrs))
			cancel()
			if err == nil {
				return s, e
			}
			if c.over() {
				return nil, nil
			}
		}
	}
}

// wait returns false when the client is closed before the time is over.
func (c *Client) wait(ctx context.Context, d time.Duration) bool {
	pause := time.NewTimer(d)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-c.closing:
	case <-ctx.Done():
	}
	return false
}

// backoff doubles its pauses.
type backoff struct{ last time.Duration }

// next is the pause to make, of which up to a half is left to chance so that
// the clients of a node that died don't come all at once.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, firstPause), lastPause)
	return b.last/2 + rand.N(b.last/2+1)
}
