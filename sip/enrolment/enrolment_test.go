package enrolment

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/carrier"
	"github.com/sipcluster/sipcluster/sip/location"
)

// TestChosen_OneOfThoseThatAreThere: whoever asks, and of each side of a cut; nobody else's
// trunks move when a node is lost.
func TestChosen_OneOfThoseThatAreThere(t *testing.T) {
	nodes := []dn.Node{"a", "b", "c", "d"}
	turned := slices.Clone(nodes)
	slices.Reverse(turned)
	has := map[dn.Node]int{}
	for i := range 400 {
		n := dn.Number(fmt.Sprint("gw", i))
		one := Chosen(n, nodes, nobody)
		has[one]++
		if other := Chosen(n, turned, nobody); other != one {
			t.Fatalf("%s: %s, or %s in another order", n, one, other)
		}
		without := slices.DeleteFunc(slices.Clone(nodes), func(x dn.Node) bool { return x == "d" })
		if left := Chosen(n, without, nobody); one != "d" && left != one || left == "d" {
			t.Fatalf("%s goes from %s to %s when d is lost", n, one, left)
		}
	}
	for _, n := range nodes {
		if has[n] < 60 {
			t.Errorf("%s has %d of 400 trunks", n, has[n])
		}
	}
	if n := Chosen("gw", nil, nobody); n != "" {
		t.Error("of no nodes", n)
	}
}

// registrar is a carrier that answers as the test says.
type registrar struct {
	mu     sync.Mutex
	answer func(*Request) Answer
	// heard are the requests; contacts those that are registered, and until when.
	heard    []Request
	at       []string // where each came
	contacts map[string]time.Time
}

var way = carrier.Way{Transport: location.UDP, Addr: netip.MustParseAddrPort("192.0.2.1:5060"), Host: "192.0.2.1:5060"}

// line is that of a node to the carrier.
type line struct {
	*registrar
	of *nodes
	n  dn.Node
}

func (l line) WaysTo(dn.Number) []carrier.Way {
	if l.of.is(l.of.far, l.n) {
		return nil
	}
	w := way
	w.Host = l.of.address()
	return []carrier.Way{w}
}

func (l line) Register(w carrier.Way, q *Request, answered func(Answer)) {
	r := l.registrar
	if l.of.is(l.of.far, l.n) || l.of.is(l.of.mute, l.n) {
		time.AfterFunc(8*time.Second, func() { answered(Answer{CSeq: q.CSeq + 1}) })
		return
	}
	r.mu.Lock()
	a := r.answer(q)
	r.heard, r.at = append(r.heard, *q), append(r.at, w.Host)
	a.CSeq = q.CSeq + 1
	if a.Code == 200 {
		if r.contacts[q.Contact] = time.Now().Add(a.Expires); q.Expires == 0 {
			delete(r.contacts, q.Contact)
		}
	}
	r.mu.Unlock()
	go answered(a)
}

// address is that of the trunk.
func (x *nodes) address() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.view.DN("gw").GetTrunk().GetAddress()
}

// has are the contacts that are registered now.
func (r *registrar) has() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c, until := range r.contacts {
		if until.After(time.Now()) {
			list = append(list, c)
		}
	}
	slices.Sort(list)
	return list
}

// since are the requests from the nth on.
func (r *registrar) since(n int) []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard[n:])
}

// take gives the requests up that it has heard; at says where each came.
func (r *registrar) take() (heard []Request, at []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	heard, at = r.heard, r.at
	r.heard, r.at = nil, nil
	return heard, at
}

