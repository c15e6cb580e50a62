package session

import (
	"context"
	"slices"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/routing"
)

// waitingRows are what a session of the default port hears of the calls that
// wait at routing points: EventQueued and, where a router is asked,
// EventRouteRequest, as rows. They come with a snapshot, and when a routing
// point is registered.
type waitingRows struct {
	due []dueRows
	// upTo is a position: what was told of routing points before is in the rows
	// of the snapshot.
	upTo uint64
}

// dueRows of a routing point are told at their position in the log of calls.
type dueRows struct {
	rp   dn.Number
	at   uint64
	rows []*tlibpb.Event
}

// repeatWaiting tells of the calls that wait at a routing point, which was just
// registered. A client that hears of it already is told in order with that;
// another one hears what comes behind.
func (s *session) repeatWaiting(n dn.Number, hears bool) {
	router := s.waitingAt()
	if router == nil || s.c.view().DN(string(n)).GetKind() != configpb.DNKind_DN_KIND_ROUTING_POINT {
		return
	}
	calls, at := router.Waiting(n)
	if !hears {
		s.dns[n] = place{s.dns[n].dn, at}
	}
	s.waiting.due = slices.DeleteFunc(s.waiting.due, func(d dueRows) bool { return d.rp == n }) // these are newer
	s.waiting.due = append(s.waiting.due, dueRows{n, at, s.rowsOf(calls)})
	s.tellDue()
}

// waitingAt is who knows of calls that wait; nil when the session doesn't hear
// of them.
func (s *session) waitingAt() Router {
	if s.port != DefaultPort {
		return nil
	}
	return s.c.cfg.Router
}

// hearCalls takes what the table of calls says. Behind the calls of a snapshot
// come those that wait.
func (s *session) hearCalls(ctx context.Context, b batch[call.Item]) {
	began, before := s.phase == beginning, s.sent.call
	s.takeCalls(ctx, b)
	switch {
	case began && s.phase != beginning && s.snapshot:
		s.snapshotWaiting()
	case before < s.waiting.upTo:
		s.out = slices.DeleteFunc(s.out, s.inRows)
		s.tellDue()
	default:
		s.tellDue()
	}
}

// snapshotWaiting tells of the calls that wait wherever the client listens.
func (s *session) snapshotWaiting() {
	router, view, self := s.waitingAt(), s.c.view(), s.c.table.Self()
	if router == nil {
		return
	}
	calls, at := router.Waiting("")
	calls = slices.DeleteFunc(calls, func(w routing.Waiting) bool { return !s.hearsCall(view, w.RP, self, 0) })
	s.waiting = waitingRows{upTo: at}
	s.out = append(s.out, s.rowsOf(calls)...)
}

// inRows tells whether an event is about a call at a routing point, and from
// before the rows of those that wait.
func (s *session) inRows(e *tlibpb.Event) bool {
	if e.GetCallSeq() == 0 || e.GetCallSeq() > s.waiting.upTo || e.GetReferenceId() != 0 {
		return false
	}
	return s.c.view().DN(e.GetThisDn()).GetKind() == configpb.DNKind_DN_KIND_ROUTING_POINT
}

// tellDue tells the rows whose place has come, in order with what the session
// is about to say.
func (s *session) tellDue() {
	for len(s.waiting.due) > 0 && s.phase != beginning {
		d := s.waiting.due[0]
		if d.at > s.sent.call {
			return
		}
		s.waiting.due = s.waiting.due[1:]
		i := slices.IndexFunc(s.out, func(e *tlibpb.Event) bool { return e.GetCallSeq() > d.at })
		if i < 0 {
			i = len(s.out)
		}
		s.out = slices.Insert(s.out, i, d.rows...)
	}
}

// rowsOf are the events that tell of calls that wait.
func (s *session) rowsOf(calls []routing.Waiting) []*tlibpb.Event {
	rows := make([]*tlibpb.Event, 0, 2*len(calls))
	row := func(w *routing.Waiting, m tlibpb.Message) {
		w.Message = m
		e := visitEvent(&w.Visit)
		e.Snapshot, e.Time = true, stamp(w.Since.UnixNano())
		e.Owner, e.Site = s.names.of(s.c.table.Self())
		rows = append(rows, e)
	}
	for i := range calls {
		row(&calls[i], tlibpb.Message_EVENT_QUEUED)
		if calls[i].Asked {
			row(&calls[i], tlibpb.Message_EVENT_ROUTE_REQUEST)
		}
	}
	return rows
}
