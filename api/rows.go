package api

import (
	"iter"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// row is one DN as this node sees it: its configuration, its status, or both.
type row struct {
	number string
	// config is nil when the DN is not configured here (yet).
	config *configpb.DN
	// status counts when known: some node has or had a registration.
	status dn.Status
	known  bool
}

// rows joins configuration and table, ordered by number, behind after.
func rows(view *fsm.View, table *dn.Table, after string) iter.Seq[row] {
	return func(yield func(row) bool) {
		statuses := statusReader{table: table, after: dn.Number(after)}
		for config := range view.DNs(after) {
			s := statuses.peek()
			for ; s != nil && string(s.Number) < config.Number; s = statuses.peek() {
				if !yield(row{number: string(s.Number), status: *s, known: true}) {
					return
				}
				statuses.skip()
			}
			r := row{number: config.Number, config: config}
			if s != nil && string(s.Number) == config.Number {
				r.status, r.known = *s, true
				statuses.skip()
			}
			if !yield(r) {
				return
			}
		}
		for s := statuses.peek(); s != nil; s = statuses.peek() {
			if !yield(row{number: string(s.Number), status: *s, known: true}) {
				return
			}
			statuses.skip()
		}
	}
}

// statusReader turns the table's Range into something to pull from, in chunks,
// so that a join holds no lock of the table while it works.
type statusReader struct {
	table *dn.Table
	after dn.Number
	chunk []dn.Status
	next  int
	done  bool
}

// The chunks grow, so that a short page reads little.
const (
	firstChunk = 64
	maxChunk   = 512
)

// peek returns the next status, or nil behind the last.
func (s *statusReader) peek() *dn.Status {
	if s.next == len(s.chunk) {
		if s.done {
			return nil
		}
		s.fill()
		if len(s.chunk) == 0 {
			return nil
		}
	}
	return &s.chunk[s.next]
}

func (s *statusReader) skip() { s.next++ }

func (s *statusReader) fill() {
	size := min(max(firstChunk, 2*cap(s.chunk)), maxChunk)
	if cap(s.chunk) < size {
		s.chunk = make([]dn.Status, 0, size)
	}
	s.chunk, s.next = s.chunk[:0], 0
	s.table.Range(s.after, func(st dn.Status) bool {
		s.chunk = append(s.chunk, st)
		return len(s.chunk) < size
	})
	if s.done = len(s.chunk) < size; len(s.chunk) > 0 {
		s.after = s.chunk[len(s.chunk)-1].Number
	}
}

func (r row) kind() configpb.DNKind { return r.config.GetKind() }

// registered tells whether the DN's state comes from registrations.
func (r row) registered() bool {
	return r.kind() != configpb.DNKind_DN_KIND_ROUTING_POINT && r.kind() != configpb.DNKind_DN_KIND_TRUNK
}

// state of the DN and the reason for it.
func (r row) state() (dn.State, dn.Reason) {
	switch {
	case r.config.GetDisabled():
		return dn.OOS, dn.Admin
	case !r.registered():
		return dn.InSrv, dn.NoReason
	default:
		return r.status.State, r.status.Reason
	}
}

// routable tells whether a call can be sent to the DN now.
func (r row) routable(view *fsm.View) bool {
	k := r.kind()
	return (k == configpb.DNKind_DN_KIND_SIP || k == configpb.DNKind_DN_KIND_PSTN) &&
		!r.config.GetDisabled() && r.status.Routable(view.LoginRequired(r.config))
}

// page is an answer in the making. Its messages come from slabs: a page of
// 10,000 DNs costs a few allocations, not 20,000.
type page struct {
	names  *nodeNames
	dns    []*tcpb.DNStatus
	slab   []tcpb.DNStatus
	stamps []timestamppb.Timestamp
	size   int
}

const slab = 256

func newPage(view *fsm.View, size int) *page {
	return &page{names: &nodeNames{view: view}, dns: make([]*tcpb.DNStatus, 0, min(size, 4096)), size: size}
}

func (p *page) add(r row) {
	if len(p.slab) == 0 {
		n := min(slab, p.size-len(p.dns))
		p.slab, p.stamps = make([]tcpb.DNStatus, n), make([]timestamppb.Timestamp, n)
	}
	m, t := &p.slab[0], &p.stamps[0]
	p.slab, p.stamps = p.slab[1:], p.stamps[1:]
	state, reason := r.state()
	m.Dn, m.Kind = r.number, r.kind().Word()
	m.State, m.Reason = stateOf(state), tcpb.Reason(reason)
	m.Owner, m.Site = p.names.of(r.status.Owner)
	m.Standby, m.StandbySite = p.names.of(r.status.Standby)
	m.Routable = r.routable(p.names.view)
	m.Agent, m.Busy, m.Reserved = agentStatus(r.status.Agent), r.status.Busy, r.status.Reserved
	if r.status.Since != 0 {
		stamp(t, r.status.Since)
		m.Since = t
	}
	p.dns = append(p.dns, m)
}

// agentStatus is what clients see of an agent; nil when nobody ever logged in.
func agentStatus(a *dn.Agent) *tcpb.AgentStatus {
	if a == nil {
		return nil
	}
	m := &tcpb.AgentStatus{Id: a.ID, State: tcpb.AgentState(a.State) + 1, WorkMode: uint32(a.Mode), Since: &timestamppb.Timestamp{}}
	stamp(m.Since, a.Since)
	if len(a.Reasons) > 0 {
		m.Reasons = make(map[string]string, len(a.Reasons))
	}
	for _, r := range a.Reasons {
		m.Reasons[r.Key] = r.Value
	}
	return m
}

// stamp sets t to ns since the epoch.
func stamp(t *timestamppb.Timestamp, ns int64) {
	t.Seconds, t.Nanos = ns/1e9, int32(ns%1e9)
}

func stateOf(s dn.State) tcpb.DNState {
	if s == dn.InSrv {
		return tcpb.DNState_DN_STATE_IN_SRV
	}
	return tcpb.DNState_DN_STATE_OOS
}

// nodeNames turns node ids into what people call them.
type nodeNames struct {
	view       *fsm.View
	id         dn.Node
	name, site string
}

// of returns the node's name and site. A node that this roster does not know
// (yet, or any more) goes by its id.
func (n *nodeNames) of(id dn.Node) (name, site string) {
	if id == "" {
		return "", ""
	}
	if id != n.id {
		n.id, n.name, n.site = id, string(id), ""
		if node := n.view.Node(string(id)); node != nil {
			n.name, n.site = node.Name, node.Site
		}
	}
	return n.name, n.site
}
