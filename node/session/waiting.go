package session

import (
	"context"
	"slices"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
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
func (f *feeder) repeatWaiting(n dn.Number, hears bool) {
	router := f.waitingAt()
	if router == nil || f.c.view().DN(string(n)).GetKind() != configpb.DNKind_DN_KIND_ROUTING_POINT {
		return
	}
	calls, at := router.Waiting(n)
	if !hears {
		f.audience.dns[n] = place{f.audience.dns[n].dn, at}
	}
	f.waiting.due = slices.DeleteFunc(f.waiting.due, func(d dueRows) bool { return d.rp == n }) // these are newer
	f.waiting.due = append(f.waiting.due, dueRows{n, at, f.events.waiting(f.audience.self, calls)})
	f.tellDue()
}

// waitingAt is who knows of calls that wait; nil when the session doesn't hear
// of them.
func (f *feeder) waitingAt() Router {
	if f.audience.port != DefaultPort {
		return nil
	}
	return f.c.cfg.Router
}

// hearCalls takes what the table of calls says. Behind the calls of a snapshot
// come those that wait.
func (f *feeder) hearCalls(ctx context.Context, b batch[call.Item]) {
	began, before := f.hearing.phase == beginning, f.hearing.sent.call
	f.takeCalls(ctx, b)
	switch {
	case began && f.hearing.phase != beginning && f.hearing.snapshot:
		f.snapshotWaiting()
	case before < f.waiting.upTo:
		f.out.events = slices.DeleteFunc(f.out.events, func(e *tlibpb.Event) bool { return f.waiting.tells(f.c.view(), e) })
		f.tellDue()
	default:
		f.tellDue()
	}
}

// snapshotWaiting tells of the calls that wait wherever the client listens.
func (f *feeder) snapshotWaiting() {
	router, view, self := f.waitingAt(), f.c.view(), f.c.table.Self()
	if router == nil {
		return
	}
	calls, at := router.Waiting("")
	calls = slices.DeleteFunc(calls, func(w routing.Waiting) bool { return !f.audience.hearsCall(view, w.RP, self, 0) })
	f.waiting = waitingRows{upTo: at}
	f.out.add(f.events.waiting(f.audience.self, calls)...)
}

// tells whether the rows have told an event: one about a call at a routing point,
// from before them.
func (w *waitingRows) tells(view *fsm.View, e *tlibpb.Event) bool {
	if e.GetCallSeq() == 0 || e.GetCallSeq() > w.upTo || e.GetReferenceId() != 0 {
		return false
	}
	return view.DN(e.GetThisDn()).GetKind() == configpb.DNKind_DN_KIND_ROUTING_POINT
}

// tellDue tells the rows whose place has come, in order with what the session
// is about to say.
func (f *feeder) tellDue() {
	for len(f.waiting.due) > 0 && f.hearing.phase != beginning {
		d := f.waiting.due[0]
		if d.at > f.hearing.sent.call {
			return
		}
		f.waiting.due = f.waiting.due[1:]
		i := slices.IndexFunc(f.out.events, func(e *tlibpb.Event) bool { return e.GetCallSeq() > d.at })
		if i < 0 {
			i = len(f.out.events)
		}
		f.out.events = slices.Insert(f.out.events, i, d.rows...)
	}
}
