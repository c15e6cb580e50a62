package tcontroller

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// noteBegins writes down how the site's links begin: with a snapshot or not.
func (s *site) noteBegins(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	err := next(srv, &noted{ss, s})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended++
	return err
}

type noted struct {
	grpc.ServerStream
	s *site
}

func (n *noted) SendMsg(m any) error {
	if r, ok := m.(*peerpb.FollowResponse); ok {
		n.s.mu.Lock()
		switch b := r.GetBody().(type) {
		case *peerpb.FollowResponse_Hello:
			n.s.begins = append(n.s.begins, fmt.Sprint("records resumed ", b.Hello.GetResumed()))
		case *peerpb.FollowResponse_Records:
			n.s.told += len(b.Records.GetRecords())
		case *peerpb.FollowResponse_CallsHello:
			n.s.begins = append(n.s.begins, fmt.Sprint("calls resumed ", b.CallsHello.GetResumed()))
		}
		n.s.mu.Unlock()
	}
	return n.ServerStream.SendMsg(m)
}

// lastBegins are those of the newest link, in any order.
func (s *site) lastBegins() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.begins[max(0, len(s.begins)-2):]))
}

// A link that was down while as much happened as the publisher remembers goes on
// where it was; one more, and it begins with a snapshot. Of DNs and of calls
// apart, and either way each change is told once.
func TestLink_ResumesAtTheEdgesOfWhatIsRemembered(t *testing.T) {
	const size = 8
	for _, missed := range []struct{ records, calls int }{{0, 0}, {1, 0}, {0, 1}, {size, size}, {size + 1, size}, {size, size + 1}, {size + 1, size + 1}} {
		t.Run(fmt.Sprint(missed), func(t *testing.T) {
			a, b := newSiteOf(t, "a", 1, "127.0.0.1:0", size), newSite(t, "b", 1, "127.0.0.1:0")
			for i := range 3 {
				a.table.Register(dn.Number(fmt.Sprint("1", i)), dn.Registered)
			}
			for i := range 5 { // so that positions of the two differ
				a.begin(t, dn.Number(fmt.Sprint("5", i)), nil)
			}
			var cut switchable
			b.followVia(t, cut.dial, a)
			await(t, "the snapshot", func() bool { return b.table.Counts().InSrv == 3 && b.calls.Counts().Up == 5 })
			await(t, "a whole copy", func() bool { return b.calls.Position("a").Seq != 0 && b.table.Position("a").Seq != 0 })
			told := b.calls.Tail()
			cut.set(true)
			await(t, "the loss", func() bool { return b.table.Counts().InSrv == 0 })
			for range missed.records { // of fewer DNs than are remembered changes
				a.table.Register("10", dn.Registered)
			}
			var want []string
			for i := range missed.calls {
				n := dn.Number(fmt.Sprint("6", i))
				a.begin(t, n, nil)
				want = append(want, string(n))
			}
			cut.set(false)
			await(t, "the return", func() bool {
				return b.table.Counts().InSrv == 3 && b.calls.Counts().Up == 5+missed.calls
			})
			if got := rang(t, told, b.calls); !slices.Equal(got, want) {
				t.Errorf("calls rang at %v, want %v", got, want)
			}
			begins := []string{fmt.Sprint("calls resumed ", missed.calls <= size), fmt.Sprint("records resumed ", missed.records <= size)}
			await(t, fmt.Sprintf("a link that begins with %v", begins), func() bool { // calls may be told behind the records
				return slices.Equal(a.lastBegins(), begins)
			})
		})
	}
}

// rang are the DNs at which calls rang, as clients were told up to now.
func rang(t *testing.T, s *call.Stream, calls *call.Table) (at []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	for s.Seq() < calls.Head() {
		items, err := s.Next(ctx, nil)
		if err != nil {
			t.Fatalf("waited for what is told of calls: %v", err)
		}
		for _, it := range items {
			if it.Kind == feed.Change && it.Event.Kind == call.Ringing {
				at = append(at, string(it.Event.ThisDN))
			}
		}
	}
	slices.Sort(at)
	return at
}

// TestLink_APeerThatWasRestartedTellsWhatIsOther: to a follower with a copy of what it said
// before, so with all that it has in service again, of many DNs it tells of few.
func TestLink_APeerThatWasRestartedTellsWhatIsOther(t *testing.T) {
	const known = 10 * dn.DigestSize
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	for i := range known {
		a.table.Register(dn.Number(fmt.Sprint(10_000+i)), dn.Registered)
	}
	b.follow(t, a)
	await(t, "the snapshot", func() bool { return b.table.Counts().InSrv == known })
	a.server.Stop()
	await(t, "the loss", func() bool { return b.table.Counts().InSrv == 0 })
	again := newSite(t, "a", 2, "127.0.0.1:0")
	for i := range known - 1 { // the last is gone
		r, _ := a.table.Own(dn.Number(fmt.Sprint(10_000 + i)))
		again.table.Restore(r)
	}
	again.table.Register("10000", dn.Registered)
	b.mesh.SetPeers(peersOf(again))
	await(t, "the return", func() bool { return b.table.Counts().InSrv == known-1 })
	if _, ok := b.table.Get(dn.Number(fmt.Sprint(10_000 + known - 1))); ok {
		t.Error("the DN that is gone is known")
	}
	again.mu.Lock()
	defer again.mu.Unlock()
	if again.told > 2*dn.DigestSize {
		t.Errorf("it told of %d DNs, want the first range and what is left of the last one", again.told)
	}
}
