package tlib_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/api/tlibpb/tlibtest"
)

// asked is one method of the client, what the node reads of it, and by what its
// error begins.
type asked struct {
	ask  func(context.Context, *tlib.Client) (*tlibpb.Event, error)
	want *tlibpb.ClientMessage
	text string
}

func everyRequest() map[string]asked {
	type event = *tlibpb.Event
	busy := map[string]string{"reason": "lunch", "for": "1h"}
	only := func(err error) (event, error) { return &tlibpb.Event{}, err }
	return map[string]asked{
		"RegisterAddress": {func(ctx context.Context, c *tlib.Client) (event, error) {
			return c.RegisterAddress(ctx, "1001", tlibpb.AddressMode_ADDRESS_MODE_MONITOR)
		}, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RegisterAddress{RegisterAddress: &tlibpb.RegisterAddress{Dn: "1001", Mode: tlibpb.AddressMode_ADDRESS_MODE_MONITOR}}}, "register DN 1001: "},
		"UnregisterAddress": {func(ctx context.Context, c *tlib.Client) (event, error) { return c.UnregisterAddress(ctx, "1001") },
			&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_UnregisterAddress{UnregisterAddress: &tlibpb.UnregisterAddress{Dn: "1001"}}}, "unregister DN 1001: "},
		"QueryAddress": {func(ctx context.Context, c *tlib.Client) (event, error) { return c.QueryAddress(ctx, "1001") },
			&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryAddress{QueryAddress: &tlibpb.QueryAddress{Dn: "1001"}}}, "query DN 1001: "},
		"QueryServer": {func(ctx context.Context, c *tlib.Client) (event, error) {
			info, err := c.QueryServer(ctx)
			return &tlibpb.Event{Body: &tlibpb.Event_ServerInfo{ServerInfo: &tlibpb.EventServerInfo{Server: info}}}, err
		}, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryServer{QueryServer: &tlibpb.QueryServer{}}}, "query the server: "},
		"MonitorAll": {func(ctx context.Context, c *tlib.Client) (event, error) {
			return only(c.MonitorAll(ctx, &tlibpb.MonitorFilter{Group: "sales", Owner: "sip2", Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_AGENT}}))
		}, monitorAll(&tlibpb.MonitorFilter{Group: "sales", Owner: "sip2", Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_AGENT}}), "monitor all: "},
		"MonitorAll without a filter": {func(ctx context.Context, c *tlib.Client) (event, error) { return only(c.MonitorAll(ctx, nil)) },
			monitorAll(&tlibpb.MonitorFilter{}), "monitor all: "},
		"StopMonitor": {func(ctx context.Context, c *tlib.Client) (event, error) { return only(c.StopMonitor(ctx)) },
			&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_StopMonitor{StopMonitor: &tlibpb.StopMonitor{}}}, "stop monitoring: "},
		"AgentLogin": {func(ctx context.Context, c *tlib.Client) (event, error) {
			return c.AgentLogin(ctx, "1001", "7001", tlibpb.AgentWorkMode_AGENT_WORK_MODE_MANUAL_IN, busy)
		}, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogin{AgentLogin: &tlibpb.AgentLogin{
			Dn: "1001", AgentId: "7001", WorkMode: tlibpb.AgentWorkMode_AGENT_WORK_MODE_MANUAL_IN, Reasons: busy}}}, "log in at DN 1001: "},
		"AgentLogout": {func(ctx context.Context, c *tlib.Client) (event, error) { return c.AgentLogout(ctx, "1001", busy) },
			&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogout{AgentLogout: &tlibpb.AgentLogout{Dn: "1001", Reasons: busy}}}, "log out at DN 1001: "},
		"AgentReady": {func(ctx context.Context, c *tlib.Client) (event, error) {
			return c.AgentReady(ctx, "1001", tlibpb.AgentWorkMode_AGENT_WORK_MODE_AUTO_IN, busy)
		}, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentReady{AgentReady: &tlibpb.AgentReady{
			Dn: "1001", WorkMode: tlibpb.AgentWorkMode_AGENT_WORK_MODE_AUTO_IN, Reasons: busy}}}, "make DN 1001 ready: "},
		"AgentNotReady": {func(ctx context.Context, c *tlib.Client) (event, error) {
			return c.AgentNotReady(ctx, "1001", tlibpb.AgentWorkMode_AGENT_WORK_MODE_AFTER_CALL_WORK, busy)
		}, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentNotReady{AgentNotReady: &tlibpb.AgentNotReady{
			Dn: "1001", WorkMode: tlibpb.AgentWorkMode_AGENT_WORK_MODE_AFTER_CALL_WORK, Reasons: busy}}}, "make DN 1001 not ready: "},
		"ReserveAgent for the least time": {reserves(time.Millisecond), reservation(1, 7), "reserve DN 1001: "},
		"ReserveAgent for the most time":  {reserves(tlib.MaxReservation), reservation(3_600_000, 7), "reserve DN 1001: "},
		"ReserveDetached": {func(ctx context.Context, c *tlib.Client) (event, error) {
			return c.ReserveDetached(ctx, "1001", time.Second, 7)
		},
			detachedReservation(1000, 7), "reserve DN 1001: "},
		"CancelReservation": {func(ctx context.Context, c *tlib.Client) (event, error) { return c.CancelReservation(ctx, "1001") },
			reservation(0, 0), "cancel the reservation of DN 1001: "},
		"RouteCall": {func(ctx context.Context, c *tlib.Client) (event, error) { return c.RouteCall(ctx, route()) },
			&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RouteCall{RouteCall: route()}}, "route call 00000000000000aa: "},
	}
}

