// Package call is the call plane: which calls are up in the cluster, who has
// part in each, and what happened to them, event by event. It holds this node's
// own calls, a copy of every peer's, and two logs of events: of the own calls
// for the peers, and of all calls for this node's clients. It knows no SIP, no
// network and no T-Library: routing writes the own calls, tcontroller feeds the
// copies, session reads the result.
package call

import (
	"slices"

	"github.com/sipcluster/sipcluster/node/dn"
)

// State of a party of a call.
type State uint8

const (
	// StateDialing is the caller's before anybody answered.
	StateDialing State = iota
	// StateRinging is a called DN's.
	StateRinging
	// StateEstablished is both's behind the answer.
	StateEstablished
	states
)

// Role of a party.
type Role uint8

const (
	// Caller began the call. A call has one until it is over.
	Caller Role = iota
	// Called is a DN that the call was delivered to.
	Called
	roles
)

// Type of a call; the numbers are the T-Library's.
type Type uint8

const (
	// Unknown type.
	Unknown Type = iota
	// Internal: from DN to DN.
	Internal
	// Inbound came by a trunk.
	Inbound
	// Outbound leaves by a trunk.
	Outbound
	// Consult belongs to another call.
	Consult
	types
)

// Kind of an Event.
type Kind uint8

const (
	// Ringing: the call is offered to a called DN.
	Ringing Kind = iota
	// Established: the party talks.
	Established
	// Released: the party has left the call.
	Released
	// Abandoned: the caller gave up while the called DN rang.
	Abandoned
	// Dialing: a phone has begun the call.
	Dialing
	// Carry: the node has begun to deliver a call of the node Event.Of to the DN, of
	// which only nodes are told, as of its end.
	Carry
	// Dropped: the DN did not take the call.
	Dropped
	// Over: the DN took the call, and it is over.
	Over
	// DataChanged: the call has other user data, told to each party.
	DataChanged
	// Local is told at this node alone, in order with the others: Event.Local
	// says what.
	Local
	// Held: the party holds the call.
	Held
	// Retrieved: it does so no more.
	Retrieved
	// UserEvent: a client distributes Event.Data to the DN, as a party of the call or, with
	// Call "", in none. Node is the one that it asked. It changes nothing.
	UserEvent
)

const (
	// Waits: the call has begun to wait at the routing point Event.ThisDN, for an agent of
	// the group OtherDN, "" before one was chosen.
	Waits Kind = 14
	// Left: it waits there no more. OtherDN is where it went; "" when it ended there, by
	// Cause.
	Left Kind = 15
	// Chosen: it goes on to wait there for an agent of another group.
	Chosen Kind = 16
)

// Waiting tells whether the event is about a routing point. Clients hear of such events
// though nobody has rung yet.
func (k Kind) Waiting() bool { return k == Waits || k == Left || k == Chosen }

// NodeLost is the Cause of a party's release when the node that had the call
// died or was removed from the cluster. It is no SIP status code.
const NodeLost = 1

// Info is what is known of a call beside its parties. It never changes once it
// was given to others; a call whose data change gets another one.
type Info struct {
	// Caller is the DN that the call came from: a phone's or a trunk's.
	Caller dn.Number
	Type   Type
	// ANI is the caller's number as shown, DNIS the number that was dialled.
	ANI, DNIS string
	// Began is when the call arrived, ns since the epoch.
	Began int64
	// UserData of the call; nil for none.
	UserData map[string]string
	// LastQueue is the routing point at which the call was last, "" for none.
	LastQueue dn.Number
	// Transfer says which call goes on by this one; nil: none. It is so from the start.
	Transfer *Transfer
}

// Party of a call.
type Party struct {
	DN    dn.Number
	Role  Role
	State State
	// Other is the number of the other party as shown.
	Other string
	// Since is when State began, ns since the epoch.
	Since int64
	// HeldSince is since when the party holds the call, ns since the epoch; 0: it does not.
	HeldSince int64
	// At is the node by which the call goes to a called DN; "" for not said.
	At dn.Node
}

// Queue is where a call waits. Immutable.
type Queue struct {
	// RP is the routing point, Group the agents that it waits for, "" before they were
	// chosen.
	RP    dn.Number
	Group string
	// Since is when it began to wait there, ns since the epoch.
	Since int64
}

