package dn

import "slices"

// maxPast is how many changes of all DNs together a table remembers.
const maxPast = 1 << 14

// Past is a change of a DN that clients were told of.
type Past struct {
	// At is when this node saw it, ns since the epoch.
	At   int64
	What What
	// What the DN was then. OOS with an owner: one that could not be heard.
	State  State
	Reason Reason
	Owner  Node
	Agent  *Agent
	Busy, Reserved, DoNotDisturb,
	CoolingDown bool
}

// pasts are the last changes, in a ring that grows to maxPast. Guarded by Table.mu.
type pasts struct {
	ring []past
	// head counts all that were ever added.
	head uint64
}

type past struct {
	number Number
	Past
}

func (p *pasts) add(c past) {
	if len(p.ring) < maxPast {
		p.ring = append(p.ring, c)
	} else {
		p.ring[p.head%maxPast] = c
	}
	p.head++
}

// say puts what the entry is now into the visible stream, and remembers it.
func (t *Table) say(e *entry, place uint8) {
	t.journals[visible].add(e, place, true)
	v := &e.told
	c := past{e.number, Past{
		At: t.cfg.Now().UnixNano(), What: What(place), State: v.state, Reason: v.reason, Agent: v.agent,
		Busy: v.busy, Reserved: v.hold != nil, DoNotDisturb: v.dnd, CoolingDown: v.cool,
	}}
	if v.owned && t.nodes[v.owner] != nil {
		c.Owner = t.nodes[v.owner].id
	}
	t.pasts.add(c)
}

// Past returns the last changes of a DN, at most that many, the oldest first. The table
// remembers the last 16,384 changes of all DNs, since it was made.
func (t *Table) Past(n Number, most int) []Past {
	var found []Past
	for at, more := t.pastsOf(n, ^uint64(0), most, &found); more; at, more = t.pastsOf(n, at, most, &found) {
	}
	slices.Reverse(found)
	return found
}

// pastsOf looks at a chunk of the changes before a position, the newest first, and tells
// where the next one begins.
func (t *Table) pastsOf(n Number, before uint64, most int, found *[]Past) (at uint64, more bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p := &t.pasts
	end := p.head - uint64(len(p.ring))
	before = min(before, p.head)
	for at = before; at > end && before-at < chunkSize; {
		at--
		if c := &p.ring[at%maxPast]; c.number == n {
			if len(*found) == most {
				return at, false
			}
			*found = append(*found, c.Past)
		}
	}
	return at, at > end
}
