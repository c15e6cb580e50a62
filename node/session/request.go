package session

import (
	"context"
	"errors"
	"maps"
	"slices"

	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/bounds"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// asError is an error as clients see it.
func asError(err error) *refusal.Error {
	var e *refusal.Error
	if errors.As(err, &e) {
		return e
	}
	return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR, "%v", err)
}

// handle does a request.
func (s *session) handle(ctx context.Context, m *tlibpb.ClientMessage) {
	s.c.stats.requests.Add(1)
	ref := m.GetReferenceId()
	if err := bounds.Check(m); err != nil {
		s.out.refuse(ref, subject(m), refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "%s", status.Convert(err).Message()))
		return
	}
	if o, opens := m.GetBody().(*tlibpb.ClientMessage_OpenSession); opens == (s.reg != nil) {
		if opens {
			s.out.refuse(ref, "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_IN_SAME_STATE, "the session is open already"))
		} else {
			s.turnAway(ref, refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_CONNECTED,
				"a session begins with OpenSession of version %d of the T-Library protocol: is the client older than the node?", tlibpb.ProtocolVersion))
		}
		return
	} else if opens {
		s.open(ctx, o.OpenSession, ref)
		return
	}
	if err := s.who.Request(s.c.view(), m); err != nil {
		s.out.refuse(ref, subject(m), refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "permission denied: %v", err))
		return
	}
	switch b := m.GetBody().(type) {
	case *tlibpb.ClientMessage_QueryServer:
		s.out.add(answer(ref, "", &tlibpb.Event_ServerInfo{ServerInfo: &tlibpb.EventServerInfo{Server: s.c.info(s.port)}}))
	case *tlibpb.ClientMessage_MonitorAll:
		s.monitorAll(ctx, b.MonitorAll, ref)
	case *tlibpb.ClientMessage_StopMonitor:
		s.stopMonitor(ref)
	case *tlibpb.ClientMessage_RouteCall:
		s.routeCall(ctx, b.RouteCall, ref)
	case *tlibpb.ClientMessage_WithdrawRoute:
		s.withdrawRoute(ctx, b.WithdrawRoute, ref)
	case *tlibpb.ClientMessage_ReleaseCall:
		s.releaseCall(b.ReleaseCall, ref)
	case *tlibpb.ClientMessage_DistributeUserEvent:
		s.distribute(b.DistributeUserEvent, ref)
	case *tlibpb.ClientMessage_UpdateUserData:
		s.updateUserData(b.UpdateUserData, ref)
	default:
		s.handleDN(ctx, m)
	}
}

// addressed is a request about a DN.
type addressed interface{ GetDn() string }

// subject is the DN that a request is about, "" for none or a malformed one.
func subject(m *tlibpb.ClientMessage) dn.Number {
	r := m.ProtoReflect()
	body := r.WhichOneof(r.Descriptor().Oneofs().ByName("body"))
	if body == nil {
		return ""
	}
	a, _ := r.Get(body).Message().Interface().(addressed)
	if a == nil {
		return ""
	}
	n, _ := dn.ParseNumber(a.GetDn())
	return n
}

