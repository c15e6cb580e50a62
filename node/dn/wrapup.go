package dn

import "time"

// AfterCallWork is the work mode of an agent who is not ready because of the call before.
const AfterCallWork WorkMode = 3

// wrapUp is the agent after a call that ended at that time, who was ready during it; nil
// when nothing changes. Each node finds the same, whenever it hears of the end, so nobody
// has to be told by the owner.
func wrapUp(a *Agent, at int64) *Agent {
	if a == nil || a.State != Ready || at < a.Since {
		return nil
	}
	return &Agent{ID: a.ID, State: NotReady, Mode: AfterCallWork, Since: at, Login: a.Login}
}

// WrapUp has the DN's agent, when he is ready, do work after a call for so long: it ended
// at that time. Each node does that by itself when it hears of the end; the owner's word
// is the same, and where it is another one, it counts.
func (t *Table) WrapUp(n Number, at int64, long time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[n]
	if e == nil || long <= 0 {
		return
	}
	k := t.keeper(e)
	if k == nil {
		return
	}
	was := t.said(e, k).x
	a := wrapUp(was.agentOf(), at)
	if a == nil {
		return
	}
	x := *was
	x.agent, x.ends = a, t.clock()+int64(min(long, time.Duration(MaxAgentLeft)))
	r := *k
	if k.node == 0 {
		x.said = max(t.cfg.Now().UnixNano(), was.said+1)
		r.seq++
	}
	r.x = x.with(k.x)
	t.set(e, r)
	if k.node == 0 {
		t.journals[own].add(e, placeOwn, true)
	}
}
