package dn

import (
	"errors"
	"slices"
	"time"
	"unicode/utf8"
)

// AgentState of the agent at a DN.
type AgentState uint8

const (
	// LoggedOut: nobody is logged in.
	LoggedOut AgentState = iota
	// LoggedIn: logged in, and has said neither ready nor not ready yet.
	LoggedIn
	// NotReady: takes no calls.
	NotReady
	// Ready: takes calls.
	Ready
	agentStates
)

var agentStateNames = [agentStates]string{"logged-out", "logged-in", "not-ready", "ready"}

func (s AgentState) String() string {
	if s < agentStates {
		return agentStateNames[s]
	}
	return "unknown"
}

// WorkMode says what an agent who is not ready does, or how a ready one takes
// calls. The numbers are those of the API's enum.
type WorkMode uint8

// WorkModes is how many work modes there are; 0 is unknown.
const WorkModes WorkMode = 6

// KeyValue is one of the reasons that an agent gave.
type KeyValue struct{ Key, Value string }

// Limits of an Agent.
const (
	// MaxAgentID in bytes.
	MaxAgentID = 64
	// MaxReasons of one agent, of at most MaxReasonKey and MaxReasonValue bytes.
	MaxReasons, MaxReasonKey, MaxReasonValue = 16, 64, 256
)

// Agent is the agent at a DN. It is kept by the DN's owner, stays while the DN
// is out of service, and goes along when the DN moves. Immutable.
type Agent struct {
	// ID of the agent's login.
	ID    string
	State AgentState
	Mode  WorkMode
	// Reasons, ordered by key.
	Reasons []KeyValue
	// Since is when State began, ns since the epoch.
	Since int64
	// Login is the claim time of the login, later than all that its node knew of, ns since
	// the epoch (hybrid logical clock); 0 is that of a node that took none. Amend sets it.
	Login int64
}

// ErrAgent says that an Agent exceeds a limit.
var ErrAgent = errors.New("agent: want an id of at most 64 bytes, and at most 16 reasons, keys of 1 to 64 and values of at most 256 bytes, in UTF-8")

// Check returns ErrAgent when a limit is exceeded; nil is an agent without fault.
func (a *Agent) Check() error {
	if a == nil {
		return nil
	}
	ok := len(a.ID) <= MaxAgentID && utf8.ValidString(a.ID) && a.State < agentStates && a.Mode < WorkModes && len(a.Reasons) <= MaxReasons && 0 <= a.Login && a.Login <= maxClaimTime
	for i, r := range a.Reasons {
		ok = ok && len(r.Key) > 0 && len(r.Key) <= MaxReasonKey && len(r.Value) <= MaxReasonValue &&
			utf8.ValidString(r.Key) && utf8.ValidString(r.Value) && (i == 0 || a.Reasons[i-1].Key < r.Key)
	}
	if !ok {
		return ErrAgent
	}
	return nil
}

// Equal compares what clients are told; nil is like an agent that never logged in.
func (a *Agent) Equal(b *Agent) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a == b || a.ID == b.ID && a.State == b.State && a.Mode == b.Mode && a.Since == b.Since && slices.Equal(a.Reasons, b.Reasons)
}

// MaxLeases are renewed by one message.
const MaxLeases = 10_000

// Lease is how long a reservation holds without a word of its holder's node at the
// owner, and in the others' view without a word of the owner.
const Lease = 2500 * time.Millisecond

// Limits of a Reservation.
const (
	// MaxHolder is the greatest length of a holder in bytes, MaxReserved the
	// longest reservation, ns.
	MaxHolder   = 128
	MaxReserved = int64(3600e9)
	// MaxCool and MaxAgentLeft are the longest times of a Record, ns.
	MaxCool, MaxAgentLeft = int64(3600e9), int64(7200e9)
)

// sane tells whether the times and the registrations by clients of a record are possible.
func (r *Record) sane() bool {
	return 0 <= r.CoolLeft && r.CoolLeft <= MaxCool && 0 <= r.AgentLeft && r.AgentLeft <= MaxAgentLeft && r.Desks.Sound()
}

// extra is what an owner says of a DN beside its state. Immutable; nil is
// nothing to say. Its times are of the table's clock.
type extra struct {
	agent *Agent
	// holds reserve the DN; nil for none.
	holds *hold
	// said is when the agent was changed last, as in Record.
	said int64
	// dnd: it takes no calls.
	dnd bool
	// cool is until when it is left alone because nobody answered; 0 for never.
	cool int64
	// ends is when the agent's state ends by itself; 0 for never.
	ends int64
	// desks of a phone's DN; nil for none.
	desks *Desks
}

// extra makes one of what a record says; nil when that is nothing. It is the
// old one when nothing changed.
func (t *Table) extra(r *Record, old *extra) *extra {
	if r.Agent == nil && r.Reserved.Holder == "" && !r.DoNotDisturb && r.CoolLeft == 0 && r.Desks == nil {
		return nil
	}
	now := t.clock()
	x := &extra{agent: r.Agent, holds: holdsOf(r.Reserved, now), said: r.Said, dnd: r.DoNotDisturb}
	if r.CoolLeft > 0 {
		x.cool = now + r.CoolLeft
	}
	if r.AgentLeft > 0 && r.Agent != nil {
		x.ends = now + r.AgentLeft
	}
	t.maxClaim = max(t.maxClaim, x.agent.login())
	if x.desks = r.Desks; x.desks.Equal(old.seats()) {
		x.desks = old.seats()
	} else if x.desks != nil {
		t.maxClaim = max(t.maxClaim, (*x.desks)[0].Claim)
	}
	if old != nil && old.agent.Same(x.agent) {
		x.agent = old.agent
		if old.said == x.said && old.holds.same(x.holds) && old.sameEnds(x) {
			return old
		}
	}
	return x
}

