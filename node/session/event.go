package session

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

func now() *timestamppb.Timestamp { return timestamppb.New(time.Now()) }

// stamp is ns since the epoch as clients see it; nil for never.
func stamp(ns int64) *timestamppb.Timestamp {
	if ns == 0 {
		return nil
	}
	return &timestamppb.Timestamp{Seconds: ns / 1e9, Nanos: int32(ns % 1e9)}
}

// stateEvent says whether a DN is in service.
func (s *session) stateEvent(st *dn.Status) *tlibpb.Event {
	e := &tlibpb.Event{Message: tlibpb.Message_EVENT_DN_OUT_OF_SERVICE, ThisDn: string(st.Number), Time: stamp(st.Since), Reason: st.Reason.String()}
	if st.State == dn.InSrv {
		e.Message = tlibpb.Message_EVENT_DN_BACK_IN_SERVICE
	}
	e.Owner, e.Site = s.names.of(st.Owner)
	return e
}

var agentMessages = map[dn.AgentState]tlibpb.Message{
	dn.LoggedOut: tlibpb.Message_EVENT_AGENT_LOGOUT,
	dn.LoggedIn:  tlibpb.Message_EVENT_AGENT_LOGIN,
	dn.NotReady:  tlibpb.Message_EVENT_AGENT_NOT_READY,
	dn.Ready:     tlibpb.Message_EVENT_AGENT_READY,
}

// agentEvent says what the agent at a DN does. Where a ready agent is, is said
// as the reason "site".
func (s *session) agentEvent(st *dn.Status) *tlibpb.Event {
	a := st.Agent
	if a == nil {
		a = &dn.Agent{}
	}
	e := &tlibpb.Event{
		Message: agentMessages[a.State], ThisDn: string(st.Number), Time: stamp(a.Since),
		AgentId: a.ID, WorkMode: tlibpb.AgentWorkMode(a.Mode), Reasons: make(map[string]string, len(a.Reasons)+1),
	}
	e.Owner, e.Site = s.names.of(st.Keeper)
	for _, r := range a.Reasons {
		e.Reasons[r.Key] = r.Value
	}
	if a.State == dn.Ready {
		e.Reasons["site"] = e.Site
	}
	return e
}

// rowEvent is a DN in a snapshot.
func (s *session) rowEvent(view *fsm.View, st *dn.Status) *tlibpb.Event {
	e := s.stateEvent(st)
	e.Snapshot = true
	s.describe(e, view, st)
	return e
}

// describe adds the DN's status as the event's extensions.
func (s *session) describe(e *tlibpb.Event, view *fsm.View, st *dn.Status) {
	config := view.DN(string(st.Number))
	owner, site := s.names.of(st.Owner)
	agent := config.GetKind() == configpb.DNKind_DN_KIND_SIP || config.GetKind() == configpb.DNKind_DN_KIND_PSTN
	x := map[string]string{
		"status": st.State.String(), "kind": kindNames[config.GetKind()], "owner": owner, "site": site, "reason": st.Reason.String(),
		"routable": strconv.FormatBool(agent && !config.GetDisabled() && st.Routable(view.LoginRequired(config))),
		"busy":     strconv.FormatBool(st.Busy), "reserved": strconv.FormatBool(st.Reserved),
	}
	if st.Agent != nil {
		x["agent-state"], x["agent-id"] = st.Agent.State.String(), st.Agent.ID
		e.AgentId = st.Agent.ID
	}
	e.Extensions = x
}

var kindNames = map[configpb.DNKind]string{
	configpb.DNKind_DN_KIND_SIP: "sip", configpb.DNKind_DN_KIND_PSTN: "pstn",
	configpb.DNKind_DN_KIND_ROUTING_POINT: "routing-point", configpb.DNKind_DN_KIND_TRUNK: "trunk",
}

// names turns nodes into what people call them; a session mostly sees the
// same few.
type names struct {
	view   func() *fsm.View
	at     *fsm.View
	id     dn.Node
	name   string
	atSite string
}

func (n *names) of(id dn.Node) (name, site string) {
	if id == "" {
		return "", ""
	}
	if v := n.view(); v != n.at || id != n.id {
		n.at, n.id, n.name, n.atSite = v, id, string(id), ""
		if node := v.Node(string(id)); node != nil {
			n.name, n.atSite = node.GetName(), node.GetSite()
		}
	}
	return n.name, n.atSite
}
