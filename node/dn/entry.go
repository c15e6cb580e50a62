package dn

// record is what one node says about the entry's DN, packed.
type record struct {
	claim  int64
	since  int64
	floor  int64
	seq    uint32
	way    Way
	node   uint8
	state  State
	reason Reason
	traits traits
	x      *extra
}

// place is where an entry stands in a journal: the visible one has a place for
// each kind of change, so that an event says what changed.
const (
	placeState = iota
	placeAgent
	placeUse
	placeOwner
	placeOwn
	places
)

// entry is a DN and all that is known of it. Guarded by Table.mu.
type entry struct {
	number Number
	// recs has at most one record a node; mostly there is just one.
	recs []record
	// told is what the visible stream said last, and seq the entry's places
	// there and in the own stream: their lower bits, by which positions in the
	// rings are told apart.
	told told
	seq  [places]uint32
	// holds is how many reservations the stream told of.
	holds uint8
	// gone is why this node took its word back.
	gone Reason
	// late is this node's last word about a DN that went to another one: first
	// its record as it was, which peers may not have heard yet, then the
	// farewell. nil when there is nothing to say, or the DN is registered here.
	late *record
	// calls is how many the stream told of, 255 for more.
	calls uint8
	// shared: the agent of whom was told is or was logged in at other DNs too.
	shared bool
	share  share
	// grouped: it is in groups; seated: clients have registered it beside its phone.
	grouped, seated bool
}

// told is the visible part of an entry.
type told struct {
	since  int64
	owner  uint8
	owned  bool
	state  State
	reason Reason
	// from is the node that had the DN before the last switch, and one more; 0 for none.
	from uint8
	// Beside the state; dnd and cool: its owner says so.
	busy, dnd, cool bool
	agent           *Agent
	// hold reserves it; nil is nothing.
	hold *extra
}

// noteCalls tells whether the DN has more or fewer calls than the stream told of.
func (e *entry) noteCalls(u Uses) bool {
	was := e.calls
	e.calls = uint8(min(u.Calls, 255))
	return was != e.calls
}

// noteHolds tells whether the DN has more or fewer reservations than the stream told of.
func (e *entry) noteHolds(n uint8) bool {
	was := e.holds
	e.holds = n
	return was != n
}

// toldAt tells whether clients were told that a node has the DN.
func (e *entry) toldAt(node uint8) bool { return e.told.owned && e.told.owner == node }

// by finds the record of a node.
func (e *entry) by(node uint8) *record {
	for i := range e.recs {
		if e.recs[i].node == node {
			return &e.recs[i]
		}
	}
	return nil
}

// put sets the record of r's node, and returns what that said before.
func (e *entry) put(r record) (was *extra) {
	if old := e.by(r.node); old != nil {
		was, *old = old.x, r
		return was
	}
	if e.recs == nil {
		e.recs = make([]record, 0, 1)
	}
	e.recs = append(e.recs, r)
	return nil
}

// drop removes the record of a node and tells whether there was one, and what it said.
func (e *entry) drop(node uint8) (was *extra, dropped bool) {
	for i := range e.recs {
		if e.recs[i].node == node {
			was = e.recs[i].x
			last := len(e.recs) - 1
			e.recs[i] = e.recs[last]
			e.recs = e.recs[:last]
			return was, true
		}
	}
	return nil, false
}

// maxClaim is the greatest claim time of the DN in all tables, and behind all times
// by which its ways are ordered.
func (e *entry) maxClaim() int64 {
	var m int64
	for i := range e.recs {
		r := &e.recs[i]
		if m = max(m, r.claim); r.way.Line != 0 {
			m = max(m, r.since)
		}
	}
	return m
}
