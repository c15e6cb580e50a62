package session

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// takeCalls turns what the table of calls says into events.
func (s *session) takeCalls(ctx context.Context, b batch[call.Item]) {
	view := s.c.view()
	for i := range b.items {
		it := &b.items[i]
		switch it.Kind {
		case call.Started:
			if s.callsBegin(ctx, it.Resumed) {
				return
			}
		case call.Row:
			s.callRow(view, it.Call)
		case call.EndOfSnapshot:
			s.readDNs(ctx, s.c.table.Watch(dn.Resume{}), beginningDNs)
		case call.Happened:
			s.callHappened(view, it)
		}
	}
	s.sent.call = b.seq
	clear(b.items) // they hold what is over by now
	s.calls.back <- b.items
}

func (s *session) callHappened(view *fsm.View, it *call.Item) {
	e := it.Event
	if e.Kind != call.Local {
		if s.hearsCall(view, e.ThisDN, e.Node, it.Seq) {
			out := s.callEvent(e)
			out.CallSeq = it.Seq
			s.out = append(s.out, out)
		}
		return
	}
	told, ok := e.Local.(*tlibpb.Event)
	if !ok || s.port != DefaultPort {
		return
	}
	ref := s.settleRoute(told, it.Seq)
	if ref == 0 && !s.hearsCall(view, dn.Number(told.GetThisDn()), e.Node, it.Seq) {
		return
	}
	told = proto.CloneOf(told)
	told.ReferenceId, told.CallSeq = ref, it.Seq
	if told.GetTime() == nil {
		told.Time = stamp(e.Time)
	}
	told.Owner, told.Site = s.names.of(e.Node)
	s.out = append(s.out, told)
}

// hearsCall tells whether the client hears of a call at the DN that a node has.
// seq is 0 for rows.
func (s *session) hearsCall(view *fsm.View, n dn.Number, node dn.Node, seq uint64) bool {
	own := node == s.c.table.Self()
	if s.port == DefaultPort && !own {
		return false
	}
	if since, mine := s.dns[n]; mine {
		return seq == 0 || seq > since.call
	}
	if !s.monitor.wants(tlibpb.EventKind_EVENT_KIND_CALL) || s.ownOnly && !own || !s.monitor.member(view.DN(string(n))) {
		return false
	}
	if s.monitor.owner == "" {
		return true
	}
	name, _ := s.names.of(node)
	return name == s.monitor.owner
}

var callMessages = [...]tlibpb.Message{
	call.Ringing: tlibpb.Message_EVENT_RINGING, call.Established: tlibpb.Message_EVENT_ESTABLISHED,
	call.Released: tlibpb.Message_EVENT_RELEASED, call.Abandoned: tlibpb.Message_EVENT_ABANDONED,
}

// callEvent is an event of a call at a DN. Its user data are everybody's: they
// are never changed.
func (s *session) callEvent(e *call.Event) *tlibpb.Event {
	out := &tlibpb.Event{
		Message: callMessages[e.Kind], ThisDn: string(e.ThisDN), Time: stamp(e.Time), ConnId: string(e.Call), OtherDn: e.OtherDN,
		ThisDnRole: tlibpb.DNRole(e.Role + 1), Ani: e.ANI, Dnis: e.DNIS, UserData: e.UserData, CallType: tlibpb.CallType(e.Type),
	}
	if e.Cause == call.NodeLost {
		out.Reason = "node-lost"
	} else {
		out.Cause = uint32(e.Cause)
	}
	out.Owner, out.Site = s.names.of(e.Node)
	return out
}

// callRow tells a call that is up, as one event for each party.
func (s *session) callRow(view *fsm.View, c *call.Call) {
	for i := range c.Parties {
		p := &c.Parties[i]
		if p.State == call.StateDialing || !s.hearsCall(view, p.DN, c.Node, 0) {
			continue
		}
		e := call.Event{Kind: call.Ringing, Call: c.ID, Node: c.Node, ThisDN: p.DN, Role: p.Role, OtherDN: p.Other, Time: p.Since, Info: c.Info}
		if p.State == call.StateEstablished {
			e.Kind = call.Established
		}
		out := s.callEvent(&e)
		out.Snapshot = true
		s.out = append(s.out, out)
	}
}
