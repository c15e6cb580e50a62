package agent

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// ledger is what must be true of a DN's reservation, from the answers alone.
type ledger struct {
	at     dn.Node // the DN's owner
	holder string
	until  time.Time
}

func (l *ledger) held() bool { return l.holder != "" && time.Now().Before(l.until) }

// Random requests of three holders at three nodes, moves of the DN, cuts and
// time: there is never a second holder, who is free is granted, and everybody
// sees what holds, also of an owner that it can't hear.
func TestReserve_OneHolderWhateverHappens(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				p := &play{town: w, r: rand.New(rand.NewPCG(seed, 1)), ledger: ledger{at: "a"}, heard: map[dn.Node]time.Time{}}
				w.move("1000", "a")
				for range 120 {
					p.step(t)
					w.settle()
					p.everybodyKnows(t)
					if t.Failed() {
						for _, line := range p.log {
							t.Log(line)
						}
						return
					}
				}
			})
		})
	}
}

// play is a run of the property.
type play struct {
	*town
	ledger
	r   *rand.Rand
	log []string
	// heard: until when the DN is reserved, as far as each node has heard.
	heard map[dn.Node]time.Time
}

// everybodyKnows wants each node to see what it has heard of, until its time is over.
func (p *play) everybodyKnows(t *testing.T) {
	t.Helper()
	for id := range p.nodes {
		if p.reaches(id) {
			if p.heard[id] = p.until; p.holder == "" {
				p.heard[id] = time.Time{}
			}
		}
		p.sees(t, id, "1000", time.Now().Before(p.heard[id]))
	}
}

func (p *play) any(of ...string) string { return of[p.r.IntN(len(of))] }

func (p *play) node() dn.Node { return dn.Node(p.any("a", "b", "c")) }

// reaches tells whether a node hears the DN's owner.
func (p *play) reaches(from dn.Node) bool {
	return from == p.at || p.cuts[[2]dn.Node{from, p.at}] != nil
}

// whole: everybody hears everybody.
func (p *play) whole() bool { return len(p.cuts) == 6 }

func (p *play) step(t *testing.T) {
	switch i := p.r.IntN(20); {
	case i < 9:
		p.request(t, Reservation{Holder: p.any("x", "y", "z"), Duration: time.Duration(1+p.r.IntN(8)) * time.Second, AtOnce: p.r.IntN(2) == 0})
	case i < 11:
		p.request(t, Reservation{Holder: p.any("x", "y", "z")})
	case i < 14:
		p.request(t, Reservation{Holder: p.any("x", "y", "z"), Duration: 5 * time.Second, AtOnce: true, InsteadOf: p.any("x", "y", "z")})
	case i < 16:
		wait := time.Duration(p.r.IntN(4000)) * time.Millisecond
		p.log = append(p.log, fmt.Sprint("wait ", wait))
		<-time.After(wait)
	case i < 17:
		x, y := p.node(), p.node()
		p.log = append(p.log, fmt.Sprintf("cut %s %s", x, y))
		p.cut(x, y)
	case i < 19:
		p.log = append(p.log, "heal")
		for _, id := range slices.Sorted(maps.Keys(p.nodes)) {
			p.heal(t, id)
		}
	case p.whole(): // a DN that moves in a cut has an owner on each side
		p.at = p.node()
		p.log = append(p.log, fmt.Sprint("move to ", p.at))
		p.move("1000", p.at)
	}
}

// request makes a request at any node, and wants the answer that the ledger knows.
func (p *play) request(t *testing.T, r Reservation) {
	from := p.node()
	before := p.held()
	want := p.expect(from, &r, before)
	code := p.reserve(t, from, "1000", r)
	p.log = append(p.log, fmt.Sprintf("at %s %+v: %v; %q holds until %v, owner %s", from, r, code, p.holder, p.until, p.at))
	if code != want && before == p.held() { // while it was collected, the last one may have ended
		t.Errorf("%+v got %v, want %v", r, code, want)
	}
	switch {
	case code != granted:
	case r.Duration == 0:
		p.holder = ""
	default:
		p.holder, p.until = r.Holder, time.Now().Add(r.Duration)
	}
}

// expect is the answer that a request must get.
func (p *play) expect(from dn.Node, r *Reservation, held bool) tlibpb.ErrorCode {
	switch {
	case !p.reaches(from):
		return outOfReach
	case r.Duration == 0 && !held:
		return sameState
	case r.Duration == 0 && p.holder == r.Holder:
		return granted
	case !held, r.AtOnce && r.InsteadOf == p.holder:
		return granted
	}
	return seized
}
