package session

import (
	"context"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// setDND asks the DN's owner to set do not disturb, or to take it back.
func (s *session) setDND(ctx context.Context, n dn.Number, on bool, ref uint64) {
	if !s.mayAct(n, ref) {
		return
	}
	request, e := peerpb.AgentRequest_AGENT_REQUEST_DND_OFF, answer(ref, n, &tlibpb.Event_DndOff{DndOff: &tlibpb.EventDNDOff{}})
	if on {
		request, e = peerpb.AgentRequest_AGENT_REQUEST_DND_ON, answer(ref, n, &tlibpb.Event_DndOn{DndOn: &tlibpb.EventDNDOn{}})
	}
	s.ask(ctx, ask{n: n, ref: ref, answer: e, do: func(ctx context.Context) (agent.Done, error) {
		return s.c.cfg.Agents.SetAgent(ctx, n, agent.Change{Request: request})
	}})
}

// tellDND tells who hears of the DN's agent that do not disturb was set or taken back.
func (f *feeder) tellDND(it *dn.Item) {
	n, on := it.Status.Number, it.Status.DoNotDisturb
	if _, was := f.undisturbed[n]; was == on {
		return
	}
	e := &tlibpb.Event{ThisDn: string(n), Time: now(), Seq: it.Seq}
	e.Owner, e.Site = f.events.nameAndSite(it.Status.Keeper)
	if on {
		f.undisturbed[n], e.Body = struct{}{}, &tlibpb.Event_DndOn{DndOn: &tlibpb.EventDNDOn{}}
	} else {
		delete(f.undisturbed, n)
		e.Body = &tlibpb.Event_DndOff{DndOff: &tlibpb.EventDNDOff{}}
	}
	f.out.add(e)
}
