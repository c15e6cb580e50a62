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

// routes are the references of RouteCalls and WithdrawRoutes that were taken and not
// answered, by their numbers at this node.
type routes map[uint64]uint64

// visited is what is told of a call at a routing point.
type visited struct {
	// Event for everybody who hears of the call there; nil: the answer is for who asked.
	*tlibpb.Event
	// answers is the number of the request that it answers, 0 for none.
	answers uint64
	// answer is the event for who asked; nil: the Event, or refused.
	answer  *tlibpb.Event
	refused *refusal.Error
}

// routeCall does a RouteCall.
func (s *session) routeCall(ctx context.Context, m *tlibpb.RouteCall, ref uint64) {
	route, err := s.route(m)
	if err == nil {
		err = s.sendRoute(ctx, m.GetConnId(), route, ref)
	}
	if err != nil {
		s.out.refuse(ref, route.DN, err)
	}
}

// withdrawRoute does a WithdrawRoute.
func (s *session) withdrawRoute(ctx context.Context, m *tlibpb.WithdrawRoute, ref uint64) {
	if err := s.sendRoute(ctx, m.GetConnId(), routing.Route{Withdraw: true}, ref); err != nil {
		s.out.refuse(ref, "", err)
	}
}

// sendRoute gives the routing a word about a call; nil: it is answered by what is told.
func (s *session) sendRoute(ctx context.Context, conn string, route routing.Route, ref uint64) *refusal.Error {
	router := s.c.cfg.Router
	switch {
	case router == nil:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "this node routes no calls")
	case s.port != DefaultPort:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "calls are routed at the default port of the node that has them")
	case !call.ID(conn).Valid():
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "conn_id %.20q: want 16 hexadecimal digits", conn)
	case len(s.routes) >= maxAsked:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR, "%d requests about calls of this session have no answer yet: wait for some", maxAsked)
	}
	route.Holder, route.Request = s.holder(), s.c.requests.Add(1)
	if s.who != nil {
		route.May = func(rp dn.Number) bool { return s.who.Takes(string(rp)) }
	}
	s.feeder.hearing.tail(ctx)
	s.routes[route.Request] = ref
	err := router.RouteCall(conn, route)
	if err != nil {
		delete(s.routes, route.Request)
	}
	return err
}

// route is what the client asks for, of the right form.
func (s *session) route(m *tlibpb.RouteCall) (routing.Route, *refusal.Error) {
	r := routing.Route{Reject: int(min(m.GetReject(), 1000)), UserData: m.GetUserData(), Timeout: m.GetTimeout().AsDuration()}
	if err := call.CheckUserData(r.UserData); err != nil {
		return r, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "%v", err)
	}
	if r.Timeout < 0 {
		return r, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "timeout %v: want none, or more than 0", r.Timeout)
	}
	if m.GetDestination() == nil {
		return r, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "a route needs a destination: dn, group, external or reject")
	}
	if m.GetReject() == 0 {
		to, err := placeOf(m)
		if err != nil {
			return r, err
		}
		r.DN, r.Group, r.External = to.DN, to.Group, to.External
	}
	for _, o := range m.GetOverflow() {
		to, err := placeOf(o)
		if err != nil {
			return r, err
		}
		r.Overflow = append(r.Overflow, to)
	}
	return r, nil
}

// placeOf is where a call is to go, of the right form.
func placeOf(m interface {
	GetDn() string
	GetGroup() string
	GetExternal() string
}) (to routing.Route, why *refusal.Error) {
	if m.GetDn() != "" {
		n, err := dn.ParseNumber(m.GetDn())
		if err != nil {
			return to, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "dn %v", err)
		}
		return routing.Route{DN: n}, nil
	}
	if x := m.GetExternal(); x != "" && !dn.ValidNumber(x) {
		return to, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "external %.70q is not a number", x)
	}
	return routing.Route{Group: m.GetGroup(), External: m.GetExternal()}, nil
}
