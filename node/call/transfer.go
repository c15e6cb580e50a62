package call

import (
	"slices"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Transfer says which call goes on by this one: one party of that was asked by the other to
// call somebody (RFC 3515). To clients both are one call, with the ConnID of the first; each
// node makes that of what it knows of them. So no node needs another one's word to tell of
// a transfer, and whoever is left when a node is lost goes on.
type Transfer struct {
	// Conn is the first of the calls, From that in which somebody was asked.
	Conn, From ID
	// Previous is the call that is replaced (RFC 3891), of who asked with who is called
	// now; "" for none.
	Previous ID
	// By is who asked.
	By dn.Number
}

const (
	// Changed: a transfer gives the party another one to talk to, told to clients alone.
	Changed Kind = 20
	// Added: one more, Move.Third, has joined the call; told to clients alone.
	Added Kind = 21
	// Deleted: one has left the call; told to clients alone.
	Deleted Kind = 22
)

// Move is what clients are told of a transfer besides.
type Move struct {
	// Third is who transferred the call, joined or left it; of a Released "": the party
	// has transferred the call.
	Third string
	// Previous is the ConnID by which the party was told of until now; "" for this one.
	Previous ID
}

func (x *Transfer) sound() bool {
	return x == nil || x.Conn.Valid() && x.From.Valid() && (x.Previous == "" || x.Previous.Valid()) && dn.ValidNumber(string(x.By))
}

// of are the calls that it goes on with, each once.
func (x *Transfer) of() []ID {
	list := []ID{x.Conn}
	for _, id := range []ID{x.From, x.Previous} {
		if id != "" && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// Conn is the ConnID of the call as clients are told it.
func (c *Call) Conn() ID { return c.conn(c.ID) }

// Conn is the ConnID of the event's call as clients are told it.
func (e *Event) Conn() ID { return e.conn(e.Call) }

func (i *Info) conn(id ID) ID {
	if i != nil && i.Transfer != nil {
		return i.Transfer.Conn
	}
	return id
}

// inherit notes by which calls others go on.
func (t *Table) inherit(e *entry) {
	if x := e.call.Transfer; x != nil {
		for _, id := range x.of() {
			t.heirs[id] = append(t.heirs[id], e)
		}
	}
}

// disinherit takes that back. A call of this node ends that went on by it alone.
func (t *Table) disinherit(e *entry) {
	x := e.call.Transfer
	if x == nil {
		return
	}
	for _, id := range x.of() {
		rest := slices.DeleteFunc(slices.Clone(t.heirs[id]), func(h *entry) bool { return h == e })
		if t.heirs[id] = rest; len(rest) == 0 {
			delete(t.heirs, id)
		}
	}
	t.vacated(e)
}

// unclaimed ends a call that was handed over and goes on by none.
func (t *Table) unclaimed(id ID) {
	if e := t.mine(id); e != nil && e.handed && !t.claimed(e) {
		t.endCall(e, 0)
	}
}

// claimed tells whether somebody who is in the call goes on by another one.
func (t *Table) claimed(e *entry) bool {
	return slices.ContainsFunc(t.heirs[e.call.ID], func(h *entry) bool {
		return !h.over && slices.ContainsFunc(e.call.Parties, func(p Party) bool { return h.call.part(p.DN) != nil })
	})
}

// vacated ends calls that were handed over when nobody who is in them is in this one any more.
func (t *Table) vacated(e *entry) {
	if x := e.call.Transfer; x != nil {
		for _, id := range x.of() {
			t.unclaimed(id)
		}
	}
}

// Refer makes the Transfer of a call that a DN was asked for in another one; nil when that
// is not known here, or the DN has no part in it.
func (t *Table) Refer(from, previous ID, by, who dn.Number) (*Transfer, map[string]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.calls[from]
	if e == nil || !e.visible() || e.call.part(who) == nil || who == by {
		return nil, nil
	}
	x := &Transfer{Conn: e.call.Conn(), From: from, By: by}
	if p := t.calls[previous]; p != nil && p.visible() && p.call.part(by) != nil && previous != x.Conn && previous != from {
		x.Previous = previous
	}
	return x, e.call.UserData
}

// HandOver says that a party has left a call after it asked the other one to call
// somebody. The other one is in the call as long as it goes on by another; what ends it
// when there is none is Unclaimed. False: there is no such call of this node.
func (t *Table) HandOver(id ID, r Role, n dn.Number) bool {
	at := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.mine(id)
	if e == nil {
		return false
	}
	p := e.call.Party(n, r)
	if p == nil || len(e.call.Parties) < 2 {
		return false
	}
	e.handed = true
	return t.happen(e, e.call.event(Released, p, at, 0))
}

// Claimed tells whether a call goes on by another one.
func (t *Table) Claimed(id ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.mine(id)
	return e != nil && t.claimed(e)
}

// Unclaimed ends a call that was handed over when it goes on by none.
func (t *Table) Unclaimed(id ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unclaimed(id)
}

// Mine are this node's calls with that ConnID, as clients are told it.
func (t *Table) Mine(conn ID) (list []*Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.mine(conn); e != nil && e.call.Conn() == conn {
		list = append(list, e.call)
	}
	for _, h := range t.heirs[conn] {
		if h.o == t.self && h.call.Conn() == conn {
			list = append(list, h.call)
		}
	}
	return list
}

// part is the party that a DN is in the call, in either role; nil for none.
func (c *Call) part(n dn.Number) *Party {
	if i := slices.IndexFunc(c.Parties, func(p Party) bool { return p.DN == n }); i >= 0 {
		return &c.Parties[i]
	}
	return nil
}

// partIn is the party that a DN is in a call as clients see it; nil for none.
func (t *Table) partIn(id ID, n dn.Number) *Party {
	if e := t.calls[id]; e != nil && e.visible() {
		return e.call.part(n)
	}
	return nil
}

// before tells whether clients know a party from a call that goes on by this one.
func (t *Table) before(x *Transfer, n dn.Number, r Role) bool {
	if r == Called {
		return x.Previous != "" && t.partIn(x.Previous, n) != nil
	}
	return t.partIn(x.From, n) != nil || t.partIn(x.Conn, n) != nil
}

// retell is what clients are told of an event of a call that a transfer has to do with.
func (t *Table) retell(e *entry, ev *Event) []*Event {
	x := e.call.Transfer
	switch ev.Kind {
	case Dialing, Ringing:
		if x != nil && t.before(x, ev.ThisDN, ev.Role) {
			return nil
		}
	case Established:
		if x != nil && t.before(x, ev.ThisDN, ev.Role) {
			return t.joins(x, ev)
		}
	case Released, Abandoned:
		return t.parts(e, ev)
	}
	return []*Event{ev}
}

// as is an event with another kind, for clients.
func (e *Event) as(k Kind, m Move) *Event {
	c := *e
	c.Kind, c.Move = k, &m
	return &c
}

// joins tells of a party of a call before that is in this one now.
func (t *Table) joins(x *Transfer, ev *Event) []*Event {
	if ev.Role == Called {
		return []*Event{ev.as(Changed, Move{Third: string(x.By), Previous: t.calls[x.Previous].call.Conn()})}
	}
	by := t.partIn(x.From, x.By)
	if by == nil {
		return []*Event{ev.as(Changed, Move{Third: string(x.By)})}
	}
	joined := Move{Third: ev.OtherDN}
	return []*Event{ev.as(Added, joined), t.calls[x.From].call.event(Released, by, ev.Time, 0).as(Added, joined)}
}

// parts tells of a party that leaves one of several calls that are one.
func (t *Table) parts(e *entry, ev *Event) []*Event {
	told := []*Event{ev}
	for _, h := range t.heirs[e.call.ID] {
		x := h.call.Transfer
		if !h.visible() {
			continue
		}
		caller := h.call.Party(h.call.Caller, Caller)
		switch now := h.call.part(ev.ThisDN); {
		case x.Previous == e.call.ID:
			if now != nil && now.Role == Called && now.State == StateEstablished {
				return nil
			}
		case now != nil && now == caller:
			return nil
		case x.From == e.call.ID && ev.ThisDN == x.By:
			told[0] = ev.as(ev.Kind, Move{})
			if caller != nil && caller.State == StateEstablished {
				told = append(told, h.call.event(Released, caller, ev.Time, 0).as(Changed, Move{Third: string(x.By)}))
			}
		}
		if x.Previous == e.call.ID && ev.ThisDN == x.By {
			told[0] = ev.as(ev.Kind, Move{})
		}
	}
	x := e.call.Transfer
	switch {
	case x == nil:
	case ev.Role == Caller && t.before(x, ev.ThisDN, Caller):
		return nil
	case ev.Role == Called:
		told = append(told, t.deleted(e, ev)...)
	}
	return told
}

// deleted tells those who stay of one who had joined them.
func (t *Table) deleted(e *entry, ev *Event) (told []*Event) {
	x := e.call.Transfer
	by := t.partIn(x.From, x.By)
	if p := e.call.Party(ev.ThisDN, Called); by == nil || p == nil || p.State != StateEstablished {
		return nil
	}
	left, from := Move{Third: string(ev.ThisDN)}, t.calls[x.From].call
	for i := range from.Parties {
		told = append(told, from.event(Released, &from.Parties[i], ev.Time, 0).as(Deleted, left))
	}
	return told
}

// asSeen is a call as clients see it beside others that are one with it: each party is in
// one of them. Nil: nobody is left.
func (t *Table) asSeen(c *Call) *Call {
	if len(t.heirs) == 0 {
		return c
	}
	seen := *c
	seen.Parties = nil
	for _, p := range c.Parties {
		if !t.elsewhere(c, &p) {
			seen.Parties = append(seen.Parties, p)
		}
	}
	if len(seen.Parties) == 0 && c.Queue == nil {
		return nil
	}
	return &seen
}

// elsewhere tells whether clients see a party in another call that is one with this.
func (t *Table) elsewhere(c *Call, p *Party) bool {
	for _, h := range t.heirs[c.ID] {
		in := h.call.part(p.DN)
		if h.visible() && in != nil && in.State == StateEstablished && (in.Role == Called) == (h.call.Transfer.Previous == c.ID) {
			return true
		}
	}
	return c.Transfer != nil && p.State != StateEstablished && t.before(c.Transfer, p.DN, p.Role)
}
