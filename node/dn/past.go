package dn

// Past is a change of a DN that clients were told of.
type Past struct {
	// At is when this node saw it, ns since the epoch.
	At int64
	// By is the node whose word it is: the one that has or had the DN, or this node for
	// what it found out by itself, as that the owner is lost.
	By   Node
	What What
	// What the DN was then. OOS with an owner: one that could not be heard.
	State  State
	Reason Reason
	Owner  Node
	// Since is when State began, ns since the epoch, by the clock of the node whose word it is.
	Since int64
	Agent *Agent
	Busy, Reserved, DoNotDisturb,
	CoolingDown bool
}

// say puts what the entry is now into the visible stream, and tells of it.
func (t *Table) say(e *entry, place uint8) { t.sayBy(e, place, "") }

// sayBy is say of what a node found out; "" has the entry tell whose word it is.
func (t *Table) sayBy(e *entry, place uint8, by Node) {
	t.journals[visible].add(e, place, true)
	if t.cfg.Told == nil {
		return
	}
	v := &e.told
	c := Past{
		At: t.cfg.Now().UnixNano(), By: by, What: What(place), State: v.state, Reason: v.reason, Since: v.since, Agent: v.agent,
		Busy: v.busy, Reserved: v.hold != nil, DoNotDisturb: v.dnd, CoolingDown: v.cool,
	}
	if v.owned && t.nodes[v.owner] != nil {
		c.Owner = t.nodes[v.owner].id
	}
	if c.By == "" {
		c.By = t.wordOf(e, c.Owner)
	}
	t.cfg.Told(e.number, c)
}

// wordOf is the node that said what the entry is now.
func (t *Table) wordOf(e *entry, owner Node) Node {
	if e.told.reason == PeerLost {
		return t.cfg.Self
	}
	if owner != "" {
		return owner
	}
	if b := t.latest(e); b != nil {
		return t.nodes[b.node].id
	}
	return t.cfg.Self
}
