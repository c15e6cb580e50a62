package api

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/history"
)

var errHangUp = errors.New("the client is gone")

// listener is a client that follows events, from one node or another.
type listener struct {
	c *chronicle
	f *eventsFollower
	// cursor is that of the last message, of which so many more are read.
	cursor []byte
	most   int
	// told are the names of the events, nodes what was said of nodes.
	told  []string
	nodes []string
	// last message.
	last *tcpb.WatchEventsResponse
}

// at connects to a node.
func (r *listener) at(n *chronicler) {
	r.c.t.Helper()
	var err error
	if r.f, err = n.newFollower(r.c.t.Context(), &tcpb.WatchEventsRequest{Cursor: r.cursor}, r.read); err != nil {
		r.c.t.Fatal(err)
	}
	r.most = 1e9
}

func (r *listener) read(m *tcpb.WatchEventsResponse) error {
	if r.most == 0 {
		return errHangUp
	}
	r.most--
	r.cursor, r.last = m.GetCursor(), m
	for _, e := range m.GetEvents() {
		r.told = append(r.told, nameOf(e))
		if e.GetPosition() != 0 {
			r.c.t.Errorf("a client is told %v", e)
		}
	}
	for _, n := range m.GetNodes() {
		said := n.GetNode() + " " + n.GetError()
		if n.GetBack() {
			said += "back"
		}
		if n.GetLostBefore() != nil {
			said += " lost"
		}
		r.nodes = append(r.nodes, said)
	}
	return nil
}

// look has the node look until there is no more; false: the client is gone.
func (r *listener) look() bool {
	r.c.t.Helper()
	for {
		more, err := r.f.look(r.c.t.Context())
		switch {
		case errors.Is(err, errHangUp):
			return false
		case err != nil:
			r.c.t.Fatal(err)
		case !more:
			return true
		}
	}
}

// Who follows is told each event once, those of one node and kind in their order, whatever the
// clocks are or are set to, who is silent meanwhile, and which node he goes on at after any
// message; only what a node forgot, because it was started anew or had no room, may be missing,
// and then that was said.
func TestWatchEvents_EachEventOnce(t *testing.T) {
	runs := uint64(60)
	if testing.Short() {
		runs = 12
	}
	for seed := range runs {
		events := 0
		if seed%3 == 0 {
			events = 40 // of each kind
		}
		c := newChronicle(t, seed, events)
		c.copies = seed%2 == 0
		listed := seed%4 == 0 && events == 0
		c.some(300, !listed) // a clock that was set back before what it told first is told of by others, too
		r := &listener{c: c}
		from := map[string]int{}
		for of, names := range c.order {
			from[of] = len(names)
		}
		if listed {
			list := c.any().list(t, &tcpb.ListEventsRequest{Limit: 10_000})
			r.cursor = list.GetCursor()
			for range list.GetEvents() {
				from["listed"]++
			}
			if from["listed"] != len(c.all) {
				t.Fatalf("seed %d: %d of %d are listed", seed, from["listed"], len(c.all))
			}
		}
		r.at(c.any())
		r.look()
		forgets := map[string]bool{}
		for range 60 {
			most := 40
			if c.r.IntN(20) == 0 {
				most = 4 * followBatch // more than a message has
			}
			c.some(most, true)
			if n := c.any(); c.r.IntN(8) == 0 && n.id != r.f.cfg.Table.Self() {
				n.silent = !n.silent
			}
			if n := c.any(); seed%4 >= 2 && c.r.IntN(25) == 0 && n.id != r.f.cfg.Table.Self() {
				forgets[string(n.id)] = true
				c.start(n)
			}
			if r.most = 1e9; c.r.IntN(4) == 0 {
				r.most = c.r.IntN(2)
			}
			if !r.look() || c.r.IntN(6) == 0 {
				n := c.any()
				n.silent = false
				r.at(n)
			}
		}
		for _, n := range c.nodes {
			n.silent = false
		}
		r.most = 1e9
		r.look()
		next, told, all := map[string]int{}, 0, 0
		place := map[string]string{}
		for of, names := range c.order {
			next[of] = from[of]
			all += len(names) - from[of]
			for i, name := range names {
				place[name] = fmt.Sprint(of, " ", i)
			}
		}
		for _, name := range r.told {
			var of string
			var i int
			_, _ = fmt.Sscan(place[name], &of, &i)
			if i < next[of] {
				t.Fatalf("seed %d: of %s event %d comes behind %d", seed, of, i, next[of]-1)
			}
			next[of] = i + 1
			told++
		}
		lost := slices.ContainsFunc(r.nodes, func(s string) bool { return len(s) > 5 && s[len(s)-5:] == " lost" })
		if told != all && (!lost || len(forgets) == 0 && events == 0) {
			t.Fatalf("seed %d: %d events of %d, and what was said is %q", seed, told, all, r.nodes)
		}
		if lost && len(forgets) == 0 && events == 0 {
			t.Fatalf("seed %d: nobody forgot anything, and what was said is %q", seed, r.nodes)
		}
	}
}

