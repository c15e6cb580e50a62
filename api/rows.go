package api

import (
	"iter"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/dnview"
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

// members are the rows of the DNs of a group, and of routing points that name it.
func members(view *fsm.View, table *dn.Table, group, after string) iter.Seq[row] {
	return func(yield func(row) bool) {
		for config := range view.Members(group, after) {
			r := row{number: config.GetNumber(), config: config}
			r.status, r.known = table.Get(dn.Number(r.number))
			if !yield(r) {
				return
			}
		}
	}
}

// free are the rows of the DNs of a group that a call can be sent to as far as the table knows.
func free(view *fsm.View, table *dn.Table, group, after string) iter.Seq[row] {
	return func(yield func(row) bool) {
		table.Free(group, dn.Number(after), func(s dn.Status) bool {
			return yield(row{number: string(s.Number), config: view.DN(string(s.Number)), status: s, known: true})
		})
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

// state of the DN and the reason for it.
func (r row) state() (dn.State, dn.Reason) { return dnview.State(r.config, &r.status) }

// routable tells whether a call can be sent to the DN now.
func (r row) routable(view *fsm.View) bool { return dnview.Routable(view, r.config, &r.status) }

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
	m.Dn = r.number
	m.Owner, m.Site = p.names.of(r.status.Owner)
	m.Standby, m.StandbySite = p.names.of(r.status.Standby)
	dnview.Fill(m, t, p.names.view, r.config, &r.status)
	p.dns = append(p.dns, m)
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
