package call

import (
	"maps"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Begin takes in a call that arrived at this node, and gives it its ID. Of a phone's all
// are told at once: it is busy from here on; of another one clients are told when it
// rings or is established somewhere. Of the Info, Began is set here, numbers are made fit to be shown,
// and the user data are copied. ErrFull: MaxCalls is reached.
func (t *Table) Begin(info Info) (ID, error) {
	if err := CheckUserData(info.UserData); err != nil {
		return "", err
	}
	if _, err := dn.ParseNumber(string(info.Caller)); err != nil {
		return "", err
	}
	info.Began, info.ANI, info.DNIS = t.now(), shown(info.ANI), shown(info.DNIS)
	info.UserData = maps.Clone(info.UserData)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.self.n >= MaxCalls {
		return "", ErrFull
	}
	id := t.ids.take()
	for t.calls[id] != nil { // a peer says it has one of that name
		id = t.ids.take()
	}
	c := newCall(id, t.cfg.Self, &info)
	e := t.add(t.self, c, c)
	if info.Type != Inbound {
		t.happen(e, e.call.event(Dialing, &e.call.Parties[0], info.Began, 0))
	}
	return id, nil
}

func (t *Table) now() int64 { return t.cfg.Now().UnixNano() }

// mine is an own call that is up; nil for none.
func (t *Table) mine(id ID) *entry {
	if e := t.calls[id]; e != nil && e.o == t.self {
		return e
	}
	return nil
}

// Ringing says that the call is offered to a DN, by the phones of a node, or by a trunk of
// this one; "" for not said. False: there is no such call of this node, or it rings there
// already.
func (t *Table) Ringing(id ID, n dn.Number, at dn.Node) bool {
	if !dn.ValidNumber(string(n)) {
		return false
	}
	now := t.now()
	return t.say(id, func(c *Call) *Event {
		ev := c.calledEvent(Ringing, n, now, 0)
		ev.Of = at
		return ev
	})
}

// Established says that the DN has answered the call. The first answer establishes the
// caller too. Without a DN somebody outside has: only the caller is told of.
// False: there is no such call of this node, or the DN has answered before.
func (t *Table) Established(id ID, n dn.Number) bool {
	if n != "" && !dn.ValidNumber(string(n)) {
		return false
	}
	at := t.now()
	defer t.flushOvers()
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.mine(id)
	if e == nil || n != "" && !t.happen(e, e.call.calledEvent(Established, n, at, 0)) {
		return false
	}
	t.answeredAndOver(e)
	c := e.call.Parties[0]
	if c.State != StateDialing {
		return n != ""
	}
	if n != "" {
		c.Other = string(n)
	}
	return t.happen(e, e.call.event(Established, &c, at, 0))
}

// Released says that the DN has left the call, which goes on: it was busy, did not answer,
// or talked and was transferred. cause is the SIP status code, 0 when it hung up.
func (t *Table) Released(id ID, n dn.Number, cause int) bool {
	return t.called(id, n, Released, cause)
}

// Hold says that a party holds the call, or does so no more: the caller, or a called DN.
// False: there is no such call of this node, or it is so already.
func (t *Table) Hold(id ID, r Role, n dn.Number, holds bool) bool {
	at, k := t.now(), Retrieved
	if holds {
		k = Held
	}
	return t.say(id, func(c *Call) *Event {
		if r == Caller {
			n = c.Caller
		}
		p := c.Party(n, r)
		if p == nil {
			return nil
		}
		return c.event(k, p, at, 0)
	})
}

// Abandoned says that the DN rang, and does no more because the caller gave up.
func (t *Table) Abandoned(id ID, n dn.Number) bool {
	return t.called(id, n, Abandoned, 0)
}

// Waits says that the call waits at a routing point, for an agent of a group, which is ""
// as long as that is not known. Clients are told of it as of its end, Left. False: there is
// no such call of this node, or that was said before.
func (t *Table) Waits(id ID, rp dn.Number, group string) bool {
	at := t.now()
	return t.say(id, func(c *Call) *Event {
		k := Waits
		if c.Queue != nil {
			k = Chosen
		}
		return &Event{Kind: k, Call: id, Node: c.Node, ThisDN: rp, Role: Called, OtherDN: shown(group), Time: at, Info: c.Info}
	})
}

// Left says that the call waits no more: it went to a DN or a number, or with "" ended
// there, by a SIP status code. False: it did not wait.
func (t *Table) Left(id ID, to string, cause int) bool {
	at := t.now()
	return t.say(id, func(c *Call) *Event {
		if c.Queue == nil {
			return nil
		}
		return c.left(shown(to), at, max(0, min(cause, 699)))
	})
}

// say does an event of an own call that is up; false when there is none, or it does not fit.
func (t *Table) say(id ID, what func(*Call) *Event) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.mine(id)
	if e == nil {
		return false
	}
	ev := what(e.call)
	return ev != nil && t.happen(e, ev)
}

