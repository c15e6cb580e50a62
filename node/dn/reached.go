package dn

// Reaches says whether this node reaches what nobody registers, a trunk. Each node has its
// own way there, so peers are not told.
func (t *Table) Reaches(n Number, reached bool) {
	now := t.cfg.Now().UnixNano()
	rec := record{since: now, state: InSrv, way: unregistered}
	if !reached {
		rec.state, rec.reason = OOS, Unresponsive
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entry(n)
	rec.claim, rec.traits = max(now, e.maxClaim()+1), traitsOf(t.nodes[0].mark, Spoken{})
	t.set(e, rec)
}

// unregistered is the way of what nobody registers; a phone has a line there, a desktop
// another flow.
var unregistered = Way{Flow: 3}

// local tells whether the record is of what nobody registers: no peer hears of it.
func (r *record) local() bool { return r.node == 0 && r.way == unregistered }
