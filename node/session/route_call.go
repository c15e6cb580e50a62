package session

import (
	"context"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
	"github.com/sipcluster/sipcluster/node/routing"
)

// Router takes the answers of routing clients for this node's calls.
type Router interface {
	// RouteCall has a call go where the route says. It waits for nothing: nil
	// means that the call was waiting for it and will be told of by
	// Announcer.Tell: EventRouteUsed when it leaves the routing point.
	RouteCall(conn string, r routing.Route) *refusal.Error
	// Waiting are the calls that wait at a routing point of this node, or at all
	// of them when it is "", in order of arrival; what happens to them then is
	// told behind position at of the log of calls.
	Waiting(rp dn.Number) (calls []routing.Waiting, at uint64)
}

// routed is a RouteCall that was taken and not answered.
type routed struct {
	ref uint64
	// from is the position behind which events answer it.
	from   uint64
	reject bool
}

// routes are RouteCalls that were taken and not answered, by ConnID.
type routes map[string]routed

// settle is the answer to a RouteCall by what happens to the call at its routing
// point: the reference of the request, 0 for none, and why it is refused; nil when
// the event is its answer.
func (rs routes) settle(e *tlibpb.Event, seq uint64) (ref uint64, why *refusal.Error) {
	conn := e.GetCall().GetConnId()
	r, ok := rs[conn]
	if !ok || seq <= r.from {
		return 0, nil
	}
	delete(rs, conn)
	switch m := e.GetMessage(); {
	case m == tlibpb.Message_MESSAGE_EVENT_ROUTE_USED, m == tlibpb.Message_MESSAGE_EVENT_RELEASED && r.reject:
		return r.ref, nil
	case m == tlibpb.Message_MESSAGE_EVENT_RELEASED, m == tlibpb.Message_MESSAGE_EVENT_ABANDONED:
		return r.ref, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "the call ended at its routing point")
	}
	return r.ref, refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "the destination could not take the call: it waits at its routing point again")
}

// routeCall does a RouteCall.
func (s *session) routeCall(ctx context.Context, m *tlibpb.RouteCall, ref uint64) {
	router := s.c.cfg.Router
	route, err := s.route(m)
	_, waits := s.routes[m.GetConnId()]
	switch {
	case router == nil:
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "this node routes no calls")
	case s.port != DefaultPort:
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "calls are routed at the default port of the node that has them")
	case err != nil:
	case waits:
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_IN_SAME_STATE, "this session has routed the call already")
	case len(s.routes) >= maxAsked:
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR, "%d calls that this session routed have not left yet: wait for some", maxAsked)
	default:
		s.feeder.hearing.tail(ctx)
		s.routes[m.GetConnId()] = routed{ref: ref, from: s.c.cfg.Calls.Head(), reject: route.Reject != 0}
		if err = router.RouteCall(m.GetConnId(), route); err == nil {
			return
		}
		delete(s.routes, m.GetConnId())
	}
	s.out.refuse(ref, route.DN, err)
}

// route is what the client asks for, of the right form.
func (s *session) route(m *tlibpb.RouteCall) (routing.Route, *refusal.Error) {
	r := routing.Route{Group: m.GetGroup(), External: m.GetExternal(), Reject: int(min(m.GetReject(), 1000)), UserData: m.GetUserData(), Holder: s.holder()}
	if s.who != nil {
		r.May = func(rp dn.Number) bool { return s.who.Takes(string(rp)) }
	}
	if !call.ID(m.GetConnId()).Valid() {
		return r, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "conn_id %.20q: want 16 hexadecimal digits", m.GetConnId())
	}
	if err := call.CheckUserData(r.UserData); err != nil {
		return r, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "%v", err)
	}
	switch d := m.GetDestination().(type) {
	case *tlibpb.RouteCall_Dn:
		n, err := dn.ParseNumber(d.Dn)
		if err != nil {
			return r, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "dn %v", err)
		}
		r.DN = n
	case *tlibpb.RouteCall_External:
		if !dn.ValidNumber(d.External) {
			return r, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "external %.70q is not a number", d.External)
		}
	case nil:
		return r, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "a route needs a destination: dn, group, external or reject")
	}
	return r, nil
}
