package session

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
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

// state says whether a DN is in service.
func (ev *events) state(st *dn.Status) *tlibpb.Event {
	e := &tlibpb.Event{Message: tlibpb.Message_MESSAGE_EVENT_DN_OUT_OF_SERVICE, ThisDn: string(st.Number), Time: stamp(st.Since), Reason: st.Reason.String()}
	if st.State == dn.InSrv {
		e.Message = tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE
	}
	e.Owner, e.Site = ev.nameAndSite(st.Owner)
	return e
}

var agentMessages = map[dn.AgentState]tlibpb.Message{
	dn.LoggedOut: tlibpb.Message_MESSAGE_EVENT_AGENT_LOGOUT,
	dn.LoggedIn:  tlibpb.Message_MESSAGE_EVENT_AGENT_LOGIN,
	dn.NotReady:  tlibpb.Message_MESSAGE_EVENT_AGENT_NOT_READY,
	dn.Ready:     tlibpb.Message_MESSAGE_EVENT_AGENT_READY,
}

// agent says what the agent at a DN does. Where a ready agent is, is said
// as the reason "site".
func (ev *events) agent(st *dn.Status) *tlibpb.Event {
	a := st.Agent
	if a == nil {
		a = &dn.Agent{}
	}
	e := &tlibpb.Event{
		Message: agentMessages[a.State], ThisDn: string(st.Number), Time: stamp(a.Since),
		AgentId: a.ID, WorkMode: tlibpb.AgentWorkMode(a.Mode), Reasons: make(map[string]string, len(a.Reasons)+1),
	}
	e.Owner, e.Site = ev.nameAndSite(st.Keeper)
	for _, r := range a.Reasons {
		e.Reasons[r.Key] = r.Value
	}
	if a.State == dn.Ready {
		e.Reasons["site"] = e.Site
	}
	return e
}

// row is a DN in a snapshot.
func (ev *events) row(view *fsm.View, st *dn.Status) *tlibpb.Event {
	e := ev.state(st)
	e.Snapshot = true
	ev.describe(e, view, st)
	return e
}

// describe adds the DN's status as the event's extensions.
func (ev *events) describe(e *tlibpb.Event, view *fsm.View, st *dn.Status) {
	config := view.DN(string(st.Number))
	owner, site := ev.nameAndSite(st.Owner)
	agent := config.GetKind() == configpb.DNKind_DN_KIND_SIP || config.GetKind() == configpb.DNKind_DN_KIND_PSTN
	x := map[string]string{
		"status": st.State.String(), "kind": config.GetKind().Word(), "owner": owner, "site": site, "reason": st.Reason.String(),
		"routable": strconv.FormatBool(agent && !config.GetDisabled() && st.Routable(view.LoginRequired(config))),
		"busy":     strconv.FormatBool(st.Busy), "reserved": strconv.FormatBool(st.Reserved),
	}
	if st.Agent != nil {
		x["agent-state"], x["agent-id"] = st.Agent.State.String(), st.Agent.ID
		e.AgentId = st.Agent.ID
	}
	e.Extensions = x
}

var callMessages = [...]tlibpb.Message{
	call.Ringing: tlibpb.Message_MESSAGE_EVENT_RINGING, call.Established: tlibpb.Message_MESSAGE_EVENT_ESTABLISHED,
	call.Released: tlibpb.Message_MESSAGE_EVENT_RELEASED, call.Abandoned: tlibpb.Message_MESSAGE_EVENT_ABANDONED,
}

// call is an event of a call at a DN. Its user data are everybody's: they
// are never changed.
func (ev *events) call(e *call.Event) *tlibpb.Event {
	out := &tlibpb.Event{
		Message: callMessages[e.Kind], ThisDn: string(e.ThisDN), Time: stamp(e.Time), ConnId: string(e.Call), OtherDn: e.OtherDN,
		ThisDnRole: tlibpb.DNRole(e.Role + 1), Ani: e.ANI, Dnis: e.DNIS, UserData: e.UserData, CallType: tlibpb.CallType(e.Type),
	}
	if e.Cause == call.NodeLost {
		out.Reason = "node-lost"
	} else {
		out.Cause = uint32(e.Cause)
	}
	out.Owner, out.Site = ev.nameAndSite(e.Node)
	return out
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
