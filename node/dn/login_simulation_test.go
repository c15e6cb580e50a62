package dn

import (
	"fmt"
	"testing"
	"time"
)

// loginWorld is a world in which few people log in at DNs whose phones sometimes move.
type loginWorld struct {
	*world
	// newest is each person's last login.
	newest map[string]simLogin
	// lost are the DNs whose agent may be: a node kept or took the DN that did not know what
	// another one had said.
	lost map[Number]bool
	// said is when an agent at a DN last logged in or out, whoever heard it.
	said map[Number]time.Time
}

type simLogin struct {
	n  Number
	at time.Time
	// sure: it has the greatest claim of all until then.
	sure     bool
	greatest int64
}

func newLoginWorld(seed uint64, n int, skew time.Duration) *loginWorld {
	return &loginWorld{world: newWorld(seed, n, skew), newest: map[string]simLogin{}, lost: map[Number]bool{}, said: map[Number]time.Time{}}
}

func (w *loginWorld) person() string { return fmt.Sprint("p", w.r.IntN(3)) }

// known is the greatest claim of a person's logins at a node.
func (s *simNode) known(id string) (claim int64) {
	s.table.logins.each(id, func(e *entry) { claim = max(claim, e.told.agent.Login) })
	return claim
}

// knows notes when a node that is about to write does not know the last word about a DN.
func (w *loginWorld) knows(i int, n Number) {
	here, _ := w.nodes[i].table.Get(n)
	for _, s := range w.nodes {
		if got, ok := s.table.Get(n); ok && here.Version.Less(got.Version) {
			w.lost[n] = true
		}
	}
}

// move registers the DN at a node.
func (w *loginWorld) move(i int, n Number) {
	w.knows(i, n)
	w.register(i, n)
}

// login logs a person in at a DN that a node keeps.
func (w *loginWorld) login(t *testing.T, seed uint64, i int, n Number, id string) {
	s := w.nodes[i]
	st, _ := s.table.Get(n)
	r, ok := s.table.Own(n)
	if !ok || st.Keeper != s.id || st.State != InSrv || r.Agent.in() {
		return
	}
	w.knows(i, n)
	known := s.known(id)
	r.Agent = &Agent{ID: id, State: LoggedIn, Since: w.now.UnixNano()}
	if r, ok = s.table.Amend(r); !ok {
		return
	}
	s.store[n] = r
	if at, in := s.table.LoggedIn(id); !in || at.Number != n || r.Agent.Login <= known {
		t.Fatalf("seed %d: %s has logged in at %s on %s: there he is at %+v, his claim is %d after %d", seed, id, n, s.id, at, r.Agent.Login, known)
	}
	before := w.newest[id].greatest
	w.newest[id] = simLogin{n: n, at: w.now, sure: before < r.Agent.Login, greatest: max(before, r.Agent.Login)}
	w.said[n] = w.now
}

// turn is an agent who says what he does, or leaves.
func (w *loginWorld) turn(i int, n Number, to AgentState) {
	s := w.nodes[i]
	r, ok := s.table.Own(n)
	if st, _ := s.table.Get(n); !ok || st.Keeper != s.id || !r.Agent.in() || r.Agent.State == to {
		return
	}
	r.Agent = &Agent{ID: r.Agent.ID, State: to, Since: w.now.UnixNano()}
	if r, ok = s.table.Amend(r); !ok {
		return
	}
	s.store[n] = r
	if to == LoggedOut {
		w.said[n] = w.now
	}
}

// remember has each node's store follow its table, as agents.db does.
func (w *loginWorld) remember() {
	for _, s := range w.nodes {
		for n := range s.store {
			if r, ok := s.table.Own(n); ok {
				s.store[n] = r
			}
		}
	}
}

func (w *loginWorld) step(t *testing.T, seed uint64) {
	w.now = w.now.Add(time.Duration(1+w.r.IntN(300)) * time.Millisecond)
	i, j, n := w.r.IntN(len(w.nodes)), w.r.IntN(len(w.nodes)), w.number()
	switch w.r.IntN(24) {
	case 0, 1:
		w.move(i, n)
	case 2:
		w.end(i, n)
	case 3:
		if i != j {
			w.toggle(i, j)
		}
	case 4:
		if w.r.IntN(4) == 0 {
			w.crash(i)
		}
	case 5, 6, 7, 8, 9:
		id := w.person()
		for i := range w.nodes {
			w.login(t, seed, i, n, id)
		}
	case 10, 11:
		w.turn(i, n, Ready)
	case 12:
		w.turn(i, n, LoggedOut)
	default:
		w.deliver(t, i, j)
	}
	w.remember()
	for _, s := range w.nodes {
		s.oneLogin(t, seed)
	}
}

