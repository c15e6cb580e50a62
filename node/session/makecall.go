package session

import (
	"context"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// makeCall has the node of a DN's phone ask that to call a number. Other requests about the
// DN don't wait for the phone, but the next such one does.
func (s *session) makeCall(ctx context.Context, n dn.Number, m *tlibpb.MakeCall, ref uint64) {
	if !s.mayAct(n, ref) {
		return
	}
	e := answer(ref, n, nil)
	e.Owner, e.Site = s.feeder.events.nameAndSite(s.c.table.Self())
	s.ask(ctx, ask{n: n, line: "make " + string(n), ref: ref, answer: e, do: func(ctx context.Context) (agent.Done, error) {
		conn, err := s.c.cfg.Agents.MakeCall(ctx, n, m.GetNumber(), m.GetRequestId())
		c, _ := s.c.cfg.Calls.Get(call.ID(conn))
		is := wholeCall(call.ID(conn), c)
		is.Ani, is.Dnis, is.OtherDn = string(n), m.GetNumber(), m.GetNumber()
		e.Body = &tlibpb.Event_Dialing{Dialing: &tlibpb.EventDialing{Call: is}}
		return agent.Done{}, err
	}})
}
