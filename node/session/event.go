package session

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/routing"
)

func now() *timestamppb.Timestamp { return timestamppb.New(time.Now()) }

// stamp is ns since the epoch as clients see it; nil for never.
func stamp(ns int64) *timestamppb.Timestamp {
	if ns == 0 {
		return nil
	}
	return &timestamppb.Timestamp{Seconds: ns / 1e9, Nanos: int32(ns % 1e9)}
}

// answer is an event that answers a request, or none, now.
func answer(ref uint64, n dn.Number, body tlibpb.Body) *tlibpb.Event {
	return &tlibpb.Event{ReferenceId: ref, ThisDn: string(n), Time: now(), Body: body}
}

// events are made of what the tables say, in the words of the protocol. A session
// mostly sees the same few nodes: the last one's name is kept.
type events struct {
	view   func() *fsm.View
	at     *fsm.View
	id     dn.Node
	name   string
	atSite string
}

// nameAndSite are those of a node.
func (ev *events) nameAndSite(id dn.Node) (name, site string) {
	if id == "" {
		return "", ""
	}
	if v := ev.view(); v != ev.at || id != ev.id {
		ev.at, ev.id, ev.name, ev.atSite = v, id, string(id), ""
		if node := v.Node(string(id)); node != nil {
			ev.name, ev.atSite = node.GetName(), node.GetSite()
		}
	}
	return ev.name, ev.atSite
}

// onDN is an event about a DN, with what it says made at once with its header.
type onDN[Body, Of any] struct {
	e    tlibpb.Event
	at   timestamppb.Timestamp
	body Body
	of   Of
}

func (o *onDN[Body, Of]) begin(n dn.Number, since int64) *tlibpb.Event {
	o.e.ThisDn = string(n)
	if since != 0 {
		dnview.Stamp(&o.at, since)
		o.e.Time = &o.at
	}
	return &o.e
}

// state says whether a DN is in service; whole, also all else of it.
func (ev *events) state(st *dn.Status, whole *tcpb.DNStatus) *tlibpb.Event {
	var e *tlibpb.Event
	if st.State == dn.InSrv {
		o := &onDN[tlibpb.Event_DnBackInService, tlibpb.EventDNBackInService]{}
		o.of.Reason, o.of.Status = tcpb.Reason(st.Reason), whole
		e, o.body.DnBackInService = o.begin(st.Number, st.Since), &o.of
		e.Body = &o.body
	} else {
		o := &onDN[tlibpb.Event_DnOutOfService, tlibpb.EventDNOutOfService]{}
		o.of.Reason, o.of.Status = tcpb.Reason(st.Reason), whole
		e, o.body.DnOutOfService = o.begin(st.Number, st.Since), &o.of
		e.Body = &o.body
	}
	e.Owner, e.Site = ev.nameAndSite(st.Owner)
	return e
}

// ownerChange says that a DN stayed in service at another node.
func (ev *events) ownerChange(st *dn.Status) *tlibpb.Event {
	o := &onDN[tlibpb.Event_DnOwnerChanged, tlibpb.EventDNOwnerChanged]{}
	o.of.Reason = tcpb.Reason(st.Reason)
	o.of.PreviousOwner, o.of.PreviousSite = ev.nameAndSite(st.Previous)
	e := o.begin(st.Number, st.Since)
	o.body.DnOwnerChanged, e.Body = &o.of, &o.body
	e.Owner, e.Site = ev.nameAndSite(st.Owner)
	return e
}

// use says whether a DN is busy and reserved.
func (ev *events) use(view *fsm.View, st *dn.Status) *tlibpb.Event {
	o := &onDN[tlibpb.Event_DnUseChanged, tlibpb.EventDNUseChanged]{}
	o.of.Busy, o.of.Reserved, o.of.Uses, o.of.CoolDown = st.Busy, st.Reserved, dnview.Uses(st), dnview.CoolDown(st)
	o.of.Routable = dnview.Routable(view, view.DN(string(st.Number)), st)
	e := o.begin(st.Number, 0)
	o.body.DnUseChanged, e.Body = &o.of, &o.body
	e.Time = now()
	e.Owner, e.Site = ev.nameAndSite(st.Owner)
	return e
}

