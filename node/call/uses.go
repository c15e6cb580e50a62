package call

import (
	"context"
	"slices"
	"sync"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
)

// uses are the DNs that have part in a call, made from the calls and legs that
// the table holds: put and drop change them along, nobody else does.
type uses struct {
	mu sync.RWMutex
	of map[dn.Number]dnCalls
	// changed are the DNs that have more or fewer calls since UsesChanged returned them.
	changed map[dn.Number]struct{}
	wake    wake.Signal
}

// use of a DN by a call: as how many of its parties, and how often it is delivered there,
// and as how many it talks.
type use struct {
	id           ID
	parts, talks int32
}

func newUses() *uses {
	return &uses{of: map[dn.Number]dnCalls{}, changed: map[dn.Number]struct{}{}, wake: wake.New()}
}

// uses is what the party of that call uses of its DN.
func (p *Party) uses(id ID) use {
	if p.State == StateEstablished {
		return use{id, 1, 1}
	}
	return use{id, 1, 0}
}

// move takes the parties of was out and those of is in, of one call. Most events change one party, or
// add or take away one, so nothing is done for those at either end.
func (u *uses) move(id ID, was, is []Party) {
	same := func(p, q *Party) bool { return p.DN == q.DN && p.uses(id) == q.uses(id) }
	for len(was) > 0 && len(is) > 0 && same(&was[0], &is[0]) {
		was, is = was[1:], is[1:]
	}
	for len(was) > 0 && len(is) > 0 && same(&was[len(was)-1], &is[len(is)-1]) {
		was, is = was[:len(was)-1], is[:len(is)-1]
	}
	if len(was)+len(is) == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range is {
		u.add(is[i].DN, is[i].uses(id))
	}
	for i := range was {
		x := was[i].uses(id)
		u.add(was[i].DN, use{id, -x.parts, -x.talks})
	}
}

// one takes a DN in to which the call is delivered, or out.
func (u *uses) one(id ID, n dn.Number, by int32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.add(n, use{id: id, parts: by})
}

func (u *uses) add(n dn.Number, by use) {
	all := u.of[n]
	another := all.change(by)
	if all.len() == 0 {
		delete(u.of, n)
	} else {
		u.of[n] = all
	}
	if another {
		u.changed[n] = struct{}{}
		u.wake.Send()
	}
}

// fewCalls of a DN are looked through; more, as a trunk has them, are found by their ID.
const fewCalls = 8

// dnCalls are the uses of one DN.
type dnCalls struct {
	few  []use
	many map[ID]use // all of them, once they were more than fewCalls; nil before
	// talks counts those in which the DN talks.
	talks int32
}

func (c *dnCalls) len() int { return len(c.few) + len(c.many) }

// change takes parts of a call in, or out; true: the DN has one call more or less.
func (c *dnCalls) change(by use) (another bool) {
	i := slices.IndexFunc(c.few, func(x use) bool { return x.id == by.id })
	was := c.many[by.id]
	if i >= 0 {
		was = c.few[i]
	}
	is := use{by.id, was.parts + by.parts, was.talks + by.talks}
	c.talks += talking(is) - talking(was)
	switch {
	case i >= 0 && is.parts == 0:
		c.few = slices.Delete(c.few, i, i+1)
	case i >= 0:
		c.few[i] = is
	case is.parts == 0:
		delete(c.many, by.id)
	case c.many == nil && len(c.few) < fewCalls:
		c.few = append(c.few, is)
	default:
		c.put(is)
	}
	return (was.parts == 0) != (is.parts == 0)
}

// put keeps all by their ID from now on.
func (c *dnCalls) put(x use) {
	if c.many == nil {
		c.many = map[ID]use{}
		for _, y := range c.few {
			c.many[y.id] = y
		}
		c.few = nil
	}
	c.many[x.id] = x
}

// talking is 1 for a call in which the DN talks.
func talking(x use) int32 {
	if x.talks > 0 {
		return 1
	}
	return 0
}

// Busy tells whether any call that this node knows of has the DN as a party,
// wherever it is registered and whichever node has the call; a call that is
// being delivered here too. It costs the same however many calls there are.
func (t *Table) Busy(n dn.Number) bool { return t.Uses(n).Calls > 0 }

// Uses are the calls in which the DN has part.
func (t *Table) Uses(n dn.Number) dn.Uses {
	t.uses.mu.RLock()
	defer t.uses.mu.RUnlock()
	all := t.uses.of[n]
	return dn.Uses{Calls: int32(all.len()), Talks: all.talks}
}

// At tells whether the DN has part in a call.
func (t *Table) At(n dn.Number, id ID) bool {
	t.uses.mu.RLock()
	defer t.uses.mu.RUnlock()
	all := t.uses.of[n]
	if _, many := all.many[id]; many {
		return true
	}
	return slices.ContainsFunc(all.few, func(x use) bool { return x.id == id })
}

// Talks tells whether the DN talks in a call that this node knows of; a DN that is busy and
// does not is being called, or calls.
func (t *Table) Talks(n dn.Number) bool { return t.Uses(n).Talks > 0 }

// UsesChanged waits for DNs that have more or fewer calls, and returns them; whoever had
// both meanwhile is among them. It has one reader. The error is the context's.
func (t *Table) UsesChanged(ctx context.Context) (map[dn.Number]struct{}, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.uses.wake:
		}
		if changed := t.uses.take(); len(changed) > 0 {
			return changed, nil
		}
	}
}

func (u *uses) take() map[dn.Number]struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	changed := u.changed
	u.changed = make(map[dn.Number]struct{}, min(len(changed), 1024))
	return changed
}
