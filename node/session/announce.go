package session

import (
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/routing"
)

// Announcer tells the sessions of this node's default port what happens at
// routing points.
type Announcer struct {
	Calls     *call.Table
	Addresses *Addresses
}

// Announce implements routing.Announcer.
func (a Announcer) Announce(v routing.Visit) {
	t := &visited{Event: visitEvent(&v), answers: v.Answers, refused: v.Refused}
	if v.Message == tlibpb.Message_MESSAGE_EVENT_ROUTE_WITHDRAWN {
		t.Event, t.answer = nil, t.Event
	}
	a.tell(t)
}

// Routers implements routing.Announcer.
func (a Announcer) Routers(rp dn.Number) bool { return a.Addresses.Routers(rp) }

// Tell tells the sessions of this node's default port what happens to one of
// this node's calls at a routing point, in order with what happens to it
// elsewhere. Those hear it that registered the event's DN or monitor calls. The
// event must not be changed any more. Tell waits for nobody: who lags too far
// behind begins anew with the calls that are up.
func (a Announcer) Tell(e *tlibpb.Event) { a.tell(&visited{Event: e}) }

func (a Announcer) tell(t *visited) { a.Calls.Tell(t, proto.Size(t.Event)) }

// visitEvent tells of a visit; nil of a refusal, which is for who asked alone.
func visitEvent(v *routing.Visit) *tlibpb.Event {
	c := &tlibpb.Call{}
	e := &tlibpb.Event{ThisDn: string(v.RP)}
	if v.Call != nil {
		c.ConnId, c.Ani, c.Dnis, c.OtherDn = string(v.Call.Conn()), v.Call.ANI, v.Call.DNIS, v.Call.ANI
		c.ThisDnRole = tlibpb.DNRole_DN_ROLE_DESTINATION
		c.UserData, c.CallType = v.Call.UserData, tlibpb.CallType(v.Call.Type)
		c.ThisQueue, c.CallUuid = string(v.RP), callUUID(v.Call.Conn())
	}
	switch v.Message {
	case tlibpb.Message_MESSAGE_EVENT_QUEUED:
		e.Body = &tlibpb.Event_Queued{Queued: &tlibpb.EventQueued{Call: c, Tried: triedDNs(v.Tried), Tries: tries(v.Tried)}}
	case tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST:
		e.Body = &tlibpb.Event_RouteRequest{RouteRequest: &tlibpb.EventRouteRequest{Call: c, Tried: triedDNs(v.Tried), Tries: tries(v.Tried)}}
	case tlibpb.Message_MESSAGE_EVENT_ROUTE_USED:
		e.Body = &tlibpb.Event_RouteUsed{RouteUsed: &tlibpb.EventRouteUsed{Call: c, ThirdPartyDn: v.To}}
	case tlibpb.Message_MESSAGE_EVENT_DIVERTED:
		e.Body = &tlibpb.Event_Diverted{Diverted: &tlibpb.EventDiverted{Call: c, ThirdPartyDn: v.To}}
	case tlibpb.Message_MESSAGE_EVENT_ABANDONED:
		e.Body = &tlibpb.Event_Abandoned{Abandoned: &tlibpb.EventAbandoned{Call: c, End: ending(v.Cause, "")}}
	case tlibpb.Message_MESSAGE_EVENT_ROUTE_WITHDRAWN:
		e.Body = &tlibpb.Event_RouteWithdrawn{RouteWithdrawn: &tlibpb.EventRouteWithdrawn{Call: c}}
	default:
		return nil
	}
	return e
}

func triedDNs(list []routing.Try) []string {
	all := make([]string, len(list))
	for i := range list {
		all[i] = string(list[i].DN)
	}
	return all
}

func tries(list []routing.Try) []*tlibpb.Try {
	all := make([]*tlibpb.Try, len(list))
	for i, t := range list {
		all[i] = &tlibpb.Try{Dn: string(t.DN)}
		if t.Code != 0 {
			all[i].End = ending(t.Code, t.Why)
		}
	}
	return all
}