func (t *Table) called(id ID, n dn.Number, k Kind, cause int) bool {
	if !dn.ValidNumber(string(n)) {
		return false
	}
	at := t.now()
	return t.say(id, func(c *Call) *Event { return c.calledEvent(k, n, at, cause) })
}

// calledEvent is one about a called DN, who sees the caller's number.
func (c *Call) calledEvent(k Kind, n dn.Number, at int64, cause int) *Event {
	return c.event(k, &Party{DN: n, Role: Called, Other: c.ANI}, at, max(0, min(cause, 699)))
}

// MaxWhy bounds Event.Why in bytes.
const MaxWhy = 128

// Explain says more of the causes that follow for an own call than their codes do; ""
// says nothing more.
func (t *Table) Explain(id ID, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.mine(id); e != nil {
		e.why = why[:min(len(why), MaxWhy)]
	}
}

// End says that the call is over for all that are left in it. gaveUp: the caller hung up
// before it was answered, so where it rings it is Abandoned; otherwise all
// are Released. A call that nobody was told of ends without a word. False:
// there is no such call of this node.
func (t *Table) End(id ID, cause int, gaveUp bool) bool {
	at := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.mine(id)
	if e == nil {
		return false
	}
	endings := e.call.endings(at, max(0, min(cause, 699)), gaveUp)
	if e.at < 0 {
		for _, ev := range endings {
			ev.Info, ev.Why = e.call.Info, e.why
			t.note(id, ev)
		}
		t.drop(e)
		return true
	}
	for _, ev := range endings {
		t.happen(e, ev)
	}
	return true
}

// Attach changes the user data of a call: put is set, then the keys of del are
// deleted. Others see it with the call's next event.
func (t *Table) Attach(id ID, put map[string]string, del ...string) (found bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.mine(id)
	if e == nil {
		return false, nil
	}
	return true, t.attach(e, put, del)
}

// Update is Attach, and tells all at once: each party has DataChanged.
func (t *Table) Update(id ID, put map[string]string, del ...string) (found bool, err error) {
	at := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.mine(id)
	if e == nil {
		return false, nil
	}
	if err := t.attach(e, put, del); err != nil {
		return true, err
	}
	for _, p := range e.call.Parties {
		if e.at >= 0 {
			t.happen(e, e.call.event(DataChanged, &p, at, 0))
		}
	}
	return true, nil
}

// Queued notes at which routing point a call is. Others see it with the call's next event.
func (t *Table) Queued(id ID, rp dn.Number) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.mine(id); e != nil {
		info := *e.call.Info
		info.LastQueue = rp
		t.inform(e, &info)
	}
}

func (t *Table) attach(e *entry, put map[string]string, del []string) error {
	info := *e.call.Info
	info.UserData = maps.Clone(info.UserData)
	if info.UserData == nil {
		info.UserData = map[string]string{}
	}
	maps.Copy(info.UserData, put)
	for _, k := range del {
		delete(info.UserData, k)
	}
	if err := CheckUserData(info.UserData); err != nil {
		return err
	}
	t.inform(e, &info)
	return nil
}

// inform gives a call other data, which nobody is told of.
func (t *Table) inform(e *entry, info *Info) {
	next := *e.call
	next.Info = info
	e.call = &next
	if e.at >= 0 {
		e.o.up[e.at] = e.call
	}
}

// Tell puts something into the log of visible events that this node alone
// tells, behind all that happened before. size is about what it holds, in bytes.
func (t *Table) Tell(local any, size int) {
	ev := &Event{Kind: Local, Node: t.cfg.Self, Time: t.now(), Local: local, Cause: size}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.visible.add(ev)
}
