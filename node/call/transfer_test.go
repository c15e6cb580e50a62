package call

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// hearing feeds a table's copy of a peer.
type hearing struct {
	t        *testing.T
	to, from *Table
	stream   *Stream
	copy     *Copy
}

func hear(t *testing.T, to, from *Table) *hearing {
	h := &hearing{t: t, to: to, from: from, stream: from.Follow(to.Position(from.Self()))}
	h.all()
	return h
}

// all hears what there is.
func (h *hearing) all() {
	h.t.Helper()
	for _, it := range ready(h.stream) {
		var err error
		switch it.Kind {
		case feed.Started:
			h.copy, err = h.to.Sync(h.from.Self(), 1, it.Resumed)
		case feed.Row:
			c := *it.Call
			_, err = h.copy.Snapshot([]*Call{&c})
		case feed.EndOfSnapshot:
			err = h.copy.Synced(it.Seq)
		case feed.Change:
			e := *it.Event
			_, err = h.copy.Apply([]*Event{&e}, it.Seq)
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// words is what a client is told since, with the ConnIDs by which it is.
func words(s *Stream, names map[ID]string) (out []string) {
	for _, it := range ready(s) {
		if it.Kind != feed.Change {
			continue
		}
		e := it.Event
		kind := map[Kind]string{Ringing: "ringing", Established: "established", Released: "released", Abandoned: "abandoned", Dialing: "dialing",
			Changed: "changed", Added: "added", Deleted: "deleted"}[e.Kind]
		w := fmt.Sprint(kind, " ", e.ThisDN, " ", names[e.Conn()])
		if e.Move != nil {
			w += " " + e.Move.Third
		}
		out = append(out, w)
	}
	return out
}

// transfer is a call of node a, 1001 with 1002, who asks 1001 to call 1003: that is a call
// of node b. The client is at c.
type transfer struct {
	a, b, c *Table
	ha, hb  *hearing
	ba      *hearing // a hears b
	client  *Stream
	one     ID
	two     ID
	names   map[ID]string
}

func newTransfer(t *testing.T) *transfer {
	t.Helper()
	x := &transfer{a: newTable("a"), b: newTable("b"), c: newTable("c")}
	x.client = x.c.Watch(feed.Position{})
	ready(x.client)
	x.ha, x.hb = hear(t, x.c, x.a), hear(t, x.c, x.b)
	ab := hear(t, x.b, x.a)
	x.ba = hear(t, x.a, x.b)
	x.one, _ = x.a.Begin(Info{Caller: "1001", Type: Internal, ANI: "1001", DNIS: "1002", UserData: map[string]string{"k": "v"}})
	x.a.Ringing(x.one, "1002", "")
	x.a.Established(x.one, "1002")
	ab.all()
	x.ha.all()
	tr, data := x.b.Refer(x.one, "", "1002", "1001")
	if tr == nil || data["k"] != "v" {
		t.Fatal("the call is not known", tr, data)
	}
	x.two, _ = x.b.Begin(Info{Caller: "1001", Type: Internal, ANI: "1001", DNIS: "1003", Transfer: tr, UserData: data})
	x.ba.all()
	x.names = map[ID]string{x.one: "c1", x.two: "c2"}
	words(x.client, x.names)
	return x
}

// answered: 1003 has, and node a knows.
func (x *transfer) answered() {
	x.b.Ringing(x.two, "1003", "")
	x.b.Established(x.two, "1003")
	x.ba.all()
}

// seen are the parties as a client sees them that comes now.
func (x *transfer) seen() (out []string) {
	for _, c := range x.c.Up() {
		for _, p := range c.Parties {
			out = append(out, fmt.Sprint(p.DN, " ", x.names[c.Conn()], " with ", p.Other))
		}
	}
	slices.Sort(out)
	return out
}

// TestTransfer_WhoeverIsHeardFirst: who transfers is told of as one who leaves, who stays as
// one who has another party.
func TestTransfer_WhoeverIsHeardFirst(t *testing.T) {
	for name, c := range map[string]struct {
		hears func(*transfer)
		want  []string
	}{
		"the new party": {func(x *transfer) { x.hb.all(); x.ha.all() }, []string{"ringing 1003 c1", "established 1003 c1", "added 1001 c1 1003", "added 1002 c1 1003", "released 1002 c1 ", "changed 1001 c1 1002"}},
		"who has left":  {func(x *transfer) { x.ha.all(); x.hb.all() }, []string{"released 1002 c1", "ringing 1003 c1", "established 1003 c1", "changed 1001 c1 1002"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTransfer(t)
			x.answered()
			if !x.a.HandOver(x.one, Called, "1002") {
				t.Fatal("it is not handed over")
			}
			x.a.Unclaimed(x.one) // somebody goes on with it
			c.hears(x)
			expect(t, words(x.client, x.names), c.want...)
			expect(t, x.seen(), "1001 c1 with 1003", "1003 c1 with 1001")
			x.b.End(x.two, 0, false)
			x.hb.all()
			expect(t, words(x.client, x.names), "released 1003 c1")
			x.ba.all()
			x.ha.all()
			expect(t, words(x.client, x.names), "released 1001 c1")
			if n := x.c.Counts().Up + x.a.Counts().Own + x.b.Counts().Own; n != 0 || len(x.c.heirs)+len(x.a.heirs)+len(x.b.heirs) > 0 {
				t.Errorf("%d calls are left, heirs %v", n, x.c.heirs)
			}
		})
	}
}

// TestTransfer_ANodeDies: who is left goes on by the other call.
func TestTransfer_ANodeDies(t *testing.T) {
	for name, c := range map[string]struct {
		dead dn.Node
		want []string
		seen []string
		then []string
	}{
		"that of the first call": {"a", []string{"released 1002 c1 ", "changed 1001 c1 1002"}, []string{"1001 c1 with 1003", "1003 c1 with 1001"}, []string{"released 1001 c1", "released 1003 c1"}},
		"that of the second":     {"b", []string{"released 1003 c1", "deleted 1001 c1 1003", "deleted 1002 c1 1003"}, []string{"1001 c1 with 1002", "1002 c1 with 1001"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTransfer(t)
			x.answered()
			x.ha.all()
			x.hb.all()
			words(x.client, x.names)
			x.c.Died(c.dead)
			expect(t, words(x.client, x.names), c.want...)
			expect(t, x.seen(), c.seen...)
			if c.dead == "b" {
				return
			}
			x.b.End(x.two, 0, false)
			x.hb.all()
			expect(t, words(x.client, x.names), c.then...)
		})
	}
}

// TestTransfer_NobodyGoesOnWithIt: who was asked to call somebody does not, or in vain.
func TestTransfer_NobodyGoesOnWithIt(t *testing.T) {
	x := newTransfer(t)
	x.b.End(x.two, 486, false)
	x.ba.all()
	x.hb.all()
	expect(t, words(x.client, x.names))
	x.a.HandOver(x.one, Called, "1002")
	x.a.Unclaimed(x.one)
	x.ha.all()
	expect(t, words(x.client, x.names), "released 1002 c1", "released 1001 c1")
	if tr, _ := x.b.Refer(x.one, "", "1002", "1009"); tr != nil {
		t.Error("who has no part in a call goes on with it")
	}
}
