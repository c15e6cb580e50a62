package dn

import "slices"

// One agent, one login. A login has a claim: its time is taken when it begins, from the
// clock of the DNs' claims, behind all logins that the node knows of; the DN's number
// makes it unique. An agent is logged in where the login of the greatest claim was made,
// or nowhere when he has logged out there; every earlier one is over. That is a pure
// function of what the DNs' keepers say, so every node shows an earlier login as ended
// as soon as it knows of the later one, with the same words, whoever is heard; the keeper
// makes these words its own when it sees that itself.

// The reasons of an agent who was logged out at a DN because he logged in at another one.
const (
	// LoginReason is the key of why, LoggedInElsewhere the value; LoginDN is the key of
	// the number of the other DN.
	LoginReason, LoggedInElsewhere, LoginDN = "reason", "logged-in-elsewhere", "dn"
)

// in tells whether somebody is logged in.
func (a *Agent) in() bool { return a != nil && a.State != LoggedOut }

// id of the agent who is or was logged in, "" for none.
func (a *Agent) id() string {
	if a == nil {
		return ""
	}
	return a.ID
}

// login is the claim time of the login, 0 for none.
func (a *Agent) login() int64 {
	if a == nil {
		return 0
	}
	return a.Login
}

// Same compares all: two that are Equal may have logged in at different times.
func (a *Agent) Same(b *Agent) bool { return a.Equal(b) && a.login() == b.login() }

// Left tells whether the agent went away from here by logging in at another DN. Nobody is
// at this one until somebody logs in.
func (a *Agent) Left() bool {
	return a != nil && a.State == LoggedOut && len(a.Reasons) == 2 &&
		a.Reasons[0].Key == LoginDN && a.Reasons[1] == KeyValue{LoginReason, LoggedInElsewhere}
}

// claimed is an agent with the claim of his login: that of was, who is the same person
// and stayed, or a new one. It is a itself when it has that already.
func (t *Table) claimed(a, was *Agent) *Agent {
	if a == nil || a == was {
		return a
	}
	claim := int64(0)
	switch {
	case a.ID == was.id() && (was.in() || !a.in()):
		claim = was.login()
	case a.in():
		claim = max(t.cfg.Now().UnixNano(), t.maxClaim+1)
	}
	if a.Login == claim {
		return a
	}
	b := *a
	b.Login = claim
	return &b
}

// outdated tells whether a login at e is earlier than one at f.
func outdated(a *Agent, e *entry, b *Agent, f *entry) bool {
	return b.Login > a.Login || b.Login == a.Login && b.Login != 0 && e.number < f.number
}

// present is what a keeper says of the agent at an entry, or, when he has logged in at
// another one since, that he left.
func (t *Table) present(e *entry, a *Agent) *Agent {
	if !a.in() || !e.shared && e.told.agent.id() == a.ID {
		return a
	}
	var last *entry
	t.logins.each(a.ID, func(f *entry) {
		if f != e && outdated(a, e, f.told.agent, f) && (last == nil || outdated(last.told.agent, last, f.told.agent, f)) {
			last = f
		}
	})
	if last == nil {
		return a
	}
	since := last.told.agent.Login
	if was := e.told.agent; was.Left() && was.ID == a.ID && was.Login == a.Login && was.Since == since {
		return was
	}
	return &Agent{
		ID: a.ID, State: LoggedOut, Since: since, Login: a.Login,
		Reasons: []KeyValue{{LoginDN, string(last.number)}, {LoginReason, LoggedInElsewhere}},
	}
}

// settleLogin keeps the index when what was told of an entry's agent has changed, and
// tells of the other DNs of the agents that this concerns.
func (t *Table) settleLogin(e *entry, was *Agent) {
	is := e.told.agent
	if is.id() == was.id() && is.login() == was.login() {
		return
	}
	if is.id() != was.id() {
		t.logins.drop(was.id(), e)
		t.logins.add(is.id(), e)
	}
	for _, id := range slices.Compact([]string{was.id(), is.id()}) {
		t.retellOthers(id, e)
	}
}

// retellOthers brings what is told of an agent's other DNs up to date.
func (t *Table) retellOthers(id string, but *entry) {
	var others []*entry
	t.logins.each(id, func(f *entry) {
		if f != but {
			others = append(others, f)
		}
	})
	for _, f := range others {
		t.tell(f, NoReason)
	}
}

// leave makes it this node's own word, when it is the keeper, that an entry's agent left.
func (t *Table) leave(e *entry) {
	if !e.told.agent.Left() {
		return
	}
	k := t.keeper(e)
	if k == nil || k.node != 0 {
		return
	}
	was := t.said(e, k).x
	if !was.agentOf().in() {
		return
	}
	x := *was.free()
	x.agent, x.ends = e.told.agent, 0
	x.said = max(t.cfg.Now().UnixNano(), was.said+1)
	k.seq++
	k.x = &x
	t.journals[own].add(e, placeOwn, true)
}

// LoggedIn is the DN at which an agent is logged in, as this node knows; false: at none.
func (t *Table) LoggedIn(id string) (s Status, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	t.logins.each(id, func(e *entry) {
		if v := t.current(e); v.agent.in() && v.agent.ID == id {
			s, ok = t.status(e, v), true
		}
	})
	return s, ok
}

// logins finds the entries of which an agent was told. Guarded by Table.mu.
type logins struct {
	// first has one for each id, which is all for most; more the others.
	first map[string]*entry
	more  map[string][]*entry
}

func newLogins() logins {
	return logins{first: map[string]*entry{}, more: map[string][]*entry{}}
}

func (l *logins) add(id string, e *entry) {
	e.shared = false
	if id == "" {
		return
	}
	f := l.first[id]
	if f == nil {
		l.first[id] = e
		return
	}
	l.more[id] = append(l.more[id], e)
	e.shared, f.shared = true, true
}

func (l *logins) drop(id string, e *entry) {
	if id == "" {
		return
	}
	more := l.more[id]
	if l.first[id] != e {
		more = slices.DeleteFunc(more, func(f *entry) bool { return f == e })
	} else if len(more) > 0 {
		l.first[id], more = more[0], more[1:]
	} else {
		delete(l.first, id)
	}
	if len(more) > 0 {
		l.more[id] = more
		return
	}
	delete(l.more, id)
	if f := l.first[id]; f != nil {
		f.shared = false
	}
}

func (l *logins) each(id string, visit func(*entry)) {
	if e := l.first[id]; e != nil {
		visit(e)
	}
	for _, e := range l.more[id] {
		visit(e)
	}
}