// answers has it answer so from now on.
func (r *registrar) answers(answer func(*Request) Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// nodes are those of a cluster with one trunk, gw.
type nodes struct {
	t       *testing.T
	mu      sync.Mutex
	view    *fsm.View
	cut     map[dn.Node]bool // is heard by nobody, and hears nobody
	far     map[dn.Node]bool // has no way to the carrier
	mute    map[dn.Node]bool // its REGISTERs get lost
	keepers map[dn.Node]*Keeper
}

func newNodes(t *testing.T, r *registrar, names ...dn.Node) *nodes {
	t.Helper()
	r.contacts = map[string]time.Time{}
	x := &nodes{t: t, view: fsm.Empty(), cut: map[dn.Node]bool{}, far: map[dn.Node]bool{}, mute: map[dn.Node]bool{}, keepers: map[dn.Node]*Keeper{}}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() { cancel(); all.Wait() })
	for _, n := range names {
		x.node(n, false)
		x.keepers[n] = New(Config{
			Self: n, Carriers: line{r, x, n}, Hosts: location.NewHosts(location.Reach{location.UDP: string(n) + ".test:5060"}), Log: slog.New(slog.DiscardHandler),
			View: func() *fsm.View { x.mu.Lock(); defer x.mu.Unlock(); return x.view },
			Heard: func(other dn.Node) bool {
				x.mu.Lock()
				defer x.mu.Unlock()
				return !x.cut[n] && !x.cut[other]
			},
		})
	}
	for _, k := range x.keepers {
		all.Go(func() { _ = k.Run(ctx) })
	}
	all.Go(func() { x.speak(ctx) })
	return x
}

// speak has each node tell the others which turns it passes on.
func (x *nodes) speak(ctx context.Context) {
	tick := time.NewTicker(400 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		for n, k := range x.keepers {
			for other, o := range x.keepers {
				if n != other && !x.is(x.cut, n) && !x.is(x.cut, other) {
					o.Told(n, k.Passes().Trunks)
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// is tells whether a node is in one of the sets.
func (x *nodes) is(set map[dn.Node]bool, n dn.Node) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return set[n]
}

// change lets the test change what nodes know, and wakes them.
func (x *nodes) change(f func()) {
	x.mu.Lock()
	f()
	x.mu.Unlock()
	for _, k := range x.keepers {
		k.Wake()
	}
	synctest.Wait()
}

func (x *nodes) write(m *configpb.Mutation) {
	x.t.Helper()
	x.change(func() {
		v, err := x.view.With([]*configpb.Mutation{m})
		if err != nil {
			x.t.Fatal(err)
		}
		x.view = v
	})
}

func (x *nodes) node(n dn.Node, drains bool) {
	x.write(&configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: string(n), Name: string(n), ClusterAddr: string(n) + ".test:1", Draining: drains}}})
}

// trunk configures gw; nil takes the registration away.
func (x *nodes) trunk(r *configpb.TrunkRegistration) {
	x.write(&configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "gw", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{
		Address: "carrier.test:5060", OutboundRealm: "carrier", OutboundAuth: &configpb.TrunkAuth{User: "we", Ha1: "00000000000000000000000000000000"}, Registration: r,
	}}}})
}

func contactOf(n dn.Node) string { return "sip:we@" + string(n) + ".test:5060" }

func accepts(q *Request) Answer { return Answer{Code: 200, Expires: q.Expires} }

func TestWish_IsOfTheTrunk(t *testing.T) {
	auth := &configpb.TrunkAuth{User: "us@x"}
	for _, c := range []struct {
		trunk                      *configpb.Trunk
		registrar, account, called string
	}{
		{&configpb.Trunk{Address: "gw.test:5070", OutboundAuth: auth, Registration: &configpb.TrunkRegistration{}}, "sip:gw.test", "sip:us%40x@gw.test", "us%40x"},
		{&configpb.Trunk{Address: "gw.test", Registration: &configpb.TrunkRegistration{User: "a"}}, "sip:gw.test", "sip:a@gw.test", "a"},
		{&configpb.Trunk{Address: "[2001:db8::1]:5060", Registration: &configpb.TrunkRegistration{User: "a", Called: "#1"}}, "sip:[2001:db8::1]", "sip:a@[2001:db8::1]", "%231"},
		{&configpb.Trunk{Address: "2001:db8::1", OutboundAuth: auth, Registration: &configpb.TrunkRegistration{User: "a", Domain: "d.test"}}, "sip:d.test", "sip:a@d.test", "a"},
	} {
		if w := wishOf(c.trunk); w.registrar != c.registrar || w.account != c.account || w.called != c.called || w.expires != usualExpires {
			t.Errorf("%v: %+v", c.trunk, w)
		}
	}
}

