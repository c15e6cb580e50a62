package tcontroller

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// counted is a connection that says when it ends.
type counted struct {
	net.Conn
	open *atomic.Int64
	over atomic.Bool
}

func (c *counted) Close() error {
	if c.over.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// Of several connects the first that succeeds is the link; the others end, also
// those that succeed later.
func TestFollower_KeepsOneConnection(t *testing.T) {
	var open, dialed atomic.Int64
	slowly := func(c *Config) {
		dial := c.Dial
		c.Dial = func(ctx context.Context, peer dn.Node, addr string) (net.Conn, error) {
			dialed.Add(1)
			answer := time.NewTimer(25 * time.Millisecond)
			<-answer.C // whatever the context says: it is answered already
			conn, err := dial(context.WithoutCancel(ctx), peer, addr)
			if err != nil {
				return nil, err
			}
			open.Add(1)
			return &counted{Conn: conn, open: &open}, nil
		}
	}
	withPeer(t, slowly, func(t *testing.T, s *scripted) {
		l := s.heard()
		passes(time.Second)
		if dialed.Load() != 2 || open.Load() != 1 {
			t.Errorf("%d connects, %d connections are open", dialed.Load(), open.Load())
		}
		l.over <- errFarAway
		s.heard()
		passes(time.Second)
		if open.Load() != 1 {
			t.Errorf("%d connections are open behind the second link", open.Load())
		}
	})
	if open.Load() != 0 {
		t.Errorf("%d connections are left", open.Load())
	}
}
