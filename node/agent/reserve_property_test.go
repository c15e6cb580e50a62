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
	// cutOff is since when the holder's node can't renew it, unsure until when it
	// may have ended by that, or not: nobody knows when it was renewed last.
	cutOff, unsure time.Time
}

func (l *ledger) held() bool { return l.holder != "" && time.Now().Before(l.until) }

// Random requests of three holders at three nodes, moves of the DN, cuts, time, and
// ends of holders: there is never a second holder, who is free is granted, who renews
// keeps it, what nobody renews ends in time, and everybody sees what holds, also of an
// owner that it can't hear.
func TestReserve_OneHolderWhateverHappens(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				p := &play{town: w, r: rand.New(rand.NewPCG(seed, 1)), ledger: ledger{at: "a"}, heard: map[dn.Node]time.Time{}, deaf: map[dn.Node]time.Time{}}
				w.move("1000", "a")
				for range 150 {
					p.step(t)
					w.settle()
					p.lapse()
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
	// heard: until when the DN is reserved, as far as each node has heard. deaf: since
	// when it can't hear the owner.
	heard, deaf map[dn.Node]time.Time
}

// everybodyKnows wants each node to see what it has heard of, until its time is over,
// or that of a lease that the owner can't tell of.
func (p *play) everybodyKnows(t *testing.T) {
	t.Helper()
	now := time.Now()
	for id := range p.nodes {
		if p.reaches(id) {
			delete(p.deaf, id)
			if p.heard[id] = p.until; p.holder == "" {
				p.heard[id] = time.Time{}
			}
		}
		since, deaf := p.deaf[id]
		p.sees(t, id, "1000", now.Before(p.heard[id]) && (!deaf || now.Before(since.Add(dn.Lease))))
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

// lapse ends what nobody can have renewed; where that may be so or not, the owner
// knows.
func (p *play) lapse() {
	now := time.Now()
	cut := !p.cutOff.IsZero()
	switch silent := now.Sub(p.cutOff); {
	case p.holder == "":
	case cut && silent >= dn.Lease:
		p.holder = ""
	case cut && silent >= dn.Lease-renewEvery, !p.unsure.IsZero():
		if r, _ := p.nodes[p.at].table.Own("1000"); r.Reserved.Holder != p.holder {
			p.holder = ""
		}
		if now.After(p.unsure) {
			p.unsure = time.Time{}
		}
	}
	if p.holder == "" {
		p.cutOff, p.unsure = time.Time{}, time.Time{}
	}
}

// unknown: nobody can say what holds while something was collected.
func (p *play) unknown() bool {
	return !p.cutOff.IsZero() && time.Since(p.cutOff) >= dn.Lease-renewEvery-time.Second || time.Now().Before(p.unsure.Add(time.Second))
}

func (p *play) step(t *testing.T) {
	switch i := p.r.IntN(22); {
	case i < 9:
		p.request(t, p.node(), Reservation{Duration: time.Duration(1+p.r.IntN(12)) * time.Second, AtOnce: p.r.IntN(2) == 0})
	case i < 11:
		p.request(t, p.node(), Reservation{})
	case i < 13:
		p.request(t, p.node(), Reservation{Duration: 5 * time.Second, AtOnce: true, InsteadOf: HolderAt(p.node(), "h")})
	case i < 16:
		wait := time.Duration(p.r.IntN(4000)) * time.Millisecond
		p.log = append(p.log, fmt.Sprint("wait ", wait))
		<-time.After(wait)
	case i < 17:
		p.cutAny(p.node(), p.node())
	case i < 19:
		p.healAll(t)
	case i < 20:
		p.ends(p.node())
	case p.whole(): // a DN that moves in a cut has an owner on each side
		p.at = p.node()
		p.log = append(p.log, fmt.Sprint("move to ", p.at))
		p.move("1000", p.at)
	}
}

func (p *play) cutAny(x, y dn.Node) {
	p.log = append(p.log, fmt.Sprintf("cut %s %s", x, y))
	reached := map[dn.Node]bool{}
	for id := range p.nodes {
		reached[id] = p.reaches(id)
	}
	p.cut(x, y)
	for id := range p.nodes {
		if !reached[id] || p.reaches(id) {
			continue
		}
		p.deaf[id] = time.Now()
		if p.holder != "" && NodeOf(p.holder) == id {
			p.cutOff = time.Now()
		}
	}
}

func (p *play) healAll(t *testing.T) {
	p.log = append(p.log, "heal")
	p.lapse()
	for _, id := range slices.Sorted(maps.Keys(p.nodes)) {
		p.heal(t, id)
	}
	if !p.cutOff.IsZero() && time.Since(p.cutOff) >= dn.Lease-2*renewEvery {
		p.unsure = time.Now().Add(renewEvery) // it may end before it is renewed
	}
	p.cutOff = time.Time{}
}

// ends is the end of the holder at a node.
func (p *play) ends(at dn.Node) {
	h := HolderAt(at, "h")
	p.log = append(p.log, h+" ended")
	p.nodes[at].agents.Ended(h)
	switch {
	case p.holder != h:
	case p.reaches(at):
		p.holder = ""
	case p.cutOff.IsZero():
		panic("a holder that can't reach the owner is cut off")
	}
	p.lost(h)
}

// lost: what a holder that is cut off took back is not renewed after the heal.
func (p *play) lost(h string) {
	if p.holder == h {
		p.until = minTime(p.until, p.cutOff.Add(dn.Lease))
		p.unsure = p.until
	}
}

// request makes a request of the node's holder, and wants the answer that the ledger
// knows.
func (p *play) request(t *testing.T, from dn.Node, r Reservation) {
	r.Holder = HolderAt(from, "h")
	p.lapse()
	before, unknown := p.held(), p.unknown()
	want := p.expect(from, &r, before)
	code := p.reserve(t, from, "1000", r)
	p.log = append(p.log, fmt.Sprintf("at %s %+v: %v; %q holds until %v, owner %s", from, r, code, p.holder, p.until, p.at))
	if code != want && before == p.held() && !unknown { // while it was collected, the last one may have ended
		t.Errorf("%+v got %v, want %v", r, code, want)
	}
	switch {
	case code != granted:
		if r.Duration == 0 {
			p.lost(r.Holder)
		}
	case r.Duration == 0:
		p.holder = ""
	default:
		p.holder, p.until = r.Holder, p.nodes[from].agents.Until("1000", r.Holder)
		p.cutOff, p.unsure = time.Time{}, time.Time{}
	}
}

// expect is the answer that a request must get.
func (p *play) expect(from dn.Node, r *Reservation, held bool) tlibpb.ErrorCode {
	switch {
	case !p.reaches(from):
		return outOfReach
	case r.Duration == 0 && !held:
		return sameState
	case p.holder == r.Holder:
		return granted
	case !held, r.AtOnce && r.InsteadOf == p.holder && r.Duration > 0:
		return granted
	}
	return seized
}
