package call

import (
	"context"
	"sync"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
)

// uses are the DNs that have part in a call, made from the calls and legs that
// the table holds: put and drop change them along, nobody else does.
type uses struct {
	mu sync.RWMutex
	of map[dn.Number]use
	// changed are the DNs that became busy or free since UsesChanged returned them.
	changed map[dn.Number]struct{}
	wake    wake.Signal
}

// use of a DN: how many calls it has part in, and in how many of these it talks.
type use struct{ calls, talks int32 }

func newUses() *uses {
	return &uses{of: map[dn.Number]use{}, changed: map[dn.Number]struct{}{}, wake: wake.New()}
}

// uses is what the party uses of its DN.
func (p *Party) uses() use {
	if p.State == StateEstablished {
		return use{1, 1}
	}
	return use{1, 0}
}

// move takes the parties of was out and those of is in. Most events change one party, or
// add or take away one, so nothing is done for those at either end.
func (u *uses) move(was, is []Party) {
	same := func(p, q *Party) bool { return p.DN == q.DN && p.uses() == q.uses() }
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
		u.add(is[i].DN, is[i].uses())
	}
	for i := range was {
		x := was[i].uses()
		u.add(was[i].DN, use{-x.calls, -x.talks})
	}
}

// one takes a DN in, or out.
func (u *uses) one(n dn.Number, by int32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.add(n, use{calls: by})
}

func (u *uses) add(n dn.Number, by use) {
	was := u.of[n]
	is := use{was.calls + by.calls, was.talks + by.talks}
	if is.calls == 0 {
		delete(u.of, n)
	} else {
		u.of[n] = is
	}
	if (was.calls == 0) == (is.calls == 0) {
		return
	}
	u.changed[n] = struct{}{}
	u.wake.Send()
}

// Busy tells whether any call that this node knows of has the DN as a party,
// wherever it is registered and whichever node has the call; a call that is
// being delivered here too. It costs the same however many calls there are.
func (t *Table) Busy(n dn.Number) bool {
	t.uses.mu.RLock()
	defer t.uses.mu.RUnlock()
	return t.uses.of[n].calls > 0
}

// Talks tells whether the DN talks in a call that this node knows of; a DN that is busy and
// does not is being called, or calls.
func (t *Table) Talks(n dn.Number) bool {
	t.uses.mu.RLock()
	defer t.uses.mu.RUnlock()
	return t.uses.of[n].talks > 0
}

// UsesChanged waits for DNs that became busy or free, and returns them; whoever was
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