// near tells whether two times are the same, but for how long the word of them was under way.
func near(a, b int64) bool { return a-b < 1e8 && b-a < 1e8 }

// sayOf tells whether x says the same as y of the agent, and of whether the DN takes calls.
func (x *extra) sayOf(y *extra) bool {
	var none extra
	if x == nil {
		x = &none
	}
	if y == nil {
		y = &none
	}
	return x.agent.Same(y.agent) && x.sameEnds(y)
}

// sameEnds compares all but the agent and the reservation.
func (x *extra) sameEnds(y *extra) bool {
	return x.dnd == y.dnd && (x.cool == 0) == (y.cool == 0) && near(x.cool, y.cool) && (x.ends == 0) == (y.ends == 0) && near(x.ends, y.ends) && x.desks.Equal(y.desks)
}

// took tells whether x is what was taken along of y, and nothing new.
func (x *extra) took(y *extra) bool {
	if x == nil || y == nil {
		return x == y
	}
	return *x == *y
}

// at is when the agent was changed last; 0 when nothing is said.
func (x *extra) at() int64 {
	if x == nil {
		return 0
	}
	return x.said
}

// with is x with the reservation of y.
func (x *extra) with(y *extra) *extra {
	switch {
	case x == y:
		return x
	case y == nil || y.holds == nil:
		return x.free()
	case x == nil:
		return &extra{holds: y.holds}
	}
	z := *x
	z.holds = y.holds
	return &z
}

// agentOf is the agent, nil when nothing is said.
func (x *extra) agentOf() *Agent {
	if x == nil {
		return nil
	}
	return x.agent
}

// free is x without a reservation.
func (x *extra) free() *extra {
	switch {
	case x == nil || x.agent == nil && !x.dnd && x.cool == 0 && x.desks == nil:
		return nil
	case x.holds == nil:
		return x
	}
	y := *x
	y.holds = nil
	return &y
}

// undisturbed tells whether the owner wants no calls for the DN.
func (x *extra) undisturbed() bool { return x != nil && x.dnd }

// cooling tells whether a DN is left alone because nobody answered.
func (t *Table) cooling(x *extra) bool { return x != nil && x.cool != 0 && t.clock() < x.cool }

// left is how long still a time of the table's clock has; 0 when it is over or none.
func left(until, now int64) int64 { return max(0, until-now) }

// sameHold tells whether two that reserve, nil for none, say the same of how many and until
// when.
func (x *extra) sameHold(y *extra) bool {
	if x == nil || y == nil {
		return x == y
	}
	return !x.holds.news(y.holds)
}

// reservation is a record's extra while that reserves the DN, else nil. That of an
// owner that is lost ends with the lease: nobody can renew it there. One whose words
// are just coming is not.
func (t *Table) reservation(r *record) *extra {
	if r.x == nil || r.x.holds == nil {
		return nil
	}
	now, o := t.clock(), t.nodes[r.node]
	if !r.x.reserved(now) || !o.heard && !o.syncing && now >= o.lostClock+int64(Lease) {
		return nil
	}
	return r.x
}

// reserved tells whether a reservation holds at a time of the table's clock.
func (x *extra) reserved(now int64) bool {
	if x != nil {
		for range x.holds.all(now) {
			return true
		}
	}
	return false
}

// say fills in a record.
func (x *extra) say(r *Record, now int64) {
	if x == nil {
		return
	}
	r.Agent, r.Said = x.agent, x.said
	r.DoNotDisturb, r.CoolLeft = x.dnd, left(x.cool, now)
	r.Desks = x.desks
	if x.ends > 0 {
		r.AgentLeft = max(1, x.ends-now) // who is to end it does
	}
	r.Reserved = x.holds.say(now)
}

// Amend changes what this node says of a DN beside its state: r is what Own
// returned, with another Agent or Reserved. False changes nothing: this
// node's record is no longer r's, or a peer has a greater claim; look again.
func (t *Table) Amend(r Record) (Record, bool) {
	if r.Agent.Check() != nil || !r.Reserved.sound() || !r.sane() {
		return Record{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[r.Number]
	if e == nil {
		return Record{}, false
	}
	old := e.by(0)
	if old == nil || old.claim != r.ClaimTime || old.seq != r.Seq || t.keeper(e) != old {
		return Record{}, false
	}
	amended := *old
	amended.seq++
	r.Agent = t.claimed(r.Agent, old.x.agentOf())
	if amended.x = t.extra(&r, old.x); !amended.x.sayOf(old.x) {
		r.Said = max(t.cfg.Now().UnixNano(), t.said(e, old).x.at()+1)
		amended.x = t.extra(&r, old.x)
	}
	t.set(e, amended)
	t.journals[own].add(e, placeOwn, true)
	return t.export(e), true
}
