package api

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/history"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// chronicle are nodes with histories and clocks of their own, who ask each other.
type chronicle struct {
	t     testing.TB
	r     *rand.Rand
	now   int64
	view  *fsm.View
	nodes map[dn.Node]*chronicler
	// copies: the others know what one tells of a DN.
	copies bool
	// cursor of who follows.
	cursor []byte
	// order are all events of each node and kind, by their names, as they were told; all says
	// how often each was found.
	order map[string][]string
	all   map[string]int
}

type chronicler struct {
	*Diagnosis
	id     dn.Node
	store  *history.Store
	events int
	// skew is how much its clock is ahead.
	skew int64
	// silent: it gives no answer; old: its version knows no positions.
	silent, old bool
}

var chroniclers = []dn.Node{selfID, peerID, "sip3-id"}

func newChronicle(t testing.TB, seed uint64, events int) *chronicle {
	c := &chronicle{t: t, r: rand.New(rand.NewPCG(seed, 3)), now: 1e18, view: roster(t, putNode("sip3-id", "sip3", "dc3")), nodes: map[dn.Node]*chronicler{}, order: map[string][]string{}, all: map[string]int{}}
	for i, id := range chroniclers {
		n := &chronicler{id: id, events: events, skew: c.r.Int64N(1e9) * int64(i)}
		c.nodes[id] = n
		c.start(n)
	}
	return c
}

// start makes a node begin anew: it remembers nothing.
func (c *chronicle) start(n *chronicler) {
	c.now++
	made := c.now
	n.store = history.New(history.Config{
		Self: n.id, Events: n.events, Bytes: n.events << 10,
		Now: func() time.Time { return time.Unix(0, c.now+n.skew) },
		Age: func() time.Duration { return time.Duration(c.now - made) },
	})
	n.Diagnosis = NewDiagnosis(DiagnosisConfig{
		Table: dn.New(dn.Config{Self: n.id}), View: func() *fsm.View { return c.view }, History: n.store,
		AskHistory: func(_ context.Context, to dn.Node, req *peerpb.HistoryRequest) (*tcpb.EventsPart, time.Duration, error) {
			return c.ask(n, c.nodes[to], req)
		},
	})
	n.now = func() time.Time { return time.Unix(0, c.now+n.skew) }
}

func (c *chronicle) ask(n, to *chronicler, req *peerpb.HistoryRequest) (*tcpb.EventsPart, time.Duration, error) {
	if to.silent {
		return nil, 0, status.Error(codes.Unavailable, "it does not answer")
	}
	ahead := time.Duration(to.skew - n.skew)
	if to.old {
		req = &peerpb.HistoryRequest{Query: req.GetQuery()}
	}
	part := to.OwnEvents(req, ahead)
	if to.old {
		part.End, part.Lost = nil, false
		for _, e := range part.GetEvents() {
			e.Position = 0
		}
	}
	return proto.CloneOf(part), ahead, nil
}

// name of an event: that of the DN or of the reason, which no other one has.
func nameOf(e *tcpb.HistoryEvent) string { return e.GetDn() + e.GetLink().GetWhy() }

// happen makes a node tell something.
func (c *chronicle) happen(n *chronicler) (name string) {
	c.now += 1 + c.r.Int64N(1e6)
	name = fmt.Sprint(1e7 + len(c.all))
	at, kind := c.now+n.skew, history.Kind(c.r.IntN(int(history.Kinds)))
	switch kind {
	case history.Link:
		n.store.Link("x", true, name)
	case history.Call:
		n.store.CallEvent(&call.Event{Kind: call.Ringing, Call: "0123456789abcdef", Node: n.id, ThisDN: dn.Number(name), Time: at})
	default:
		what := map[history.Kind]dn.What{history.State: dn.StateChange, history.Agent: dn.AgentChange, history.Use: dn.UseChange}[kind]
		for _, other := range c.nodes {
			if other == n || c.copies && !other.silent && !n.silent {
				other.store.DN(dn.Number(name), dn.Past{At: c.now + other.skew, By: n.id, What: what})
			}
		}
	}
	c.all[name] = 0
	of := fmt.Sprint(n.id, kind)
	c.order[of] = append(c.order[of], name)
	return name
}

// any is one of the nodes.
func (c *chronicle) any() *chronicler { return c.nodes[chroniclers[c.r.IntN(len(chroniclers))]] }

// some things happen, and where clocks are set, some are.
func (c *chronicle) some(most int, set bool) {
	for range c.r.IntN(most) {
		n := c.any()
		if set && c.r.IntN(20) == 0 {
			n.skew += c.r.Int64N(4e8) - 2e8
		}
		c.happen(n)
	}
}

