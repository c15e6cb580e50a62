package agent

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// direct is a connection to another node without a network.
type direct struct {
	grpc.ClientConnInterface
	to *node
	// renewals counts the messages that renew something.
	renewals *atomic.Int64
}

func (d direct) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	var out proto.Message
	var err error
	switch in := proto.Clone(args.(proto.Message)).(type) {
	case *peerpb.ReserveRequest:
		out, err = d.to.agents.Server().Reserve(ctx, in)
	case *peerpb.RenewRequest:
		if len(in.GetWanted()) > 0 {
			d.renewals.Add(1)
		}
		out, err = d.to.agents.Server().Renew(ctx, in)
	default:
		return status.Error(codes.Unimplemented, method)
	}
	if err != nil {
		return err
	}
	proto.Merge(reply.(proto.Message), out)
	return nil
}

// town is some nodes that hear each other, in a bubble's time. cuts ends the
// hearing of the second by the first.
type town struct {
	nodes    map[dn.Node]*node
	cuts     map[[2]dn.Node]func()
	renewals atomic.Int64
}

// inTown runs a test with the nodes a, b and c. Requests are collected for 100 ms.
func inTown(t *testing.T, test func(t *testing.T, w *town)) {
	t.Helper()
	view, dirs := twoNodes(t), map[dn.Node]string{}
	for _, id := range []dn.Node{"a", "b", "c"} {
		dirs[id] = t.TempDir()
	}
	synctest.Test(t, func(t *testing.T) {
		w := &town{nodes: map[dn.Node]*node{}, cuts: map[[2]dn.Node]func(){}}
		for id, dir := range dirs {
			w.nodes[id] = openNode(t, id, dir, view).run(t)
		}
		for id := range dirs {
			for other, k := range w.nodes {
				w.nodes[id].dials[other] = func() (grpc.ClientConnInterface, error) { return direct{to: k, renewals: &w.renewals}, nil }
			}
			w.heal(t, id)
		}
		test(t, w)
	})
}

// heal has a node hear all that it doesn't.
func (w *town) heal(t *testing.T, id dn.Node) {
	for other, k := range w.nodes {
		if at := [2]dn.Node{id, other}; other != id && w.cuts[at] == nil {
			w.cuts[at] = w.nodes[id].follow(t, k)
		}
	}
}

// cut ends what two nodes hear of each other.
func (w *town) cut(x, y dn.Node) {
	for _, at := range [][2]dn.Node{{x, y}, {y, x}} {
		if cut := w.cuts[at]; cut != nil {
			cut()
			delete(w.cuts, at)
		}
	}
}

// move registers the DN at a node; everybody has heard of it afterwards.
func (w *town) move(n dn.Number, to dn.Node) {
	w.nodes[to].table.Register(n, dn.Registered)
	w.settle()
}

// settle lets everything be told that is on its way.
func (w *town) settle() {
	<-time.After(time.Millisecond)
	synctest.Wait()
}

func (w *town) reserve(t *testing.T, at dn.Node, n dn.Number, r Reservation) tlibpb.ErrorCode {
	t.Helper()
	return codeOf(t, w.nodes[at].agents.Reserve(t.Context(), n, r))
}

const (
	granted     = tlibpb.ErrorCode(0)
	seized      = tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED
	sameState   = tlibpb.ErrorCode_ERROR_CODE_IN_SAME_STATE
	outOfReach  = tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE
	halfAMinute = 30 * time.Second
)

// Who may do what against whom, asked at the DN's owner and at another node:
// "h" has the DN for 30 s, by a request that was collected or at once.
func TestReserve_WhoMayDoWhatAgainstWhom(t *testing.T) {
	for name, c := range map[string]struct {
		ask    Reservation
		want   tlibpb.ErrorCode
		holder string // afterwards
	}{
		"the holder asks again":                   {Reservation{Holder: "h", Duration: time.Minute}, granted, "h"},
		"the holder asks again at once":           {Reservation{Holder: "h", Duration: time.Minute, AtOnce: true}, granted, "h"},
		"another one":                             {Reservation{Holder: "x", Duration: time.Minute}, seized, "h"},
		"another one with priority":               {Reservation{Holder: "x", Duration: time.Minute, Priority: 9}, seized, "h"},
		"another one at once":                     {Reservation{Holder: "x", Duration: time.Minute, AtOnce: true}, seized, "h"},
		"a call instead of the holder":            {Reservation{Holder: "call", Duration: time.Minute, AtOnce: true, InsteadOf: "h"}, granted, "call"},
		"a call instead of who has it not":        {Reservation{Holder: "call", Duration: time.Minute, AtOnce: true, InsteadOf: "x"}, seized, "h"},
		"a call instead of itself":                {Reservation{Holder: "call", Duration: time.Minute, AtOnce: true, InsteadOf: "call"}, seized, "h"},
		"a call instead of a part of the name":    {Reservation{Holder: "call", Duration: time.Minute, AtOnce: true, InsteadOf: "hh"}, seized, "h"},
		"the holder instead of itself":            {Reservation{Holder: "h", Duration: time.Minute, AtOnce: true, InsteadOf: "h"}, granted, "h"},
		"instead of the holder, not at once":      {Reservation{Holder: "x", Duration: time.Minute, InsteadOf: "h"}, seized, "h"},
		"instead of nobody":                       {Reservation{Holder: "x", Duration: time.Minute, AtOnce: true, InsteadOf: ""}, seized, "h"},
		"the holder takes it back":                {Reservation{Holder: "h"}, granted, ""},
		"another one takes it back":               {Reservation{Holder: "x"}, seized, "h"},
		"another one takes it back instead of it": {Reservation{Holder: "x", AtOnce: true, InsteadOf: "h"}, seized, "h"},
	} {
		for _, at := range []dn.Node{"a", "b"} {
			for _, first := range []Reservation{{Holder: "h", Duration: halfAMinute}, {Holder: "h", Duration: halfAMinute, AtOnce: true}} {
				t.Run(name+" at "+string(at), func(t *testing.T) {
					inTown(t, func(t *testing.T, w *town) {
						w.move("1000", "a")
						if code := w.reserve(t, at, "1000", first); code != granted {
							t.Fatalf("the first got %v", code)
						}
						w.settle()
						if code := w.reserve(t, at, "1000", c.ask); code != c.want {
							t.Errorf("it got %v, want %v", code, c.want)
						}
						w.settle()
						if r, _ := w.nodes["a"].table.Own("1000"); r.Reserved.Holder != c.holder {
							t.Errorf("%q has it now, want %q", r.Reserved.Holder, c.holder)
						}
						w.everybodySees(t, "1000", c.holder != "")
					})
				})
			}
		}
	}
}