// TestKeeper_RefreshesInTime, and takes its contact back when nobody wants it any more.
func TestKeeper_RefreshesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registrar{answer: accepts}
		x := newNodes(t, r, "a")
		x.trunk(&configpb.TrunkRegistration{Domain: "carrier.example", ExpiresS: 300})
		first := r.since(0)
		if len(first) != 1 || first[0].Registrar != "sip:carrier.example" || first[0].Account != "sip:we@carrier.example" || first[0].Contact != contactOf("a") || first[0].Expires != 5*time.Minute {
			t.Fatalf("%+v", first)
		}
		for range 100 {
			passes(time.Minute)
			synctest.Wait()
			if got := r.has(); len(got) != 1 {
				t.Fatal("registered:", got)
			}
		}
		all := r.since(0)
		if len(all) < 25 || len(all) > 35 {
			t.Errorf("%d requests in 100 minutes", len(all))
		}
		for i, q := range all {
			if q.CallID != first[0].CallID || q.CSeq != uint32(i) {
				t.Errorf("%d: Call-ID %s, CSeq behind %d", i, q.CallID, q.CSeq)
			}
		}
		if s, ok := x.keepers["a"].Status("gw"); !ok || s.Node != "a" || s.Error != "" || !s.Until.After(time.Now()) || s.Succeeded.IsZero() || !s.Failed.IsZero() {
			t.Errorf("%+v %v", s, ok)
		}
		x.trunk(nil)
		if last := r.since(len(all)); len(last) != 1 || last[0].Expires != 0 || len(r.has()) != 0 {
			t.Errorf("%+v, %v", last, r.has())
		}
		if _, ok := x.keepers["a"].Status("gw"); ok {
			t.Error("it has a registration still")
		}
	})
}

// TestKeeper_OneNodeOnEachSide: of the nodes that are heard and don't drain.
func TestKeeper_OneNodeOnEachSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registrar{answer: accepts}
		names := []dn.Node{"a", "b", "c"}
		x := newNodes(t, r, names...)
		x.trunk(&configpb.TrunkRegistration{})
		check := func(what string, want ...dn.Node) {
			t.Helper()
			var contacts []string
			for _, n := range want {
				contacts = append(contacts, contactOf(n))
			}
			slices.Sort(contacts)
			if got := r.has(); !slices.Equal(got, contacts) {
				t.Errorf("%s: registered are %v, want %v", what, got, contacts)
			}
		}
		one := Chosen("gw", names, nobody)
		two := Chosen("gw", slices.DeleteFunc(slices.Clone(names), func(n dn.Node) bool { return n == one }), nobody)
		check("at first", one)
		passes(firstWait) // by then who has just begun hears whom it can
		x.change(func() { x.cut[one] = true })
		check("cut off", one, two)
		x.change(func() { x.cut[one] = false })
		check("healed", one)
		x.node(one, true)
		check("draining", two)
		for _, n := range names {
			if s, _ := x.keepers[n].Status("gw"); s.Node != two || s.Until.IsZero() != (n != two) {
				t.Errorf("%s says %+v", n, s)
			}
		}
		x.node(one, false)
		check("back", one)
	})
}

// TestKeeper_WaitsWhenItIsRefused: longer each time, as long as the carrier wants, and asks
// for as much time as that wants.
func TestKeeper_WaitsWhenItIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []Answer{
			{Code: 423, MinExpires: time.Hour}, {Code: 403, Reason: "Who?"}, {}, {Code: 503, RetryAfter: time.Minute}, {Code: 200, Expires: time.Hour},
		}
		r := &registrar{}
		var at []time.Duration
		began := time.Now()
		r.answer = func(*Request) (a Answer) {
			at = append(at, time.Since(began))
			if a = (Answer{Code: 200, Expires: time.Hour}); len(answers) > 0 {
				a, answers = answers[0], answers[1:]
			}
			return a
		}
		x := newNodes(t, r, "a")
		x.trunk(&configpb.TrunkRegistration{ExpiresS: 60})
		if s, _ := x.keepers["a"].Status("gw"); s.Error != "403 Who?" || !s.Until.IsZero() {
			t.Errorf("%+v", s)
		}
		passes(3 * time.Minute)
		synctest.Wait()
		if want := []time.Duration{0, 0, 5 * time.Second, 15 * time.Second, 75 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("asked at %v, want %v", at, want)
		}
		if all := r.since(0); all[0].Expires != time.Minute || all[1].Expires != time.Hour {
			t.Errorf("asked for %v, then %v", all[0].Expires, all[1].Expires)
		}
		if s, _ := x.keepers["a"].Status("gw"); s.Error != "" || s.Until.IsZero() {
			t.Errorf("%+v", s)
		}
	})
}

