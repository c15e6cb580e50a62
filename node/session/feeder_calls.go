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
			f.callRow(view, it.Call)
		case feed.EndOfSnapshot:
			f.hearing.readDNs(ctx, f.c.table.Watch(feed.Position{}), beginningDNs)
		case feed.Change:
			f.callHappened(view, it)
		}
	}
	f.hearing.sent.call = b.seq
	clear(b.items) // they hold what is over by now
	f.hearing.calls.back <- b.items
}

func (f *feeder) callHappened(view *fsm.View, it *call.Item) {
	e := it.Event
	if e.Kind.Waiting() {
		return
	}
	if e.Kind != call.Local {
		if f.audience.hearsCall(view, e.ThisDN, e.Node, it.Seq) {
			out := f.events.call(e)
			out.CallSeq = it.Seq
			f.out.add(out)
		}
		return
	}
	told, ok := e.Local.(*tlibpb.Event)
	if !ok || f.audience.port != DefaultPort {
		return
	}
	ref, refused := f.routes.settle(told, it.Seq)
	if refused != nil {
		f.out.refuse(ref, dn.Number(told.GetThisDn()), refused)
		ref = 0
	}
	if ref == 0 && !f.audience.hearsCall(view, dn.Number(told.GetThisDn()), e.Node, it.Seq) {
		return
	}
	told = proto.CloneOf(told)
	told.ReferenceId, told.CallSeq = ref, it.Seq
	if told.GetTime() == nil {
		told.Time = stamp(e.Time)
	}
	told.Owner, told.Site = f.events.nameAndSite(e.Node)
	f.out.add(told)
}

// callRow tells a call that is up, as one event for each party.
func (f *feeder) callRow(view *fsm.View, c *call.Call) {
	for i := range c.Parties {
		p := &c.Parties[i]
		if p.State == call.StateDialing || !f.audience.hearsCall(view, p.DN, c.Node, 0) {
			continue
		}
		e := call.Event{Kind: call.Ringing, Call: c.ID, Node: c.Node, ThisDN: p.DN, Role: p.Role, OtherDN: p.Other, Time: p.Since, Info: c.Info}
		if p.State == call.StateEstablished {
			e.Kind = call.Established
		}
		out := f.events.call(&e)
		out.Snapshot = true
		f.out.add(out)
	}
}