// everybodySees wants all tables to agree.
func (w *town) everybodySees(t *testing.T, n dn.Number, reserved bool) {
	t.Helper()
	for id := range w.nodes {
		w.sees(t, id, n, reserved)
	}
}

// sees wants a node's table, and who begins to watch it, to say so.
func (w *town) sees(t *testing.T, id dn.Node, n dn.Number, reserved bool) {
	t.Helper()
	table := w.nodes[id].table
	if s, _ := table.Get(n); s.Reserved != reserved {
		t.Errorf("%s: Get: reserved: %v", id, s.Reserved)
	}
	table.Range("", func(s dn.Status) bool {
		if s.Number == n && s.Reserved != reserved {
			t.Errorf("%s: Range: reserved: %v", id, s.Reserved)
		}
		return true
	})
	for _, it := range snapshot(t, table) {
		if it.Kind == feed.Row && it.Status.Number == n && it.Status.Reserved != reserved {
			t.Errorf("%s: a snapshot: reserved: %v", id, it.Status.Reserved)
		}
	}
}

// snapshot is what who begins to watch the table gets first.
func snapshot(t *testing.T, table *dn.Table) (items []dn.Item) {
	t.Helper()
	s := table.Watch(feed.Position{})
	for len(items) == 0 || items[len(items)-1].Kind != feed.EndOfSnapshot {
		var err error
		if items, err = s.Next(t.Context(), items); err != nil {
			t.Fatal(err)
		}
	}
	return items
}

// The owner can't be heard any more: nobody can renew its reservation, so it ends for
// those who had heard of it, for who takes the DN over, and at the owner when the
// holder is on the other side.
func TestReserve_OfALostOwnerEndsInEverybodysView(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		w.move("1000", "a")
		if code := w.reserve(t, "b", "1000", Reservation{Holder: "b/h", Duration: halfAMinute}); code != granted {
			t.Fatal(code)
		}
		w.settle()
		<-time.After(10 * time.Second)
		w.everybodySees(t, "1000", true)
		told := w.nodes["c"].table.Tail()
		w.cut("a", "b")
		w.cut("a", "c")
		<-time.After(renewEvery - 10*time.Millisecond)
		w.everybodySees(t, "1000", true)
		if code := w.reserve(t, "b", "1000", Reservation{Holder: "x", Duration: time.Second}); code != outOfReach {
			t.Errorf("while its owner can't be heard: %v", code)
		}
		<-time.After(dn.Lease)
		w.everybodySees(t, "1000", false)
		if !saysUse(t, told, false) {
			t.Error("who watches at c was not told of the end")
		}
		w.move("1000", "b")
		if r, _ := w.nodes["b"].table.Own("1000"); r.Reserved.Holder != "" {
			t.Errorf("taken over although it is over: %+v", r.Reserved)
		}
		if code := w.reserve(t, "b", "1000", Reservation{Holder: "x", Duration: time.Second}); code != granted {
			t.Errorf("at the new owner: %v", code)
		}
	})
}

// saysUse tells whether a stream's last word about a use is that one.
func saysUse(t *testing.T, s *dn.Stream, reserved bool) (last bool) {
	t.Helper()
	items, err := s.Next(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if it.What == dn.UseChange {
			last = it.Status.Reserved == reserved
		}
	}
	return last
}

// Whoever takes the DN over while it is reserved keeps it so for the rest of the time,
// while the holder's node renews it there; not for a holder who was lost with the owner.
func TestReserve_OfALostOwnerHoldsAtTheNextOneForTheRest(t *testing.T) {
	for holder, lives := range map[dn.Node]bool{"a": false, "b": true, "c": true} {
		inTown(t, func(t *testing.T, w *town) {
			w.move("1000", "a")
			if code := w.reserve(t, holder, "1000", Reservation{Holder: HolderAt(holder, "h"), Duration: halfAMinute}); code != granted {
				t.Fatal(code)
			}
			w.settle()
			w.cut("a", "b")
			w.cut("a", "c")
			<-time.After(2 * time.Second)
			w.move("1000", "b")
			<-time.After(time.Second)
			for _, at := range []dn.Node{"b", "c"} {
				w.sees(t, at, "1000", lives)
			}
			w.sees(t, "a", "1000", !lives)
			<-time.After(halfAMinute - 3*time.Second - 10*time.Millisecond)
			w.sees(t, "b", "1000", lives)
			w.sees(t, "c", "1000", lives)
			<-time.After(10 * time.Millisecond)
			w.settle()
			w.everybodySees(t, "1000", false)
			if code := w.reserve(t, "c", "1000", Reservation{Holder: "x", Duration: time.Second}); code != granted {
				t.Errorf("afterwards: %v", code)
			}
		})
	}
}
