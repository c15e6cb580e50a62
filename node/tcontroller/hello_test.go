package tcontroller

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// saying is a follower's stream that notes what it is told.
type saying struct {
	followStream
	ctx context.Context //nolint:containedctx // that of a stream

	mu    sync.Mutex
	hello []bool
}

func (s *saying) Context() context.Context { return s.ctx }

func (s *saying) Send(m *peerpb.FollowResponse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hello = append(s.hello, m.GetHello() != nil)
	return nil
}

func (s *saying) said() []bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hello)
}

// A follower ends a link that does not open with the hello, so what is said of
// calls waits for it, however late that comes.
func TestLink_OpensWithTheHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &saying{ctx: ctx}
		table, calls := dn.New(dn.Config{Self: "a", Incarnation: 1}), call.New(call.Config{Self: "a", Incarnation: 1})
		l := newPublisherLink(s, table.Follow(feed.Position{}), calls.Follow(feed.Position{}))
		var wg sync.WaitGroup
		wg.Go(func() { _ = l.callRun(ctx) })
		synctest.Wait()
		if n := len(s.said()); n != 0 {
			t.Errorf("%d messages before the hello", n)
		}
		publisher := newPublisher(table, calls, func(dn.Node) (bool, uint64) { return true, 1 })
		wg.Go(func() { _ = l.run(ctx, publisher) })
		synctest.Wait()
		if got := s.said(); len(got) < 3 || !got[0] || slices.Contains(got[1:], true) {
			t.Errorf("a link says %v (true is the hello), want the hello first, once, and the calls behind", got)
		}
		cancel()
		wg.Wait()
	})
}
