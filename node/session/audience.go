package session

import (
	"iter"
	"maps"
	"slices"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// audience is which DNs and calls a session's client hears of: by its port, by
// what it registered, and by what it monitors.
type audience struct {
	self    dn.Node
	port    Port
	events  *events
	monitor *monitor // nil when it monitors nothing
	ownOnly bool
	// dns are the session's registrations, with the place behind which each
	// one's events count.
	dns map[dn.Number]place
	// inside are DNs that a client of the default port, or one that monitors
	// only some owners, believes to be there.
	inside map[dn.Number]struct{}
	// chosen are the registrations, in order, of which the snapshot has rows.
	chosen []dn.Number
}

// wanted tells whether the client hears of such an event of the DN.
func (a *audience) wanted(view *fsm.View, n dn.Number, k tlibpb.EventKind) bool {
	_, mine := a.dns[n]
	return mine || a.monitor.wants(k) && a.monitor.member(n, view.DN(string(n)))
}

// rows are the DNs whose rows in a snapshot the client may want: nil where that is any.
func (a *audience) rows(view func() *fsm.View) func(after dn.Number) iter.Seq[dn.Number] {
	m := a.monitor
	wants := func(kinds ...tlibpb.EventKind) bool { return slices.ContainsFunc(kinds, m.wants) }
	mine := slices.Sorted(maps.Keys(a.dns))
	a.chosen = mine
	switch {
	case !wants(tlibpb.EventKind_EVENT_KIND_DN, tlibpb.EventKind_EVENT_KIND_AGENT, tlibpb.EventKind_EVENT_KIND_USE):
		return func(after dn.Number) iter.Seq[dn.Number] { return slices.Values(behind(mine, after)) }
	case m.group != "":
		return func(after dn.Number) iter.Seq[dn.Number] { return merged(behind(mine, after), m.dns(view(), after)) }
	}
	return nil
}

// beginAnew forgets what the client believed before a snapshot, whose rows tell it anew; but
// not of what it registered when the rows were chosen already, which its answer told.
func (a *audience) beginAnew() {
	maps.DeleteFunc(a.inside, func(n dn.Number, _ struct{}) bool {
		_, mine := a.dns[n]
		_, again := slices.BinarySearch(a.chosen, n)
		return !mine || again
	})
}

// behind are the numbers of a sorted list that come behind one.
func behind(list []dn.Number, after dn.Number) []dn.Number {
	i, found := slices.BinarySearch(list, after)
	if found {
		i++
	}
	return list[i:]
}

// merged yields the numbers of both, which are in order, in order and once.
func merged(list []dn.Number, dns iter.Seq[*configpb.DN]) iter.Seq[dn.Number] {
	return func(yield func(dn.Number) bool) {
		for d := range dns {
			n := dn.Number(d.GetNumber())
			for ; len(list) > 0 && list[0] < n; list = list[1:] {
				if !yield(list[0]) {
					return
				}
			}
			if len(list) > 0 && list[0] == n {
				list = list[1:]
			}
			if !yield(n) {
				return
			}
		}
		for _, n := range list {
			if !yield(n) {
				return
			}
		}
	}
}

// judge applies what depends on the owner: at the default port, or by the
// monitor's filter, a DN of another node is not there; one that leaves is told
// once more. It may change the item.
func (a *audience) judge(it *dn.Item) bool {
	st := &it.Status
	_, mine := a.dns[st.Number]
	own := a.ownOnly || a.port == DefaultPort
	byOwner := !mine && a.monitor != nil && a.monitor.owner != ""
	if !own && !byOwner || mine && a.port == TCport {
		return true
	}
	is := !own || st.Keeper == a.self
	if byOwner {
		name, _ := a.events.nameAndSite(st.Owner)
		is = is && name == a.monitor.owner
	}
	_, was := a.inside[st.Number]
	switch {
	case is:
		a.inside[st.Number] = struct{}{}
		if !was && it.What == dn.OwnerChange {
			it.What = dn.StateChange // for this client it was not in service
		}
	case was:
		delete(a.inside, st.Number)
		if own {
			st.State, st.Reason, st.Owner, it.What = dn.OOS, dn.OwnerMoved, "", dn.StateChange
		}
	}
	return is || was
}

// hearsCall tells whether the client hears of a call at the DN that a node has.
// seq is 0 for rows.
func (a *audience) hearsCall(view *fsm.View, n dn.Number, node dn.Node, seq uint64) bool {
	own := node == a.self
	if a.port == DefaultPort && !own {
		return false
	}
	if since, mine := a.dns[n]; mine {
		return seq == 0 || seq > since.call
	}
	if !a.monitor.wants(tlibpb.EventKind_EVENT_KIND_CALL) || a.ownOnly && !own || !a.monitor.member(n, view.DN(string(n))) {
		return false
	}
	if a.monitor.owner == "" {
		return true
	}
	name, _ := a.events.nameAndSite(node)
	return name == a.monitor.owner
}

// hearsQueue tells whether the client hears of a call that waits at a routing point of a
// node, or with left of its end there. One that monitors a group hears of the calls that
// wait for it, and of these until they have left the group or their routing point.
func (a *audience) hearsQueue(view *fsm.View, id call.ID, q *call.Queue, left bool, node dn.Node) bool {
	m := a.monitor
	switch {
	case a.port != TCport, m == nil, !m.kinds[tlibpb.EventKind_EVENT_KIND_QUEUE], a.ownOnly && node != a.self:
		return false
	case m.who.Bounded() && !m.who.Hears(view.DN(string(q.RP))):
		return false
	}
	if m.owner != "" {
		if name, _ := a.events.nameAndSite(node); name != m.owner {
			return false
		}
	}
	if m.group == "" {
		return true
	}
	_, told := m.queued[id]
	if is := !left && q.Group == m.group; is {
		m.queued[id] = struct{}{}
		return true
	}
	delete(m.queued, id)
	return told
}

// foreign tells whether the session must not see the DN: it is another node's.
func (a *audience) foreign(st *dn.Status) bool {
	return a.port == DefaultPort && st.Keeper != "" && st.Keeper != a.self
}