// Call that is up. It never changes once it was given to others.
type Call struct {
	ID ID
	// Node that has the call, from start to end.
	Node dn.Node
	*Info
	// Parties, the caller first.
	Parties []Party
	// Queue where it waits; nil when it does not.
	Queue *Queue
}

// MaxParties of a call at a time.
const MaxParties = 16

// Event is what happened to one party of a call. It never changes once it was
// given to others.
type Event struct {
	Kind Kind
	Call ID
	Node dn.Node
	// ThisDN is the party, in this role, and OtherDN the other's number as shown. Of a call
	// that waits, see Waits and Left.
	ThisDN  dn.Number
	Role    Role
	OtherDN string
	// Of is the node that has the call, when another one carries it: Carry, Dropped, Over. Of
	// Ringing it is the one by which the call goes to the DN, "" for not said.
	Of dn.Node
	// Time of the event, ns since the epoch.
	Time int64
	// Cause of a release: the SIP status code that ended it, 0 when somebody
	// hung up, or NodeLost.
	Cause int
	// Why, in words, where more is known than the Cause says; "" otherwise.
	Why string
	// Info of the call at that time. From a peer nil: as it was told before.
	*Info
	// Fresh: the first event of the call with this Info.
	Fresh bool
	// Local is what a Kind Local tells.
	Local any
	// Data of a UserEvent.
	Data map[string]string
	// Move is what a transfer has to do with it; nil: nothing. Only clients are told.
	Move *Move
}

// newCall is a call at which nobody rings yet.
func newCall(id ID, node dn.Node, info *Info) *Call {
	return &Call{ID: id, Node: node, Info: info, Parties: []Party{{DN: info.Caller, Role: Caller, Other: info.DNIS, Since: info.Began}}}
}

func (c *Call) find(n dn.Number, r Role) int {
	return slices.IndexFunc(c.Parties, func(p Party) bool { return p.DN == n && p.Role == r })
}

// Party returns the party of that role, nil when there is none.
func (c *Call) Party(n dn.Number, r Role) *Party {
	if i := c.find(n, r); i >= 0 {
		return &c.Parties[i]
	}
	return nil
}

// after is the call behind an event of its own, without parties when it is over.
// False: the event does not fit, nothing may come of it.
func (c *Call) after(e *Event) (*Call, bool) {
	i := c.find(e.ThisDN, e.Role)
	next := *c
	if e.Info != nil {
		next.Info = e.Info
	}
	p := Party{DN: e.ThisDN, Role: e.Role, State: StateRinging, Other: e.OtherDN, Since: e.Time}
	if e.Kind == Ringing {
		p.At = e.Of
	} else if i >= 0 {
		p.At = c.Parties[i].At
	}
	switch e.Kind {
	case Ringing, Established:
		if e.Kind == Established {
			p.State = StateEstablished
		}
		switch {
		case i >= 0 && c.Parties[i].State < p.State && (e.Role == Called || p.State == StateEstablished):
			next.Parties = slices.Clone(c.Parties)
			next.Parties[i] = p
		case i < 0 && e.Role == Called && len(c.Parties) < MaxParties:
			next.Parties = append(slices.Clip(c.Parties), p)
		default:
			return nil, false
		}
	case Released, Abandoned:
		if i < 0 || e.Kind == Abandoned && c.Parties[i].State != StateRinging {
			return nil, false
		}
		next.Parties = slices.Concat(c.Parties[:i], c.Parties[i+1:])
	case Waits, Left, Chosen:
		return &next, next.queues(e)
	case DataChanged:
		return &next, i >= 0
	case Held, Retrieved:
		return &next, i >= 0 && next.holds(i, e)
	case Dialing: // the caller is in it from the start
		return &next, e.Role == Caller && i == 0 && c.Parties[0].State == StateDialing
	default:
		return nil, false
	}
	return &next, true
}

// holds does an event of a party that holds the call, or does so no more. False: it does
// not fit.
func (c *Call) holds(i int, e *Event) bool {
	p, since := c.Parties[i], int64(0)
	if e.Kind == Held {
		since = e.Time
	}
	if p.State != StateEstablished || (p.HeldSince == 0) == (since == 0) {
		return false
	}
	p.HeldSince = since
	c.Parties = slices.Clone(c.Parties)
	c.Parties[i] = p
	return true
}