// What is said of nodes: who falls silent and who is back, each once, also to who goes on at
// another node; what the one that is back no longer remembers; who can't be followed.
func TestWatchEvents_SaysWhoIsSilent(t *testing.T) {
	c := newChronicle(t, 1, 0)
	a, b := c.nodes[selfID], c.nodes[peerID]
	for _, step := range []struct {
		what string
		do   func()
		told int
		said []string
	}{
		{"nothing happened", func() {}, 0, nil},
		{"b is silent, and tells something", func() { b.silent = true; c.happen(b); c.happen(a) }, 1, []string{"sip2 it does not answer"}},
		{"still", func() { c.happen(a) }, 1, nil},
		{"at another node", func() {}, 0, nil},
		{"b is back", func() { b.silent = false }, 1, []string{"sip2 back"}},
		{"b is started anew", func() { c.happen(b); c.start(b); c.happen(b) }, 1, []string{"sip2  lost"}},
		{"b is silent and started anew", func() { b.silent = true }, 0, []string{"sip2 it does not answer"}},
		{"and back", func() { c.start(b); c.happen(b); b.silent = false }, 1, []string{"sip2 back lost"}},
		{"b has an older version", func() { b.old = true; c.happen(b) }, 0, []string{"sip2 its version can't be followed"}},
		{"still", func() { c.happen(b) }, 0, nil},
		{"no more", func() { b.old = false }, 2, []string{"sip2 back"}},
	} {
		r := &listener{c: c}
		if step.what != "nothing happened" {
			r.cursor = c.cursor
		}
		step.do()
		r.at(a)
		r.look()
		if len(r.told) != step.told || !slices.Equal(r.nodes, step.said) {
			t.Errorf("%s: %q, %q, want %d events, %q", step.what, r.told, r.nodes, step.told, step.said)
		}
		c.cursor = r.cursor
	}
}

// A list tells of a silent node what the others know; who goes on behind it is told the rest
// when it is back, and that it was silent is known to him.
func TestWatchEvents_BehindAListWithoutANode(t *testing.T) {
	c := newChronicle(t, 2, 0)
	c.copies = true
	a, b := c.nodes[selfID], c.nodes[peerID]
	dns := []tcpb.HistoryKind{tcpb.HistoryKind_HISTORY_KIND_STATE, tcpb.HistoryKind_HISTORY_KIND_AGENT, tcpb.HistoryKind_HISTORY_KIND_USE}
	count := func() (n int) {
		for _, k := range []history.Kind{history.State, history.Agent, history.Use} {
			n += len(c.order[fmt.Sprint(peerID, k)])
		}
		return n
	}
	for range 20 {
		c.happen(b)
	}
	known := count()
	b.silent = true
	for range 20 {
		c.happen(b)
	}
	list := a.list(t, &tcpb.ListEventsRequest{Kinds: dns})
	if len(list.GetEvents()) != known {
		t.Fatalf("%d events of %d are known", len(list.GetEvents()), known)
	}
	var told int
	var said []string
	f, err := a.newFollower(t.Context(), &tcpb.WatchEventsRequest{Kinds: dns, Cursor: list.GetCursor()}, func(m *tcpb.WatchEventsResponse) error {
		told += len(m.GetEvents())
		for _, n := range m.GetNodes() {
			if n.GetBack() {
				said = append(said, fmt.Sprintf("%s back, lost: %v", n.GetNode(), n.GetLostBefore() != nil))
			} else {
				said = append(said, n.GetNode()+n.GetError())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	look := func() {
		if _, err := f.look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	look()
	if told != 0 || said != nil {
		t.Errorf("of who is silent %d events and %q", told, said)
	}
	b.silent = false
	look()
	if told != count()-known || !slices.Equal(said, []string{"sip2 back, lost: false"}) {
		t.Errorf("%d events of %d, and %q", told, count()-known, said)
	}
}

// The roster is followed: a node that is removed is not asked any more, one that is new is
// from then on. A cursor continues no other question, and a removed node none at all.
func TestWatchEvents_FollowsTheRoster(t *testing.T) {
	c := newChronicle(t, 3, 0)
	r := &listener{c: c}
	r.at(c.nodes[selfID])
	r.look()
	with := func(m *configpb.Mutation) {
		view, err := c.view.With([]*configpb.Mutation{m})
		if err != nil {
			t.Fatal(err)
		}
		c.view = view
	}
	alone, err := c.nodes[selfID].newFollower(t.Context(), &tcpb.WatchEventsRequest{Node: "sip3"}, func(*tcpb.WatchEventsResponse) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	with(&configpb.Mutation{Op: &configpb.Mutation_DeleteNode{DeleteNode: "sip3-id"}})
	c.nodes["sip3-id"].silent = true
	c.happen(c.nodes["sip3-id"])
	c.now++
	r.look()
	if _, err := alone.look(t.Context()); status.Code(err) != codes.NotFound {
		t.Errorf("who follows the removed node alone: %v", err)
	}
	with(putNode("sip3-id", "sip3", "dc3"))
	c.nodes["sip3-id"].silent = false
	c.now += 3e9 // more than the clocks differ
	want := c.happen(c.nodes["sip3-id"])
	r.look()
	if !slices.Equal(r.told, []string{want}) || r.nodes != nil {
		t.Errorf("%q, %q", r.told, r.nodes)
	}
	for _, req := range []*tcpb.WatchEventsRequest{{Dn: "1001", Cursor: r.cursor}, {Cursor: []byte("x")}, {Cursor: append(slices.Clone(r.cursor), 1)}} {
		if _, err := c.nodes[selfID].newFollower(t.Context(), req, nil); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", req, err)
		}
	}
	if _, err := c.nodes[selfID].newFollower(t.Context(), &tcpb.WatchEventsRequest{Node: "nosuch"}, nil); status.Code(err) != codes.NotFound {
		t.Errorf("a node that there is not: %v", err)
	}
}

// Without news there is an empty answer with a cursor now and then, and not more often.
func TestWatchEvents_SaysThatNothingHappens(t *testing.T) {
	c := newChronicle(t, 4, 0)
	r := &listener{c: c, most: 1e9}
	r.at(c.nodes[selfID])
	r.look()
	for second := 1; second <= 30; second++ {
		c.now += 1e9
		r.last = nil
		r.look()
		if (r.last != nil) != (second%15 == 0) || r.last != nil && len(r.last.GetCursor()) == 0 {
			t.Errorf("after %d s: %v", second, r.last)
		}
	}
}