// handleDN does a request about a DN.
func (s *session) handleDN(ctx context.Context, m *tlibpb.ClientMessage) {
	ref := m.GetReferenceId()
	about := func(a addressed) (dn.Number, bool) {
		n, err := dn.ParseNumber(a.GetDn())
		if err != nil {
			s.out.refuse(ref, "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "dn %v", err))
		}
		return n, err == nil
	}
	switch b := m.GetBody().(type) {
	case *tlibpb.ClientMessage_RegisterAddress:
		if n, ok := about(b.RegisterAddress); ok {
			s.register(ctx, n, b.RegisterAddress.GetMode(), ref)
		}
	case *tlibpb.ClientMessage_UnregisterAddress:
		if n, ok := about(b.UnregisterAddress); ok {
			s.unregister(n, ref)
		}
	case *tlibpb.ClientMessage_QueryAddress:
		if n, ok := about(b.QueryAddress); ok {
			s.query(n, ref)
		}
	case *tlibpb.ClientMessage_AgentLogin:
		if n, ok := about(b.AgentLogin); ok {
			s.agent(ctx, n, ref, peerpb.AgentRequest_AGENT_REQUEST_LOGIN, b.AgentLogin)
		}
	case *tlibpb.ClientMessage_AgentLogout:
		if n, ok := about(b.AgentLogout); ok {
			s.agent(ctx, n, ref, peerpb.AgentRequest_AGENT_REQUEST_LOGOUT, b.AgentLogout)
		}
	case *tlibpb.ClientMessage_AgentReady:
		if n, ok := about(b.AgentReady); ok {
			s.agent(ctx, n, ref, peerpb.AgentRequest_AGENT_REQUEST_READY, b.AgentReady)
		}
	case *tlibpb.ClientMessage_AgentNotReady:
		if n, ok := about(b.AgentNotReady); ok {
			s.agent(ctx, n, ref, peerpb.AgentRequest_AGENT_REQUEST_NOT_READY, b.AgentNotReady)
		}
	case *tlibpb.ClientMessage_SetDndOn:
		if n, ok := about(b.SetDndOn); ok {
			s.setDND(ctx, n, true, ref)
		}
	case *tlibpb.ClientMessage_SetDndOff:
		if n, ok := about(b.SetDndOff); ok {
			s.setDND(ctx, n, false, ref)
		}
	case *tlibpb.ClientMessage_MakeCall:
		if n, ok := about(b.MakeCall); ok {
			s.makeCall(ctx, n, b.MakeCall, ref)
		}
	case *tlibpb.ClientMessage_ReserveAgent:
		if n, ok := about(b.ReserveAgent); ok {
			s.reserve(ctx, n, b.ReserveAgent, ref)
		}
	default:
		s.out.refuse(ref, "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "this node does not know the request: is the client newer than the node?"))
	}
}

// register listens first: what the registration changes is an event behind it.
func (s *session) register(ctx context.Context, n dn.Number, mode tlibpb.AddressMode, ref uint64) {
	switch mode {
	case tlibpb.AddressMode_ADDRESS_MODE_UNSPECIFIED:
		mode = tlibpb.AddressMode_ADDRESS_MODE_SHARED
	case tlibpb.AddressMode_ADDRESS_MODE_SHARED, tlibpb.AddressMode_ADDRESS_MODE_PRIVATE, tlibpb.AddressMode_ADDRESS_MODE_MONITOR:
	default:
		s.out.refuse(ref, n, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "mode %d: want shared, private or monitor", mode))
		return
	}
	s.feeder.hearing.tail(ctx)
	from := place{s.c.table.Head(), s.c.cfg.Calls.Head()}
	if err := s.c.addresses.register(s.reg, n, mode); err != nil {
		s.out.refuse(ref, n, err)
		return
	}
	hears := s.feeder.audience.hearsCall(s.c.view(), n, s.c.table.Self(), 0)
	if hears {
		from.call = s.feeder.hearing.sent.call
	}
	if _, again := s.feeder.audience.dns[n]; !again {
		s.feeder.audience.dns[n] = from
	}
	e := answer(ref, n, nil)
	e.Body = &tlibpb.Event_Registered{Registered: &tlibpb.EventRegistered{Status: s.addressInfo(n, e)}}
	s.out.add(e)
	s.feeder.repeatWaiting(n, hears)
}

// addressInfo is the DN's status, and makes its owner that of the answer e. At the
// default port a DN of another node has none.
func (s *session) addressInfo(n dn.Number, e *tlibpb.Event) *tcpb.DNStatus {
	st, _ := s.c.table.Get(n)
	if s.feeder.audience.foreign(&st) {
		return nil
	}
	if s.port == DefaultPort && st.Keeper != "" {
		s.feeder.audience.inside[n] = struct{}{}
	}
	e.Owner, e.Site = s.feeder.events.nameAndSite(st.Owner)
	st.Number = n
	return s.feeder.events.status(s.c.view(), &st)
}

func (s *session) unregister(n dn.Number, ref uint64) {
	s.c.addresses.unregister(s.reg, n)
	delete(s.feeder.audience.dns, n)
	delete(s.feeder.reserved, n)
	s.out.add(answer(ref, n, &tlibpb.Event_Unregistered{Unregistered: &tlibpb.EventUnregistered{}}))
}

func (s *session) query(n dn.Number, ref uint64) {
	st, known := s.c.table.Get(n)
	switch {
	case s.c.view().DN(string(n)) == nil && !known:
		s.out.refuse(ref, n, refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_CONFIGURED, "DN %s is not configured", n))
	case s.feeder.audience.foreign(&st):
		s.out.refuse(ref, n, refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_CONFIGURED, "DN %s is not at this node: ask at a TCport", n))
	default:
		e := answer(ref, n, nil)
		e.Body = &tlibpb.Event_AddressInfo{AddressInfo: &tlibpb.EventAddressInfo{Status: s.addressInfo(n, e)}}
		s.out.add(e)
	}
}