// agent says what the agent at a DN does. Where a ready agent is, is said
// as the reason "site".
func (ev *events) agent(st *dn.Status) *tlibpb.Event {
	a := st.Agent
	if a == nil {
		a = &dn.Agent{}
	}
	o := &onDN[struct{}, tlibpb.Agent]{}
	e := o.begin(st.Number, a.Since)
	e.Owner, e.Site = ev.nameAndSite(st.Keeper)
	o.of.Id, o.of.WorkMode = a.ID, tlibpb.AgentWorkMode(a.Mode)
	if len(a.Reasons) > 0 || a.State == dn.Ready {
		o.of.Reasons = make(map[string]string, len(a.Reasons)+1)
	}
	for _, r := range a.Reasons {
		o.of.Reasons[r.Key] = r.Value
	}
	switch a.State {
	case dn.LoggedIn:
		e.Body = &tlibpb.Event_AgentLogin{AgentLogin: &tlibpb.EventAgentLogin{Agent: &o.of}}
	case dn.NotReady:
		e.Body = &tlibpb.Event_AgentNotReady{AgentNotReady: notReady(st, &o.of)}
	case dn.Ready:
		o.of.Reasons["site"] = e.Site
		e.Body = &tlibpb.Event_AgentReady{AgentReady: &tlibpb.EventAgentReady{Agent: &o.of}}
	default:
		out := &tlibpb.EventAgentLogout{Agent: &o.of}
		switch {
		case a.Left():
			out.Cause = tlibpb.AgentCause_AGENT_CAUSE_LOGGED_IN_ELSEWHERE
		case a.Bereaved():
			out.Cause = tlibpb.AgentCause_AGENT_CAUSE_DESKTOP_LOST
		}
		e.Body = &tlibpb.Event_AgentLogout{AgentLogout: out}
	}
	return e
}

// notReady says why an agent is not, and until when, where nobody asked for it.
func notReady(st *dn.Status, a *tlibpb.Agent) *tlibpb.EventAgentNotReady {
	e := &tlibpb.EventAgentNotReady{Agent: a}
	switch {
	case st.AgentUntil != 0:
		e.Cause, e.Until = tlibpb.AgentCause_AGENT_CAUSE_WRAP_UP, timestamppb.New(time.Unix(0, st.AgentUntil))
	case agent.WasAbsent(st.Agent):
		e.Cause = tlibpb.AgentCause_AGENT_CAUSE_NO_ANSWER
	case st.Agent.Bereaved():
		e.Cause = tlibpb.AgentCause_AGENT_CAUSE_DESKTOP_LOST
	}
	return e
}

// row is a DN in a snapshot.
func (ev *events) row(view *fsm.View, st *dn.Status) *tlibpb.Event {
	e := ev.state(st, ev.status(view, st))
	e.Snapshot = true
	return e
}

// status is all that is known of a DN.
func (ev *events) status(view *fsm.View, st *dn.Status) *tcpb.DNStatus {
	m := &struct {
		tcpb.DNStatus
		since timestamppb.Timestamp
	}{}
	m.Dn = string(st.Number)
	m.Standby, m.StandbySite = ev.nameAndSite(st.Standby)
	m.Owner, m.Site = ev.nameAndSite(st.Owner)
	dnview.Fill(&m.DNStatus, &m.since, view, view.DN(m.Dn), st)
	return &m.DNStatus
}

// onCall is an event about a call, made at once.
type onCall struct {
	e    tlibpb.Event
	at   timestamppb.Timestamp
	call tlibpb.Call
}

// call is an event of a call at a DN. Its user data are everybody's: they
// are never changed.
func (ev *events) call(e *call.Event) *tlibpb.Event {
	o := &onCall{}
	out, c := &o.e, &o.call
	out.ThisDn, out.Time = string(e.ThisDN), &o.at
	dnview.Stamp(&o.at, e.Time)
	out.Owner, out.Site = ev.nameAndSite(e.Node)
	conn := e.Conn()
	c.ConnId, c.OtherDn, c.ThisDnRole = string(conn), e.OtherDN, tlibpb.DNRole(e.Role+1)
	c.Ani, c.Dnis, c.UserData, c.CallType = e.ANI, e.DNIS, e.UserData, tlibpb.CallType(e.Type)
	c.ThisQueue, c.CallUuid = string(e.LastQueue), callUUID(conn)
	c.CallState = callState(e)
	switch e.Kind {
	case call.Dialing:
		out.Body = &tlibpb.Event_Dialing{Dialing: &tlibpb.EventDialing{Call: c}}
	case call.DataChanged:
		out.Body = &tlibpb.Event_AttachedDataChanged{AttachedDataChanged: &tlibpb.EventAttachedDataChanged{Call: c}}
	case call.Ringing:
		out.Body = &tlibpb.Event_Ringing{Ringing: &tlibpb.EventRinging{Call: c}}
	case call.Established:
		out.Body = &tlibpb.Event_Established{Established: &tlibpb.EventEstablished{Call: c}}
	case call.Released:
		out.Body = &tlibpb.Event_Released{Released: &tlibpb.EventReleased{Call: c, End: ending(e.Cause, e.Why)}}
	case call.Held:
		out.Body = &tlibpb.Event_Held{Held: &tlibpb.EventHeld{Call: c}}
	case call.Retrieved:
		out.Body = &tlibpb.Event_Retrieved{Retrieved: &tlibpb.EventRetrieved{Call: c}}
	case call.Changed, call.Added, call.Deleted:
		c.PreviousConnId = string(e.Move.Previous)
		out.Body = moved(e, c)
	case call.Abandoned:
		out.Body = &tlibpb.Event_Abandoned{Abandoned: &tlibpb.EventAbandoned{Call: c, End: ending(e.Cause, e.Why)}}
	}
	return out
}

