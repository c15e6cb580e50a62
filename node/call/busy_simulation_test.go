package call

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// phoneCall is a call as its two phones know it, whatever the tables say.
type phoneCall struct {
	id ID
	// has is the node that has the call, in that incarnation; at is the one that
	// delivered it, and leg what it noted; nil when that node has restarted.
	has, at  int
	inc      uint64
	leg      *Leg
	from, to dn.Number
	answered bool
	// left: the called side has hung up while the node that has the call could not be
	// reached, and said so at node at in the incarnation leftAt.
	left   bool
	leftAt uint64
}

// phones are a world in which calls are made and ended by people.
type phones struct {
	*world
	calls []*phoneCall
}

// reach: messages get from one node to the other.
func (w *phones) reach(i, j int) bool { return !w.cut[[2]int{i, j}] && !w.cut[[2]int{j, i}] }

// alive: the node that has the call still does.
func (w *phones) alive(c *phoneCall) bool { return w.nodes[c.has].inc == c.inc }

// called is somebody who is in no call, or one who takes several and is in one.
func (w *phones) called() dn.Number {
	if len(w.calls) > 0 && w.r.IntN(3) == 0 {
		return w.calls[w.r.IntN(len(w.calls))].to
	}
	return dn.Number(fmt.Sprint("2", w.r.Uint32()))
}

func (w *phones) begin() {
	c := &phoneCall{has: w.r.IntN(len(w.nodes)), at: w.r.IntN(len(w.nodes))}
	c.from, c.to = dn.Number(fmt.Sprint("1", len(w.calls)+int(w.r.Uint32()))), w.called()
	n := w.nodes[c.has]
	kind := Internal
	if w.r.IntN(4) == 0 {
		kind = Inbound
	}
	id, err := n.table.Begin(Info{Caller: c.from, Type: kind})
	if err != nil || !w.reach(c.has, c.at) {
		n.table.End(id, 480, false)
		return
	}
	c.id, c.inc = id, n.inc
	c.leg = w.nodes[c.at].table.Carry(id, n.id, c.to)
	n.table.Ringing(id, c.to, w.nodes[c.at].id)
	w.calls = append(w.calls, c)
}

// next lets a call go on: it is answered, or one side hangs up.
func (w *phones) next() {
	if len(w.calls) == 0 {
		return
	}
	i := w.r.IntN(len(w.calls))
	c := w.calls[i]
	n := w.nodes[c.has]
	through := w.reach(c.has, c.at)
	switch {
	case !c.answered:
		switch {
		case !w.alive(c): // the phone stops ringing; nobody was told
			w.drop(c)
		case !through && c.leg != nil && w.r.IntN(2) == 0: // it answered, and that was lost: the call goes on to another one
			n.table.Released(c.id, c.to, 480)
			w.over(c)
			w.again(c)
			return
		case !through:
			n.table.End(c.id, 480, false)
			w.drop(c)
		case w.r.IntN(3) == 0:
			n.table.Released(c.id, c.to, 486)
			n.table.End(c.id, 486, false)
			w.drop(c)
		default:
			n.table.Established(c.id, c.to)
			c.answered = true
			return
		}
	case w.alive(c) && through: // either side's BYE passes both nodes
		n.table.End(c.id, 0, false)
		w.drop(c)
	case w.alive(c) && (c.leg == nil || w.r.IntN(2) == 0): // the caller's stays on its side: the called one hangs up later
		n.table.End(c.id, 0, false)
		if c.leg != nil {
			return
		}
	case w.alive(c):
		w.over(c)
		c.left, c.leftAt = true, w.nodes[c.at].inc
		return
	default:
		w.over(c)
	}
	w.calls = slices.Delete(w.calls, i, i+1)
}

// again sends a call that nobody has answered on to another DN, or to the same one, which has
// moved or not.
func (w *phones) again(c *phoneCall) {
	if c.at = w.r.IntN(len(w.nodes)); !w.reach(c.has, c.at) {
		c.at = c.has
	}
	if w.r.IntN(2) == 0 {
		c.to = dn.Number(fmt.Sprint("2", w.r.Uint32()))
	}
	c.leg = w.nodes[c.at].table.Carry(c.id, w.nodes[c.has].id, c.to)
	w.nodes[c.has].table.Ringing(c.id, c.to, w.nodes[c.at].id)
}

func (w *phones) drop(c *phoneCall) {
	if c.leg != nil {
		c.leg.Dropped()
		c.leg = nil
	}
}

func (w *phones) over(c *phoneCall) {
	if c.leg != nil {
		c.leg.Over()
		c.leg = nil
	}
}

// crash takes what the node knew; the phones go on.
func (w *phones) crash(i int) {
	for _, c := range w.calls {
		if c.at == i {
			c.leg = nil
		}
	}
	w.world.crash(i)
}

func (w *phones) step() {
	w.now = w.now.Add(time.Duration(w.r.IntN(int(carryAfter / 8))))
	switch w.r.IntN(10) {
	case 0, 1:
		w.begin()
	case 2, 3:
		w.next()
	case 4:
		if i := w.r.IntN(len(w.nodes)); w.r.IntN(8) == 0 {
			w.crash(i)
		}
	case 5:
		if i, j := w.r.IntN(len(w.nodes)), w.r.IntN(len(w.nodes)); i != j && w.r.IntN(4) == 0 {
			k := [2]int{i, j}
			w.cut[k] = !w.cut[k]
			delete(w.links, k)
		}
	case 6:
		w.read(w.nodes[w.r.IntN(len(w.nodes))])
	default:
		w.deliver(w.r.IntN(len(w.nodes)), w.r.IntN(len(w.nodes)))
	}
	w.indexed()
}