func (s *session) monitorAll(ctx context.Context, m *tlibpb.MonitorAll, ref uint64) {
	from, bad := feed.ParseCursor(m.GetResumeCursor())
	mon, err := newMonitor(m.GetFilter(), s.who)
	if bad != nil {
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "resume_cursor: %v", bad)
	}
	if err != nil {
		s.out.refuse(ref, "", err)
		return
	}
	a := s.feeder.audience
	if a.monitor != nil && a.monitor.pending {
		s.out.refuse(a.monitor.ref, "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "replaced by a later MonitorAll"))
	}
	if a.monitor == nil {
		s.c.monitors.Add(1)
	}
	mon.ref, mon.pending = ref, true
	a.monitor, a.ownOnly = mon, m.GetFilter().GetOwnOnly() || s.port == DefaultPort
	for n := range a.dns {
		a.dns[n] = a.dns[n].later(s.feeder.hearing.sent) // those need not hear it twice
	}
	if a.ownOnly || mon.owner != "" {
		from = feed.Cursor{} // what the client believes to be inside is not known here
	}
	s.tellSitesAnew()
	s.feeder.waiting.upTo = 0
	s.feeder.listen(ctx, from)
}

func (s *session) stopMonitor(ref uint64) {
	a := s.feeder.audience
	if a.monitor != nil {
		if a.monitor.pending {
			s.out.refuse(a.monitor.ref, "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "ended by StopMonitor"))
		}
		a.monitor, a.ownOnly = nil, false
		s.c.sites.leave(s)
		s.c.monitors.Add(-1)
	}
	s.out.add(answer(ref, "", &tlibpb.Event_EndOfSnapshot{EndOfSnapshot: &tlibpb.EndOfSnapshot{}}))
}

// agentRequest is any of the four.
type agentRequest interface{ GetReasons() map[string]string }

func (s *session) agent(ctx context.Context, n dn.Number, ref uint64, kind peerpb.AgentRequest, m agentRequest) {
	if !s.mayAct(n, ref) {
		return
	}
	change := agent.Change{Request: kind, Reasons: sortReasons(m.GetReasons())}
	if l, ok := m.(interface{ GetAgentId() string }); ok {
		change.AgentID = l.GetAgentId()
	}
	if w, ok := m.(interface {
		GetWorkMode() tlibpb.AgentWorkMode
	}); ok {
		if w.GetWorkMode() < 0 || w.GetWorkMode() >= tlibpb.AgentWorkMode(dn.WorkModes) {
			s.out.refuse(ref, n, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "unknown work_mode %d", w.GetWorkMode()))
			return
		}
		change.Mode = dn.WorkMode(w.GetWorkMode())
	}
	s.ask(ctx, ask{n: n, ref: ref, agent: true, do: func(ctx context.Context) (agent.Done, error) {
		return s.c.cfg.Agents.SetAgent(ctx, n, change)
	}})
}

// sortReasons orders them by key.
func sortReasons(m map[string]string) []dn.KeyValue {
	list := make([]dn.KeyValue, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, dn.KeyValue{Key: k, Value: m[k]})
	}
	return list
}