// oneLogin: at no moment a node shows a person at two DNs, or keeps one at a DN that he left.
func (s *simNode) oneLogin(t *testing.T, seed uint64) {
	t.Helper()
	at := map[string]Number{}
	for n, e := range s.table.entries {
		st, _ := s.table.Get(n)
		if st.Agent.in() {
			if other, twice := at[st.Agent.ID]; twice {
				t.Fatalf("seed %d: %s shows %s at %s and at %s", seed, s.id, st.Agent.ID, other, st.Number)
			}
			at[st.Agent.ID] = st.Number
		}
		if told := e.told.agent; told.in() != st.Agent.in() || told.id() != st.Agent.id() {
			t.Fatalf("seed %d: %s tells %+v of %s, which has %+v", seed, s.id, told, st.Number, st.Agent)
		}
		if own, ok := s.table.Own(st.Number); ok && st.Keeper == s.id && own.Agent.in() && !st.Agent.in() {
			t.Fatalf("seed %d: %s keeps %+v at %s and shows %+v", seed, s.id, own.Agent, st.Number, st.Agent)
		}
		if st.Agent.Left() && (st.Routable(false) || st.Reserved) {
			t.Fatalf("seed %d: %s routes to %s, whom %s left", seed, s.id, st.Number, st.Agent.ID)
		}
	}
	s.checkLogins(t, seed)
}

// checkLogins finds anew what the index keeps up to date.
func (s *simNode) checkLogins(t *testing.T, seed uint64) {
	t.Helper()
	count := map[string]int{}
	for _, e := range s.table.entries {
		if id := e.told.agent.id(); id != "" {
			count[id]++
		}
	}
	for id, n := range count {
		s.table.logins.each(id, func(e *entry) {
			if n--; e.told.agent.id() != id || e.shared != (count[id] > 1) {
				t.Fatalf("seed %d: %s has %s at %s: %+v, shared: %v", seed, s.id, id, e.number, e.told.agent, e.shared)
			}
		})
		if n != 0 {
			t.Fatalf("seed %d: %s knows %d DNs of %s too few", seed, s.id, n, id)
		}
	}
	if len(s.table.logins.first) != len(count) {
		t.Fatalf("seed %d: %s knows %d agents, told of %d", seed, s.id, len(s.table.logins.first), len(count))
	}
}

// check: everybody agrees, and who has logged in last of all is logged in there.
func (w *loginWorld) check(t *testing.T, seed uint64, skewed bool) {
	t.Helper()
	for _, s := range w.nodes {
		s.oneLogin(t, seed)
		for i := range 4 {
			n := Number(fmt.Sprint(1000 + i))
			first, _ := w.nodes[0].table.Get(n)
			if got, _ := s.table.Get(n); !got.Agent.Same(first.Agent) || got.Version != first.Version {
				t.Fatalf("seed %d: DN %s: agent %+v on %s but %+v on %s", seed, n, got.Agent, s.id, first.Agent, w.nodes[0].id)
			}
		}
	}
	for id, l := range w.newest {
		if w.said[l.n].After(l.at) || w.lost[l.n] || skewed && !l.sure {
			continue
		}
		if got, in := w.nodes[0].table.LoggedIn(id); !in || got.Number != l.n {
			t.Fatalf("seed %d: %s is logged in: %v, at %q; the last time he did at %s", seed, id, in, got.Number, l.n)
		}
	}
}

// Cuts, crashes, moves: one login a person, the newest.
func TestTable_OneLoginAnAgent(t *testing.T) { simulateLogins(t, 0) }

// The same with clocks that are wrong by up to 50 s.
func TestTable_OneLoginAnAgentWithWrongClocks(t *testing.T) { simulateLogins(t, 50*time.Second) }

func simulateLogins(t *testing.T, skew time.Duration) {
	runs := uint64(4_000)
	if testing.Short() {
		runs = 800
	}
	sure := 0
	for seed := range runs {
		w := newLoginWorld(seed, 2+int(seed%3), skew)
		for range 80 {
			w.step(t, seed)
		}
		w.settle(t)
		w.check(t, seed, skew > 0)
		for _, l := range w.newest {
			if !w.said[l.n].After(l.at) && !w.lost[l.n] && (skew == 0 || l.sure) {
				sure++
			}
		}
	}
	if sure < int(runs)/4 {
		t.Errorf("only %d last logins could be judged", sure)
	}
}