// indexed wants who is busy to be who has part in a call, at every moment.
func (w *phones) indexed() {
	for _, s := range w.nodes {
		want, talks := map[dn.Number]map[ID]int32{}, map[dn.Number]int32{}
		uses := func(n dn.Number, id ID) {
			if want[n] == nil {
				want[n] = map[ID]int32{}
			}
			want[n][id]++
		}
		for _, e := range s.table.calls {
			if !e.over {
				for _, p := range e.call.Parties {
					uses(p.DN, e.call.ID)
					if p.State == StateEstablished {
						talks[p.DN]++
					}
				}
			}
		}
		carried := map[*origin]int{}
		for _, legs := range s.table.legs {
			for _, l := range legs {
				if carried[l.carrier]++; !l.Over {
					uses(l.DN, l.Call)
				}
			}
		}
		for id, o := range s.table.nodes {
			if o.legs != carried[o] {
				w.t.Fatalf("seed %d: %s counts %d calls that %s carries, has %d", w.seed, s.id, o.legs, id, carried[o])
			}
		}
		for _, c := range w.calls { // of this node's own, nothing but the use is kept
			if c.leg != nil && c.leg.t == s.table && c.has == c.at {
				uses(c.to, c.id)
			}
		}
		for n, all := range s.table.uses.of {
			sum := int32(0)
			for _, k := range all.all() {
				if sum += k.talks; want[n][k.id] != k.parts {
					w.t.Fatalf("seed %d: %s counts the uses %v of %s, has %v", w.seed, s.id, all, n, want[n])
				}
			}
			if sum != talks[n] || all.len() != len(want[n]) || int(s.table.Uses(n).Calls) != len(want[n]) || s.table.Talks(n) != (talks[n] > 0) {
				w.t.Fatalf("seed %d: %s counts the uses %v of %s, has %v and talks in %d", w.seed, s.id, all, n, want[n], talks[n])
			}
			delete(want, n)
		}
		if len(want) > 0 {
			w.t.Fatalf("seed %d: %s misses the uses %v", w.seed, s.id, want)
		}
	}
}

// judge wants, after all was told, a DN to have as many calls everywhere as are up, as far
// as nodes are left that had to do with them.
func (w *phones) judge() {
	type want struct{ must, may int }
	busy := map[dn.Number]want{}
	legs := 0
	up := func(n dn.Number, must, may bool) {
		x := busy[n]
		if must {
			x.must++
		}
		if may {
			x.may++
		}
		busy[n] = x
	}
	for _, c := range w.calls {
		here := w.alive(c) && w.nodes[c.has].table.calls[c.id] != nil
		if c.left { // unless that was forgotten, all know
			may := here && w.nodes[c.at].inc != c.leftAt
			up(c.from, false, may)
			up(c.to, false, may)
			continue
		}
		up(c.from, here, here || c.leg != nil)
		up(c.to, here || c.leg != nil, here || c.leg != nil)
		if c.leg != nil && c.has != c.at {
			legs++
		}
	}
	for _, s := range w.nodes {
		for n := range s.table.uses.of {
			if int(s.table.Uses(n).Calls) > busy[n].may {
				w.t.Fatalf("seed %d: at %s %s is busy without a call: %s; at n3 %s (in %d)", w.seed, s.id, n, s.who(n), w.nodes[len(w.nodes)-1].who(n), w.nodes[len(w.nodes)-1].inc)
			}
		}
		for n, x := range busy {
			if int(s.table.Uses(n).Calls) < x.must {
				w.t.Fatalf("seed %d: at %s %s is free in a call: %s", w.seed, s.id, n, s.who(n))
			}
		}
		n := 0
		for id, list := range s.table.legs {
			for _, l := range list {
				switch {
				case !l.Over:
					n++
				case !slices.ContainsFunc(w.nodes, func(x *simNode) bool { return x.table.calls[id] != nil }):
					w.t.Fatalf("seed %d: %s keeps the word that %s is over at %s", w.seed, s.id, id, l.DN)
				}
			}
		}
		if n != legs {
			w.t.Fatalf("seed %d: %s keeps %d legs, %d are carried", w.seed, s.id, n, legs)
		}
	}
}

// who is what has the DN in use.
func (s *simNode) who(n dn.Number) (out string) {
	for _, e := range s.table.calls {
		if e.call.Party(n, Caller) != nil || e.call.Party(n, Called) != nil {
			out += fmt.Sprintf("%s of %s in %d (now %d), over %v, lost %v; ", picture(e.call), e.o.id, e.incarnation, e.o.fence.Incarnation(), e.over, e.lost)
		}
	}
	for _, legs := range s.table.legs {
		for _, l := range legs {
			if l.DN == n {
				out += fmt.Sprintf("a leg of %s for %s, over %v, done %v; ", l.carrier.id, l.Of, l.Over, l.done)
			}
		}
	}
	return out
}

// Whoever has part in a call is busy at every node that hears of it, through cuts, deaths
// and restarts, and free as soon as one side has hung up; nothing is left of it.
func TestBusy_IsTheCalls(t *testing.T) {
	runs := uint64(400)
	if testing.Short() {
		runs = 100
	}
	for seed := range runs {
		w := &phones{world: newWorld(t, seed, 2+int(seed%3), 4+int(seed%5)*8)}
		for range 200 {
			w.step()
		}
		w.settle()
		w.judge()
		for len(w.calls) > 0 {
			w.next()
		}
		w.settle()
		w.judge()
	}
}