func monitorAll(f *tlibpb.MonitorFilter) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_MonitorAll{MonitorAll: &tlibpb.MonitorAll{Filter: f}}}
}

func reserves(d time.Duration) func(context.Context, *tlib.Client) (*tlibpb.Event, error) {
	return func(ctx context.Context, c *tlib.Client) (*tlibpb.Event, error) {
		return c.ReserveAgent(ctx, "1001", d, 7)
	}
}

func detachedReservation(ms, priority uint32) *tlibpb.ClientMessage {
	m := reservation(ms, priority)
	m.GetReserveAgent().Detached = true
	return m
}

func reservation(ms, priority uint32) *tlibpb.ClientMessage {
	r := &tlibpb.ReserveAgent{Dn: "1001", Priority: priority}
	if ms > 0 {
		r.Duration = durationpb.New(time.Duration(ms) * time.Millisecond)
	}
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: r}}
}

func route() *tlibpb.RouteCall {
	return &tlibpb.RouteCall{ConnId: "00000000000000aa", Destination: &tlibpb.RouteCall_Group{Group: "sales"}, UserData: map[string]string{"k": "v"}}
}

// answerTo is an answer to the request, as far as its method looks at it.
func answerTo(m *tlibpb.ClientMessage) *tlibpb.Event {
	if m.GetQueryServer() != nil {
		return &tlibpb.Event{Body: &tlibpb.Event_ServerInfo{ServerInfo: &tlibpb.EventServerInfo{Server: &tlibpb.ServerInfo{Node: "asked"}}}}
	}
	return tlibtest.About(tlibpb.Message_MESSAGE_END_OF_SNAPSHOT, "1001")
}

// What the node reads is what the method was given; the answer is the method's,
// and a refusal says what was asked.
func TestRequest_EachAsItIsAsked(t *testing.T) {
	for name, tc := range everyRequest() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, ns *nodes) {
				c, l := connected(ns, tlib.Options{})
				defer c.Close()
				seen := make(chan *tlibpb.ClientMessage, 2)
				go func() {
					seen <- l.answers(answerTo(tc.want))
					seen <- l.answers(tlibtest.Refusal(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, ""))
				}()
				e, err := tc.ask(t.Context(), c)
				if err != nil || tc.want.GetQueryServer() != nil && e.GetServer().GetNode() != "asked" {
					t.Errorf("answered with %v, %v", e, err)
				}
				got := <-seen
				if tc.want.ReferenceId = 2; !proto.Equal(got, tc.want) { // 1 opened the session
					t.Errorf("the node reads %v, want %v", got, tc.want)
				}
				_, err = tc.ask(t.Context(), c)
				var refused *tlib.Error
				if !errors.As(err, &refused) || err.Error() != tc.text+"RESOURCE_SEIZED" {
					t.Errorf("refused with %v, want %sRESOURCE_SEIZED", err, tc.text)
				}
				if got := <-seen; got.GetReferenceId() != 3 {
					t.Errorf("the second request has the reference %d", got.GetReferenceId())
				}
				if tc.want.GetMonitorAll() != nil {
					wantNext(t, c, tlibpb.Message_MESSAGE_END_OF_SNAPSHOT) // its answer is an event too
				}
				synctest.Wait()
				over, cancel := context.WithCancel(t.Context())
				cancel()
				if e, err := c.Next(over); err == nil {
					t.Errorf("an answer is an event: %v", e)
				}
			})
		})
	}
}

func TestReserveAgent_RefusesWhatNoNodeTakes(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, _ := connected(ns, tlib.Options{})
		defer c.Close()
		for _, d := range []time.Duration{-time.Second, 0, time.Millisecond - 1, tlib.MaxReservation + 1} {
			_, err := c.ReserveAgent(t.Context(), "1001", d, 1)
			var refused *tlib.Error
			if !errors.As(err, &refused) || refused.Code != tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE || !strings.Contains(err.Error(), "DN 1001") {
				t.Errorf("%v: %v", d, err)
			}
		}
	})
}