// distributed is what a client has distributed.
func (ev *events) distributed(e *call.Event) *tlibpb.Event {
	body := &tlibpb.EventUserEvent{UserData: e.Data}
	if e.Call != "" && e.Info != nil {
		of := *e
		of.Kind = call.DataChanged // it is told of the call what that tells
		body.Call = ev.call(&of).GetCall()
	}
	out := &tlibpb.Event{ThisDn: string(e.ThisDN), Time: stamp(e.Time), Body: &tlibpb.Event_UserEvent{UserEvent: body}}
	out.Owner, out.Site = ev.nameAndSite(e.Node)
	return out
}

// moved is what a transfer has to do with the call of a party.
func moved(e *call.Event, c *tlibpb.Call) tlibpb.Body {
	switch third := e.Move.Third; e.Kind {
	case call.Added:
		return &tlibpb.Event_PartyAdded{PartyAdded: &tlibpb.EventPartyAdded{Call: c, ThirdPartyDn: third}}
	case call.Deleted:
		return &tlibpb.Event_PartyDeleted{PartyDeleted: &tlibpb.EventPartyDeleted{Call: c, ThirdPartyDn: third}}
	default:
		return &tlibpb.Event_PartyChanged{PartyChanged: &tlibpb.EventPartyChanged{Call: c, ThirdPartyDn: third}}
	}
}

// callState is the T-Library's word for how a call came to a party, or ended there.
func callState(e *call.Event) tlibpb.CallState {
	switch e.Kind {
	case call.Released, call.Abandoned:
		return endState(e)
	case call.Added, call.Deleted:
		return tlibpb.CallState_CALL_STATE_CONFERENCED
	case call.Changed:
		return tlibpb.CallState_CALL_STATE_TRANSFERRED
	}
	if e.Info != nil && e.Transfer != nil {
		return tlibpb.CallState_CALL_STATE_TRANSFERRED
	}
	return tlibpb.CallState_CALL_STATE_UNSPECIFIED
}

func endState(e *call.Event) tlibpb.CallState {
	switch {
	case e.Move != nil:
		return tlibpb.CallState_CALL_STATE_TRANSFERRED
	case e.Kind == call.Abandoned, e.Cause == 487:
		return tlibpb.CallState_CALL_STATE_ABANDONED
	case e.Cause == 0:
		return tlibpb.CallState_CALL_STATE_UNSPECIFIED
	case e.Cause == call.NodeLost:
		return tlibpb.CallState_CALL_STATE_SYSTEM_ERROR
	case e.Cause < 400:
		return tlibpb.CallState_CALL_STATE_REDIRECTED
	case e.Cause == 486, e.Cause == 600:
		return tlibpb.CallState_CALL_STATE_BUSY
	case e.Cause == 408, e.Cause == 480:
		return tlibpb.CallState_CALL_STATE_NO_ANSWER
	case e.Cause == 404, e.Cause == 484, e.Cause == 604:
		return tlibpb.CallState_CALL_STATE_SIT_INVALIDNUM
	}
	return tlibpb.CallState_CALL_STATE_GENERAL_ERROR
}

// callUUID is a call's UUID of version 8 (RFC 9562), made of its ConnID.
func callUUID(id call.ID) string {
	if !id.Valid() {
		return ""
	}
	return "73697063-6c75-8" + string(id[:3]) + "-8" + string(id[3:6]) + "-73" + string(id[6:])
}

// ending is how a call ended by that cause.
func ending(cause int, why string) *tlibpb.CallEnd {
	switch cause {
	case 0:
		return &tlibpb.CallEnd{Reason: tlibpb.EndReason_END_REASON_HANGUP}
	case 487: // Request Terminated: the caller gave up
		return &tlibpb.CallEnd{Reason: tlibpb.EndReason_END_REASON_HANGUP, SipStatus: 487}
	case call.NodeLost:
		return &tlibpb.CallEnd{Reason: tlibpb.EndReason_END_REASON_NODE_LOST}
	}
	return &tlibpb.CallEnd{Reason: tlibpb.EndReason_END_REASON_REFUSED, SipStatus: uint32(cause), Text: why}
}

// waiting are the rows that tell of calls that wait at this node.
func (ev *events) waiting(self dn.Node, calls []routing.Waiting) []*tlibpb.Event {
	rows := make([]*tlibpb.Event, 0, 2*len(calls))
	row := func(w *routing.Waiting, m tlibpb.Message) {
		w.Message = m
		e := visitEvent(&w.Visit)
		e.Snapshot, e.Time = true, stamp(w.Since.UnixNano())
		e.Owner, e.Site = ev.nameAndSite(self)
		rows = append(rows, e)
	}
	for i := range calls {
		row(&calls[i], tlibpb.Message_MESSAGE_EVENT_QUEUED)
		if calls[i].Asked {
			row(&calls[i], tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST)
		}
	}
	return rows
}