// TestKeeper_LeavesACarrierAloneThatIsNeverContent: it is asked at once for more time once,
// and then as one that refuses.
func TestKeeper_LeavesACarrierAloneThatIsNeverContent(t *testing.T) {
	for name, next := range map[string]func(q *Request) time.Duration{
		"more than may be":    func(*Request) time.Duration { return 30 * 24 * time.Hour },
		"more each time":      func(q *Request) time.Duration { return q.Expires + time.Second },
		"what it is asked":    func(q *Request) time.Duration { return q.Expires },
		"it does not say":     func(*Request) time.Duration { return 0 },
		"less, then the same": func(*Request) time.Duration { return 90 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &registrar{answer: func(q *Request) Answer { return Answer{Code: 423, Reason: "Interval Too Brief", MinExpires: next(q)} }}
				x := newNodes(t, r, "a")
				x.trunk(&configpb.TrunkRegistration{ExpiresS: 60})
				passes(time.Hour)
				synctest.Wait()
				if n := len(r.since(0)); n < 10 || n > 25 {
					t.Errorf("asked %d times in an hour", n)
				}
				if s, _ := x.keepers["a"].Status("gw"); s.Error != "423 Interval Too Brief" {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestKeeper_ServiceRouteIsThatOfTheRegistration: it is gone when that is, and is of the
// address that said it.
func TestKeeper_ServiceRouteIsThatOfTheRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says := []Answer{{Code: 200, ServiceRoute: [][]byte{[]byte("<sip:p1;lr>")}}, {Code: 200, ServiceRoute: [][]byte{[]byte("<sip:p2;lr>")}}, {Code: 503}}
		r := &registrar{answer: func(q *Request) Answer {
			a := says[0]
			if len(says) > 1 {
				says = says[1:]
			}
			a.Expires = q.Expires
			return a
		}}
		x := newNodes(t, r, "a")
		x.trunk(&configpb.TrunkRegistration{ExpiresS: 300})
		k := x.keepers["a"]
		for _, want := range []string{"<sip:p1;lr>", "<sip:p2;lr>", "<sip:p2;lr>", ""} {
			if got := string(bytes.Join(k.ServiceRoute("gw", way.Addr), nil)); got != want {
				t.Errorf("%v: by %s, want %s", r.since(0), got, want)
			}
			if k.ServiceRoute("gw", netip.MustParseAddrPort("192.0.2.99:5060")) != nil || k.ServiceRoute("other", way.Addr) != nil {
				t.Error("it is another's too")
			}
			passes(3*time.Minute + 30*time.Second)
			synctest.Wait()
		}
	})
}

// TestKeeper_WhoHasJustBegunWaits: it hears nobody yet, and would take everybody's turn.
func TestKeeper_WhoHasJustBegunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registrar{answer: accepts}
		x := newNodes(t, r, "a", "b")
		x.change(func() { x.cut["a"] = true })
		x.trunk(&configpb.TrunkRegistration{})
		if got := r.has(); len(got) != 0 {
			t.Error("registered at once:", got)
		}
		passes(firstWait)
		synctest.Wait()
		if got := r.has(); len(got) != 2 {
			t.Error("registered are", got)
		}
	})
}

// passes is time that goes by in the bubble.
func passes(d time.Duration) { <-time.After(d) }