// queues does an event of a call that waits. False: it does not fit.
func (c *Call) queues(e *Event) bool {
	was := c.Queue
	here := was != nil && was.RP == e.ThisDN
	switch e.Kind {
	case Left:
		c.Queue = nil
		return here
	case Chosen:
		if !here || was.Group == e.OtherDN {
			return false
		}
		c.Queue = &Queue{RP: was.RP, Group: e.OtherDN, Since: was.Since}
		return true
	}
	c.Queue = &Queue{RP: e.ThisDN, Group: e.OtherDN, Since: e.Time}
	return was == nil
}

// waits and left are what is told of a call that waits, or does no more.
func (c *Call) waits() *Event {
	q := c.Queue
	return &Event{Kind: Waits, Call: c.ID, Node: c.Node, ThisDN: q.RP, Role: Called, OtherDN: q.Group, Time: q.Since, Info: c.Info}
}

func (c *Call) left(to string, at int64, cause int) *Event {
	return &Event{Kind: Left, Call: c.ID, Node: c.Node, ThisDN: c.Queue.RP, Role: Called, OtherDN: to, Time: at, Cause: cause, Info: c.Info}
}

// event about a party of the call.
func (c *Call) event(k Kind, p *Party, at int64, cause int) *Event {
	return &Event{Kind: k, Call: c.ID, Node: c.Node, ThisDN: p.DN, Role: p.Role, OtherDN: p.Other, Time: at, Cause: cause, Info: c.Info}
}

// endings are the events that end the call: the caller's release first, then
// Abandoned where it rings when the caller gave up, otherwise Released.
func (c *Call) endings(at int64, cause int, gaveUp bool) []*Event {
	out := make([]*Event, 0, len(c.Parties)+1)
	if c.Queue != nil {
		out = append(out, c.left("", at, cause))
	}
	for i := range c.Parties {
		p, k := &c.Parties[i], Released
		if gaveUp && p.State == StateRinging {
			k = Abandoned
		}
		out = append(out, c.event(k, p, at, cause))
	}
	return out
}

// changes are the events that lead from the call as it is known to what a
// snapshot says of it.
func (c *Call) changes(to *Call, at int64) []*Event {
	var out []*Event
	was, is := c.Queue, to.Queue
	if was != nil && (is == nil || is.RP != was.RP || is.Since != was.Since) {
		out, was = append(out, c.left("", at, 0)), nil
	}
	switch {
	case is == nil:
	case was == nil:
		out = append(out, to.waits())
	case was.Group != is.Group:
		chosen := to.waits()
		chosen.Kind, chosen.Time = Chosen, at
		out = append(out, chosen)
	}
	for i := range c.Parties {
		p := &c.Parties[i]
		if now := to.Party(p.DN, p.Role); now == nil || now.State < p.State || now.State == p.State && now.Since != p.Since {
			out = append(out, c.event(Released, p, at, 0))
		}
	}
	for i := range to.Parties {
		p := &to.Parties[i]
		was := c.Party(p.DN, p.Role)
		held := false
		if was != nil && was.State == p.State && was.Since == p.Since {
			held = was.HeldSince != 0
		} else if k := p.State.kind(); k != Dialing {
			out = append(out, to.event(k, p, p.Since, 0))
		}
		switch {
		case !held && p.HeldSince != 0:
			out = append(out, to.event(Held, p, p.HeldSince, 0))
		case held && p.HeldSince == 0:
			out = append(out, to.event(Retrieved, p, at, 0))
		}
	}
	return out
}

// kind is the event by which a party comes into the state.
func (s State) kind() Kind {
	switch s {
	case StateRinging:
		return Ringing
	case StateEstablished:
		return Established
	}
	return Dialing
}

// Rows are the events by which somebody hears of a party who knows nothing of the call.
func (c *Call) Rows(p *Party) []Event {
	rows := []Event{*c.event(p.State.kind(), p, p.Since, 0)}
	if p.HeldSince != 0 {
		rows = append(rows, *c.event(Held, p, p.HeldSince, 0))
	}
	return rows
}
