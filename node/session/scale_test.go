package session

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/scale"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// crowd is an office with many DNs, all in service, and a client that has registered one
// and an agent at it.
type crowd struct {
	*office
	*wire
	router *wire
	up     call.ID
}

func newCrowd(t *testing.T, n int) *crowd {
	o := newOffice(t)
	all := make([]*configpb.Mutation, n)
	for i := range all {
		all[i] = sipDN(fmt.Sprintf("5%07d", i))
	}
	for some := range slices.Chunk(all, max(1, min(n/64, fsm.MaxMutations))) {
		o.write(some...)
	}
	for i := range n {
		o.table.Register(dn.Number(fmt.Sprintf("5%07d", i)), dn.Registered)
	}
	o.table.Register("1001", dn.Registered)
	clerk := newClerk() // a route that is taken is answered by what becomes of the call
	clerk.answer = refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_CONN_ID, "there is no such call")
	o.control.cfg.Router = clerk
	o.control.cfg.Release = func(id call.ID) { o.traffic.End(id, 0, false) }
	c := &crowd{office: o, wire: o.connect(TCport, nil), router: o.connect(DefaultPort, nil)}
	for _, m := range []*tlibpb.ClientMessage{registerAddress("1001", shared), agentLogin("1001", "7001"), agentReady("1001")} {
		c.asks("", m)
	}
	c.router.ask(registerAddress("9000", shared))
	c.up = o.inCall()
	return c
}

// asks wants the answer to begin so: EVENT_ERROR unless it is empty.
func (c *crowd) asks(want string, m *tlibpb.ClientMessage) {
	c.wire.o.t.Helper()
	c.answered(want, c.wire, m)
}

func (c *crowd) answered(want string, by *wire, m *tlibpb.ClientMessage) {
	c.wire.o.t.Helper()
	e := by.ask(m)
	if failed := e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ERROR; failed != (want != "") || failed && e.GetError().GetCode().String() != "ERROR_CODE_"+want {
		c.wire.o.t.Fatalf("%v is answered %v", m, e)
	}
	by.heard()
}

// crowdRequests is what a client can ask for, by the field of ClientMessage.
var crowdRequests = map[string]func(c *crowd){
	"query_server":  func(c *crowd) { c.asks("", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryServer{}}) },
	"query_address": func(c *crowd) { c.asks("", query("1001")) },
	"register_address": func(c *crowd) {
		c.asks("", registerAddress("2001", shared))
		c.asks("", unregisterAddress("2001"))
	},
	"agent_login": func(c *crowd) { c.asks("", agentLogin("1001", "7001")) },
	"agent_logout": func(c *crowd) {
		c.asks("", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogout{AgentLogout: &tlibpb.AgentLogout{Dn: "1001"}}})
		c.asks("", agentLogin("1001", "7001"))
	},
	"agent_ready": func(c *crowd) {
		c.asks("", agentNotReady("1001"))
		c.asks("", agentReady("1001"))
	},
	"set_dnd_on": func(c *crowd) {
		c.asks("", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_SetDndOn{SetDndOn: &tlibpb.SetDNDOn{Dn: "1001"}}})
		c.asks("", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_SetDndOff{SetDndOff: &tlibpb.SetDNDOff{Dn: "1001"}}})
	},
	"make_call": func(c *crowd) {
		c.asks("UNSUPPORTED_OPERATION", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_MakeCall{MakeCall: &tlibpb.MakeCall{Dn: "1001", Number: "2001"}}})
	},
	"release_call": func(c *crowd) {
		id := c.inCall()
		c.asks("", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReleaseCall{ReleaseCall: &tlibpb.ReleaseCall{Dn: "1001", ConnId: string(id)}}})
	},
	"update_user_data": func(c *crowd) {
		c.asks("", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_UpdateUserData{UpdateUserData: &tlibpb.UpdateUserData{ConnId: string(c.up), UserData: map[string]string{"k": "w"}}}})
	},
	"route_call": func(c *crowd) { c.answered("INVALID_CONN_ID", c.router, toDN("1001")) },
	"distribute_user_event": func(c *crowd) {
		c.asks("", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_DistributeUserEvent{DistributeUserEvent: &tlibpb.DistributeUserEvent{Dn: "1001", UserData: map[string]string{"k": "v"}}}})
	},
	"reserve_agent": func(c *crowd) { c.asks("", reserveFor("50000001", 1e9)) },
	"open_session": func(c *crowd) {
		w := c.connect(TCport, nil)
		w.hangUp()
		<-w.ctx.Done()
	},
	"stop_monitor": func(c *crowd) {
		c.asks("", monitorAll(calls()))
		c.asks("", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_StopMonitor{}})
		c.asks("", monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Group: "sales"}}))
		c.asks("", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_StopMonitor{}})
	},
	"withdraw_route": func(c *crowd) {
		c.answered("INVALID_CONN_ID", c.router, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_WithdrawRoute{WithdrawRoute: &tlibpb.WithdrawRoute{ConnId: callHere}}})
	},
}

// sameRow are requests that another one's row makes too.
var sameRow = map[string]string{
	"unregister_address": "register_address", "agent_not_ready": "agent_ready", "set_dnd_off": "set_dnd_on",
	"monitor_all": "stop_monitor",
}

// What a client's request costs does not follow from how many DNs there are.
func TestRequests_CostNoMoreWithManyDNs(t *testing.T) {
	small, large := scale.Sizes()
	few, many := newCrowd(t, small), newCrowd(t, large)
	fields := (&tlibpb.ClientMessage{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		if same, ok := sameRow[name]; ok && crowdRequests[same] != nil {
			continue
		}
		do := crowdRequests[name]
		if do == nil {
			t.Errorf("%s is not measured: it wants a row", name)
			continue
		}
		scale.FlatTogether(t, name, func() { do(few) }, func() { do(many) })
	}
}
