package session

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// takeCalls turns what the table of calls says into events.
func (f *feeder) takeCalls(ctx context.Context, b batch[call.Item]) {
	view := f.c.view()
	for i := range b.items {
		it := &b.items[i]
		switch it.Kind {
		case feed.Started:
			if f.hearing.callsBegin(ctx, it.Resumed) {
				f.listen(ctx, feed.Cursor{})
				return
			}
		case feed.Row:
			f.queueRow(view, it.Call)
			f.callRow(view, it.Call)
		case feed.EndOfSnapshot:
			f.hearing.readDNs(ctx, f.c.table.Watch(feed.Position{}), beginningDNs)
		case feed.Change:
			f.agentFirst(ctx, it.Event)
			f.callHappened(view, it)
		}
	}
	f.hearing.sent.call = b.seq
	clear(b.items) // they hold what is over by now
	f.hearing.calls.back <- b.items
}

func (f *feeder) callHappened(view *fsm.View, it *call.Item) {
	e := it.Event
	switch {
	case e.Kind.Waiting():
		f.queued(view, it)
	case e.Kind == call.Local:
		if t, ok := e.Local.(*visited); ok && f.audience.port == DefaultPort {
			f.visitTold(view, it, t)
		}
	case e.Kind == call.UserEvent:
		f.userEvent(view, it)
	case f.audience.hearsCall(view, e.ThisDN, e.Node, it.Seq):
		f.out.add(f.callEvent(view, it))
	}
}

// callEvent is what the client is told of a call. Where several monitor all, most hear of
// the same ones.
func (f *feeder) callEvent(view *fsm.View, it *call.Item) *tlibpb.Event {
	made := func() *tlibpb.Event {
		out := f.events.call(it.Event)
		out.CallSeq = it.Seq
		return out
	}
	if f.audience.monitor == nil || f.c.monitors.Load() < 2 {
		return made()
	}
	return f.c.calls.get(it.Seq, view, made)
}

// userEvent tells what a client of some node has distributed.
func (f *feeder) userEvent(view *fsm.View, it *call.Item) {
	e := it.Event
	since, mine := f.audience.dns[e.ThisDN]
	if !(mine && it.Seq > since.call) && !f.audience.hearsCall(view, e.ThisDN, e.Node, it.Seq) {
		return
	}
	out := f.events.distributed(e)
	out.CallSeq = it.Seq
	f.out.add(out)
}

// visitTold tells what happened at a routing point, to who asked for it as the answer.
func (f *feeder) visitTold(view *fsm.View, it *call.Item, t *visited) {
	ref, asked := f.routes[t.answers]
	if asked = asked && t.answers != 0; asked {
		delete(f.routes, t.answers)
	}
	told := t.Event
	switch {
	case asked && t.refused != nil:
		f.out.refuse(ref, "", t.refused)
		return
	case asked && told == nil:
		told = t.answer
	case told == nil, !asked && !f.audience.hearsCall(view, dn.Number(told.GetThisDn()), it.Event.Node, it.Seq):
		return
	}
	told = proto.CloneOf(told)
	told.ReferenceId, told.CallSeq = ref, it.Seq
	if told.GetTime() == nil {
		told.Time = stamp(it.Event.Time)
	}
	told.Owner, told.Site = f.events.nameAndSite(it.Event.Node)
	f.out.add(told)
}

// queued tells who asked for it of calls that wait at whatever node.
func (f *feeder) queued(view *fsm.View, it *call.Item) {
	e := it.Event
	group := e.OtherDN // unless it has left
	if !f.audience.hearsQueue(view, e.Call, &call.Queue{RP: e.ThisDN, Group: group}, e.Kind == call.Left, e.Node) {
		return
	}
	c := queuedCall(&call.Call{ID: e.Call, Info: e.Info}, e.ThisDN)
	out := &tlibpb.Event{ThisDn: string(e.ThisDN), Time: stamp(e.Time), CallSeq: it.Seq}
	switch {
	case e.Kind == call.Waits:
		out.Body = &tlibpb.Event_Queued{Queued: &tlibpb.EventQueued{Call: c, Group: group}}
	case e.Kind == call.Chosen:
		out.Body = &tlibpb.Event_QueueChanged{QueueChanged: &tlibpb.EventQueueChanged{Call: c, Group: group}}
	case e.OtherDN != "":
		out.Body = &tlibpb.Event_Diverted{Diverted: &tlibpb.EventDiverted{Call: c, ThirdPartyDn: e.OtherDN}}
	default:
		out.Body = &tlibpb.Event_Abandoned{Abandoned: &tlibpb.EventAbandoned{Call: c, End: ending(e.Cause, e.Why)}}
	}
	out.Owner, out.Site = f.events.nameAndSite(e.Node)
	f.out.add(out)
}

// queuedCall is a call as its routing point sees it.
func queuedCall(c *call.Call, rp dn.Number) *tlibpb.Call {
	return &tlibpb.Call{
		ConnId: string(c.Conn()), Ani: c.ANI, Dnis: c.DNIS, OtherDn: c.ANI, ThisDnRole: tlibpb.DNRole_DN_ROLE_DESTINATION,
		UserData: c.UserData, CallType: tlibpb.CallType(c.Type), ThisQueue: string(rp), CallUuid: callUUID(c.Conn()),
	}
}

// queueRow tells where a call waits.
func (f *feeder) queueRow(view *fsm.View, c *call.Call) {
	q := c.Queue
	if q == nil || !f.audience.hearsQueue(view, c.ID, q, false, c.Node) {
		return
	}
	out := &tlibpb.Event{ThisDn: string(q.RP), Time: stamp(q.Since), Snapshot: true, Body: &tlibpb.Event_Queued{Queued: &tlibpb.EventQueued{Call: queuedCall(c, q.RP), Group: q.Group}}}
	out.Owner, out.Site = f.events.nameAndSite(c.Node)
	f.out.add(out)
}

// callRow tells a call that is up, as one event for each party.
func (f *feeder) callRow(view *fsm.View, c *call.Call) {
	for i := range c.Parties {
		p := &c.Parties[i]
		if p.State == call.StateDialing && c.Type == call.Inbound || !f.audience.hearsCall(view, p.DN, c.Node, 0) {
			continue
		}
		for _, e := range c.Rows(p) {
			out := f.events.call(&e)
			out.Snapshot = true
			f.out.add(out)
		}
	}
}
