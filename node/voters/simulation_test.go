package voters

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// world is a cluster in which nodes die, come back, are removed and join, at random; a
// leader among the living voters takes the steps, if they are a majority.
type world struct {
	t       *testing.T
	random  *rand.Rand
	seed    uint64
	now     time.Duration
	roster  []Member
	servers map[string]Server
	order   []string                 // of the servers
	since   map[string]time.Duration // dead since
	max     int
	trace   []string
	places  int    // addresses given out
	left    string // the last one that a node has left
}

const deadAfter = 30 * time.Second

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 1)), seed: seed, servers: map[string]Server{}, since: map[string]time.Duration{}}
	w.max = 1 + 2*w.random.IntN(4)
	for range 1 + w.random.IntN(9) {
		w.join()
	}
	first := w.roster[0]
	w.put(Server{first.ID, first.Addr, true})
	return w
}

func (w *world) join() {
	id := fmt.Sprintf("n%02d", w.random.IntN(90))
	for _, m := range w.roster {
		if m.ID == id {
			return
		}
	}
	w.roster = append(w.roster, Member{ID: id, Site: fmt.Sprint(w.random.IntN(3)), Addr: w.place(), NonVoter: w.random.IntN(8) == 0 && len(w.roster) > 0})
}

// place is an address that no node has: a new one, or one that was left.
func (w *world) place() string {
	if a := w.left; a != "" && w.random.IntN(2) == 0 {
		w.left = ""
		return a
	}
	w.places++
	return fmt.Sprintf("10.0.0.%d", w.places)
}

func (w *world) put(v Server) {
	for _, o := range w.group() {
		if o.ID != v.ID && o.Addr == v.Addr {
			w.fail("%s and %s have one address", o.ID, v.ID)
		}
	}
	if _, there := w.servers[v.ID]; !there {
		w.order = append(w.order, v.ID)
	}
	w.servers[v.ID] = v
}

func (w *world) drop(id string) {
	delete(w.servers, id)
	for i, o := range w.order {
		if o == id {
			w.order = append(w.order[:i:i], w.order[i+1:]...)
			return
		}
	}
}

func (w *world) dead(id string) bool { _, dead := w.since[id]; return dead }

func (w *world) group() (all []Server) {
	for _, id := range w.order {
		all = append(all, w.servers[id])
	}
	return all
}

// quorum tells whether a majority of the voters lives, and who may lead.
func (w *world) quorum() (leaders []string, ok bool) {
	voters := 0
	for _, v := range w.group() {
		if v.Voter {
			voters++
			if !w.dead(v.ID) {
				leaders = append(leaders, v.ID)
			}
		}
	}
	return leaders, len(leaders) > voters/2
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.trace {
		w.t.Log(line)
	}
	w.t.Fatalf("seed %d: %s", w.seed, fmt.Sprintf(format, args...))
}

// step lets a leader plan and take a step; false when there is none.
func (w *world) step(leader string) bool {
	s := Situation{
		Self: leader, Roster: w.roster, Servers: w.group(), Alive: time.Second, Max: w.max, Dead: deadAfter,
		Silent: func(id string) time.Duration {
			if since, dead := w.since[id]; dead {
				return w.now - since + time.Second
			}
			return 0
		},
		CaughtUp: func(id string) bool { return !w.dead(id) },
	}
	got := Plan(s)
	w.trace = append(w.trace, fmt.Sprintf("%v %s leads %v dead %v: %+v", w.now, leader, s.Servers, w.since, got))
	switch got.Action {
	case None, HandOver:
		return false
	case Follow:
		w.put(Server{got.ID, got.Addr, false})
	case Vote:
		if !w.servers[got.ID].Voter && w.dead(got.ID) {
			w.fail("%s is dead and votes", got.ID)
		}
		w.put(Server{got.ID, got.Addr, true})
	case Demote:
		w.put(Server{got.ID, got.Addr, false})
	case Remove:
		w.drop(got.ID)
	}
	if _, ok := w.quorum(); !ok && got.Action != Remove { // a removal is judged where it is asked for
		w.fail("%+v took the last majority", got)
	}
	return true
}

// happens is one thing that goes on by itself.
func (w *world) happens() {
	w.now += time.Duration(w.random.IntN(20)) * time.Second
	switch m := &w.roster[w.random.IntN(len(w.roster))]; w.random.IntN(9) {
	case 0, 1, 2:
		if !w.dead(m.ID) {
			w.since[m.ID] = w.now
		}
	case 3, 4, 5:
		delete(w.since, m.ID)
	case 6:
		w.join()
	case 7:
		was := m.Addr
		m.Addr = w.place()
		w.left = was
	case 8:
		other := &w.roster[w.random.IntN(len(w.roster))]
		m.Addr, other.Addr = other.Addr, m.Addr
	}
	if leaders, ok := w.quorum(); ok {
		for range w.random.IntN(4) {
			w.step(leaders[w.random.IntN(len(leaders))])
		}
	}
}

// settle takes steps until there are none; it must end.
func (w *world) settle() {
	leaders, ok := w.quorum()
	if !ok {
		return
	}
	leader := leaders[w.random.IntN(len(leaders))]
	for n := 0; w.step(leader); n++ {
		if n > 100 {
			w.fail("the steps have no end")
		}
	}
}

// TestSimulation: whatever happens the voters keep their majority, the steps end, at
// most one votes too many, the dead are replaced where somebody can, and in the end
// as many vote as may.
func TestSimulation(t *testing.T) {
	for seed := range uint64(5000) {
		w := newWorld(t, seed)
		for range 40 {
			w.happens()
		}
		w.now += time.Hour
		w.settle()
		w.nobodyDeadVotesInVain()
		clear(w.since)
		w.settle()
		w.fullHouse()
	}
}

// nobodyDeadVotesInVain: a dead voter votes on only where no living node could instead.
func (w *world) nobodyDeadVotesInVain() {
	if _, ok := w.quorum(); !ok {
		return
	}
	dead, spare := "", ""
	for _, m := range w.roster {
		switch v := w.servers[m.ID]; {
		case v.Voter && w.dead(m.ID):
			dead = m.ID
		case !v.Voter && !w.dead(m.ID) && !m.NonVoter:
			spare = m.ID
		}
	}
	if dead != "" && spare != "" {
		w.fail("%s is dead and votes, %s does not", dead, spare)
	}
}

func (w *world) fullHouse() {
	voters, wanted, led := 0, 0, false
	for _, m := range w.roster {
		if !m.NonVoter {
			wanted++
		}
	}
	for _, v := range w.group() {
		if v.Voter {
			voters++
		}
	}
	for _, m := range w.roster {
		if v := w.servers[m.ID]; v.Addr != m.Addr {
			w.fail("%s is at %s, and at %s in the group", m.ID, m.Addr, v.Addr)
		}
	}
	for _, m := range w.roster { // the last leader may be one that shall not vote
		led = led || m.NonVoter && w.servers[m.ID].Voter
	}
	if want := min(w.max, wanted); voters != want && !led {
		w.fail("%d vote, want %d of %v", voters, want, w.roster)
	}
}
