package session

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
	"github.com/sipcluster/sipcluster/node/routing"
)

// clerk takes routes as it is told to.
type clerk struct {
	answer *refusal.Error
	conn   string
	route  routing.Route
	took   wake.Signal
}

func newClerk() *clerk { return &clerk{took: wake.New()} }

func (c *clerk) RouteCall(conn string, r routing.Route) *refusal.Error {
	c.conn, c.route = conn, r
	c.took.Send()
	return c.answer
}

// await waits until a route was taken.
func (c *clerk) await(t *testing.T) {
	t.Helper()
	patience.Receive(t, "a route", c.took)
}

func (*clerk) Waiting(dn.Number) ([]routing.Waiting, uint64) { return nil, 0 }

const callHere = "00000000000000aa"

func routeCall(m *tlibpb.RouteCall) *tlibpb.ClientMessage {
	m.ConnId = callHere
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RouteCall{RouteCall: m}}
}

func toDN(n string) *tlibpb.ClientMessage {
	return routeCall(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_Dn{Dn: n}})
}

func (o *office) tell(m tlibpb.Message, other string) {
	o.announcer.Announce(routing.Visit{Message: m, Call: &call.Call{ID: callHere, Info: &call.Info{ANI: other}}, RP: "9000", To: other})
}

func TestTell_ReachesTheDefaultPortInOrderWithTheCall(t *testing.T) {
	o := newOffice(t)
	router, other, stat := o.connect(DefaultPort, nil), o.connect(DefaultPort, nil), o.connect(TCport, nil)
	router.ask(registerAddress("9000", shared))
	router.ask(monitorAll(calls()))
	other.ask(registerAddress("2001", watched))
	stat.ask(monitorAll(calls()))
	stat.ask(registerAddress("9000", shared))
	for _, w := range []*wire{router, other, stat} {
		w.heard()
	}
	for range 20 {
		o.tell(tlibpb.Message_MESSAGE_EVENT_QUEUED, "")
		o.tell(tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST, "+4930")
		o.tell(tlibpb.Message_MESSAGE_EVENT_ROUTE_USED, "1001")
		o.tell(tlibpb.Message_MESSAGE_EVENT_DIVERTED, "1001")
		o.traffic.End(begin(t, o.traffic, "1001"), 487, true)
		router.hears("EVENT_QUEUED 9000 ", "EVENT_ROUTE_REQUEST 9000 +4930", "EVENT_ROUTE_USED 9000 1001", "EVENT_DIVERTED 9000 1001",
			"EVENT_RINGING 1001 +4930 n1 0", "EVENT_RELEASED trunk1 9000 n1 487", "EVENT_ABANDONED 1001 +4930 n1 487")
		stat.hears("EVENT_RINGING 1001 +4930 n1 0", "EVENT_RELEASED trunk1 9000 n1 487", "EVENT_ABANDONED 1001 +4930 n1 487")
	}
	other.ask(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryServer{}})
	if got := other.heard(); !slices.Equal(got, []string{"EVENT_SERVER_INFO"}) {
		t.Errorf("another DN's client heard %q", got)
	}
}

func TestRouters_AreThoseOfTheDefaultPort(t *testing.T) {
	o := newOffice(t)
	desk, stat := o.connect(TCport, nil), o.connect(DefaultPort, nil)
	desk.ask(registerAddress("9000", shared))
	stat.ask(registerAddress("9000", watched))
	if o.announcer.Routers("9000") {
		t.Error("no router has registered it")
	}
	router := o.connect(DefaultPort, nil)
	router.ask(registerAddress("9000", shared))
	if !o.announcer.Routers("9000") || o.announcer.Routers("2001") {
		t.Error("the router is not seen")
	}
	router.hangUp()
	o.await("its end", func() bool { return !o.announcer.Routers("9000") })
}