func (n *chronicler) list(t testing.TB, req *tcpb.ListEventsRequest) *tcpb.ListEventsResponse {
	t.Helper()
	r, err := n.ListEvents(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// All pages together have each event once that had happened when the first was asked for, those
// of one node and kind in their order from page to page, whatever the clocks are, or are set to
// meanwhile, what happens meanwhile, which node is asked for a page, and who is silent for some.
func TestListEvents_PagesHaveEachEventOnce(t *testing.T) {
	runs := uint64(120)
	if testing.Short() {
		runs = 20
	}
	for seed := range runs {
		c := newChronicle(t, seed, 0)
		c.copies = seed%2 == 0
		c.some(900, !c.copies)
		want := len(c.all)
		behind := map[string]int{} // of each node and kind: how many are on later pages
		for of, names := range c.order {
			behind[of] = len(names)
		}
		index := map[string]string{}
		for of, names := range c.order {
			for i, name := range names {
				index[name] = fmt.Sprint(of, " ", i)
			}
		}
		found, req := 0, &tcpb.ListEventsRequest{}
		for {
			req.Limit = 1 + c.r.Uint32N(150)
			asked := c.any()
			asked.silent = false
			r := asked.list(t, req)
			var last time.Time
			lowest := map[string]int{}
			for _, e := range r.GetEvents() {
				name := nameOf(e)
				at, known := index[name]
				if c.all[name]++; c.all[name] != 1 || !known {
					t.Fatalf("seed %d: %v comes a second time, or happened later", seed, e)
				}
				var of string
				var i int
				_, _ = fmt.Sscan(at, &of, &i)
				if i >= behind[of] {
					t.Fatalf("seed %d: event %d of %s comes behind number %d", seed, i, of, behind[of])
				}
				if low, is := lowest[of]; !is || i < low {
					lowest[of] = i
				}
				if e.GetTime().AsTime().Before(last) || e.GetPosition() != 0 {
					t.Fatalf("seed %d: %v comes after %v", seed, e, last)
				}
				last = e.GetTime().AsTime()
				found++
			}
			for of, low := range lowest {
				behind[of] = low
			}
			for _, p := range r.GetParts() {
				if p.GetEnd() != nil || p.GetEvents() != nil || p.GetLost() {
					t.Fatalf("a client is told %v", p)
				}
			}
			silent := false
			for _, n := range c.nodes {
				silent = silent || n.silent
			}
			if r.GetNextPageToken() == "" && !silent {
				break
			}
			if token := r.GetNextPageToken(); token != "" {
				req.PageToken = token
			} else if len(r.GetEvents()) > 0 {
				t.Fatalf("seed %d: who is silent has no place", seed)
			}
			for _, n := range c.nodes {
				n.silent = r.GetNextPageToken() != "" && c.r.IntN(6) == 0
			}
			c.some(30, !c.copies)
		}
		if found != want {
			t.Fatalf("seed %d: %d events of %d", seed, found, want)
		}
	}
}

// Of a node that is silent from the first page on, or was started anew between pages, others
// tell what they know, and a node of a version without positions goes on by times.
func TestListEvents_PagesOfWhoIsNotThere(t *testing.T) {
	for _, what := range []string{"silent at first", "silent", "started anew", "old"} {
		for seed := range uint64(10) {
			c := newChronicle(t, seed, 0)
			c.copies = true
			var names []string
			b := c.nodes[peerID]
			for range 400 {
				c.now += 1e9 // more than the clocks differ
				names = append(names, c.happen(b))
			}
			b.old, b.silent = what == "old", what == "silent" || what == "silent at first"
			req := &tcpb.ListEventsRequest{Limit: 70, Kinds: []tcpb.HistoryKind{tcpb.HistoryKind_HISTORY_KIND_STATE, tcpb.HistoryKind_HISTORY_KIND_AGENT, tcpb.HistoryKind_HISTORY_KIND_USE}}
			found := map[string]int{}
			for first := true; first || req.GetPageToken() != ""; first = false {
				r := c.nodes[selfID].list(t, req)
				for _, e := range r.GetEvents() {
					found[nameOf(e)]++
				}
				req.PageToken = r.GetNextPageToken()
				switch {
				case first && what == "started anew":
					c.start(b)
				case what == "silent at first":
					b.silent = false
				}
			}
			asked := 0
			for _, name := range names {
				if found[name] > 1 {
					t.Fatalf("%s, seed %d: %s was told %d times", what, seed, name, found[name])
				}
				asked += found[name]
			}
			var want int
			for _, k := range []history.Kind{history.State, history.Agent, history.Use} {
				want += len(c.order[fmt.Sprint(peerID, k)])
			}
			if asked != want {
				t.Errorf("%s, seed %d: %d events of %d", what, seed, asked, want)
			}
		}
	}
}

// The clock of a node that was ahead when the node was started, and is set right later, has
// others tell nothing that the node tells itself.
func TestListEvents_OfAClockThatWasAhead(t *testing.T) {
	for seed := range uint64(10) {
		c := newChronicle(t, seed, 0)
		c.copies = true
		b := c.nodes[peerID]
		right := b.skew
		b.skew += int64(time.Hour)
		c.start(b)
		for i := range 400 {
			if i == 200 {
				b.skew = right
			}
			c.now += 1e9
			c.happen(b)
		}
		req := &tcpb.ListEventsRequest{Limit: 70}
		for first := true; first || req.GetPageToken() != ""; first = false {
			r := c.nodes[selfID].list(t, req)
			for _, e := range r.GetEvents() {
				c.all[nameOf(e)]++
			}
			req.PageToken = r.GetNextPageToken()
		}
		for name, times := range c.all {
			if times != 1 {
				t.Fatalf("seed %d: %s was told %d times", seed, name, times)
			}
		}
	}
}

// A token continues the question that it is from and no other one.
func TestListEvents_TokenOfAnotherQuestion(t *testing.T) {
	c := newChronicle(t, 1, 0)
	for range 10 {
		c.happen(c.nodes[selfID])
	}
	n := c.nodes[selfID]
	token := n.list(t, &tcpb.ListEventsRequest{Limit: 1}).GetNextPageToken()
	if r := c.nodes[peerID].list(t, &tcpb.ListEventsRequest{Limit: 3, PageToken: token}); len(r.GetEvents()) != 3 {
		t.Errorf("the next page of another node has %v", r)
	}
	for _, req := range []*tcpb.ListEventsRequest{
		{Dn: "1", PageToken: token}, {EachNode: true, PageToken: token}, {PageToken: "x"}, {PageToken: "AAAAAAAAAAAAAAAA"}, {PageToken: token + "AAAA"}, {PageToken: token[:len(token)/2]},
	} {
		if _, err := n.ListEvents(t.Context(), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", req, err)
		}
	}
}