func TestRouteCall_IsAnsweredWhenTheCallLeaves(t *testing.T) {
	o := newOffice(t)
	c := newClerk()
	o.control.cfg.Router = c
	router, other := o.connect(DefaultPort, nil), o.connect(DefaultPort, nil)
	router.ask(registerAddress("9000", shared))
	other.ask(registerAddress("9000", watched))
	router.heard()
	other.heard()
	refused := refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "nobody")
	for _, x := range []struct {
		request *tlibpb.ClientMessage
		visit   routing.Visit
		heard   bool // by others too
	}{
		{toDN("1001"), routing.Visit{Message: tlibpb.Message_MESSAGE_EVENT_ROUTE_USED}, true},
		{routeCall(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_Reject{Reject: 603}}), routing.Visit{Message: tlibpb.Message_MESSAGE_EVENT_ROUTE_USED}, true},
		{toDN("1001"), routing.Visit{Message: tlibpb.Message_MESSAGE_EVENT_ERROR, Refused: refused}, false},
		{&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_WithdrawRoute{WithdrawRoute: &tlibpb.WithdrawRoute{ConnId: callHere}}}, routing.Visit{Message: tlibpb.Message_MESSAGE_EVENT_ROUTE_WITHDRAWN}, false},
		{toDN("1001"), routing.Visit{Message: tlibpb.Message_MESSAGE_EVENT_ROUTE_USED}, true},
	} {
		o.tell(tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST, "+4930")
		router.hears("EVENT_ROUTE_REQUEST 9000 +4930")
		other.hears("EVENT_ROUTE_REQUEST 9000 +4930")
		ref := router.post(proto.CloneOf(x.request))
		c.await(t)
		x.visit.Call, x.visit.RP, x.visit.Answers = &call.Call{ID: callHere, Info: &call.Info{ANI: "+4930"}}, "9000", c.route.Request
		o.announcer.Announce(x.visit)
		router.wait("the answer", func(e *tlibpb.Event) bool { return e.GetReferenceId() == ref && e.GetMessage() == x.visit.Message })
		if x.heard {
			other.wait("the event", func(e *tlibpb.Event) bool { return e.GetReferenceId() == 0 && e.GetMessage() == x.visit.Message })
		} else {
			other.hearsNothing()
		}
		other.heard()
		router.heard()
		o.announcer.Announce(x.visit) // answers nobody any more
		o.tell(tlibpb.Message_MESSAGE_EVENT_QUEUED, "+4930")
		for _, w := range []*wire{router, other} {
			w.wait("what comes next", func(e *tlibpb.Event) bool { return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_QUEUED })
		}
		router.mu.Lock()
		for _, e := range router.events {
			if e.GetReferenceId() != 0 {
				t.Errorf("%v is answered again: %v", x.request, e)
			}
		}
		router.mu.Unlock()
		router.heard()
		other.heard()
	}
	if c.conn != callHere || c.route.DN != "1001" || c.route.Holder == "" {
		t.Errorf("asked for %+v of %s", c.route, c.conn)
	}
}

func TestRouteCall_RefusesWhatIsWrong(t *testing.T) {
	o := newOffice(t)
	router, desk := o.connect(DefaultPort, nil), o.connect(TCport, nil)
	router.heard()
	desk.heard()
	router.says("EVENT_ERROR 1001 UNSUPPORTED_OPERATION", toDN("1001"))
	c := newClerk()
	o.control.cfg.Router = c
	desk.says("EVENT_ERROR 1001 UNSUPPORTED_OPERATION", toDN("1001"))
	router.says("EVENT_ERROR INVALID_ATTRIBUTE", routeCall(&tlibpb.RouteCall{}))
	router.says("EVENT_ERROR INVALID_ATTRIBUTE", toDN("10 01"))
	router.says("EVENT_ERROR INVALID_ATTRIBUTE", routeCall(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_External{External: "sip:x@y"}}))
	data := map[string]string{}
	for range call.MaxUserData + 1 {
		data[newToken()] = ""
	}
	router.says("EVENT_ERROR 1001 INVALID_ATTRIBUTE", routeCall(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_Dn{Dn: "1001"}, UserData: data}))
	wrong := toDN("1001")
	wrong.GetRouteCall().ConnId = "nobody"
	router.says("EVENT_ERROR 1001 INVALID_ATTRIBUTE", wrong)
	c.answer = refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "no such call")
	router.says("EVENT_ERROR 1001 INVALID_ATTRIBUTE", toDN("1001"))
	if c.conn != callHere {
		t.Error("the router was not asked")
	}
	c.answer = nil
	ref := router.post(toDN("1001"))
	router.ask(monitorAll(calls()))
	router.wait("the end of the wait", func(e *tlibpb.Event) bool {
		return e.GetReferenceId() == ref && e.GetError().GetCode() == tlibpb.ErrorCode_ERROR_CODE_TIMEOUT
	})
}
