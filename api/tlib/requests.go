package tlib

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// RegisterAddress registers a DN with this session: its events come here. Shared
// or private registration of a pstn DN makes the node its owner. The answer is
// EventRegistered with the DN's status. After a lost connection
// the DN is registered again. For a routing point at the default port the calls
// that wait there are told as rows, EventQueued and EventRouteRequest, each time.
func (c *Client) RegisterAddress(ctx context.Context, dn string, mode tlibpb.AddressMode) (*tlibpb.Event, error) {
	return c.ask(ctx, "register DN "+dn, registerAddress(dn, mode))
}

// UnregisterAddress takes RegisterAddress back. With the last registration that
// is not to monitor a pstn DN goes out of service.
func (c *Client) UnregisterAddress(ctx context.Context, dn string) (*tlibpb.Event, error) {
	return c.ask(ctx, "unregister DN "+dn, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_UnregisterAddress{UnregisterAddress: &tlibpb.UnregisterAddress{Dn: dn}}})
}

// QueryAddress asks for a DN's status, which is in the answer.
func (c *Client) QueryAddress(ctx context.Context, dn string) (*tlibpb.Event, error) {
	return c.ask(ctx, "query DN "+dn, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryAddress{QueryAddress: &tlibpb.QueryAddress{Dn: dn}}})
}

// QueryServer asks what the node is and which nodes it hears.
func (c *Client) QueryServer(ctx context.Context) (*tlibpb.ServerInfo, error) {
	e, err := c.ask(ctx, "query the server", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryServer{QueryServer: &tlibpb.QueryServer{}}})
	return e.GetServer(), err
}

// MonitorAll asks for the events of all DNs that pass the filter; nil is no
// filter. The node's rows, EndOfSnapshot and then every change are events: read
// them. MonitorAll returns when the first of them is here. Asking again replaces
// the filter. After a lost connection the client asks again, for what is new
// where the node can tell, else for a snapshot: EndOfSnapshot says which by
// Resumed. A DN that is in no row of a snapshot is not there any more.
func (c *Client) MonitorAll(ctx context.Context, filter *tlibpb.MonitorFilter) error {
	own := &tlibpb.MonitorFilter{}
	proto.Merge(own, filter)
	_, err := c.ask(ctx, "monitor all", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_MonitorAll{MonitorAll: &tlibpb.MonitorAll{Filter: own}}})
	return err
}

// StopMonitor ends MonitorAll. Events that the node told before may still wait
// to be read.
func (c *Client) StopMonitor(ctx context.Context) error {
	_, err := c.ask(ctx, "stop monitoring", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_StopMonitor{StopMonitor: &tlibpb.StopMonitor{}}})
	return err
}

// AgentLogin logs an agent in at a DN in service where nobody is, that this
// session has registered, not only to monitor it. The agent stays logged in when
// the session ends. reasons may be nil: up to 16, keys of up to 64 and values of
// up to 256 bytes. The answer is EventAgentLogin.
func (c *Client) AgentLogin(ctx context.Context, dn, agentID string, mode tlibpb.AgentWorkMode, reasons map[string]string) (*tlibpb.Event, error) {
	return c.ask(ctx, "log in at DN "+dn, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogin{
		AgentLogin: &tlibpb.AgentLogin{Dn: dn, AgentId: agentID, WorkMode: mode, Reasons: reasons}}})
}

// AgentLogout logs the agent at the DN out. The answer is EventAgentLogout.
func (c *Client) AgentLogout(ctx context.Context, dn string, reasons map[string]string) (*tlibpb.Event, error) {
	return c.ask(ctx, "log out at DN "+dn, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogout{
		AgentLogout: &tlibpb.AgentLogout{Dn: dn, Reasons: reasons}}})
}

// AgentReady makes the agent at the DN ready for calls. The answer is
// EventAgentReady, with the owner's site as the reason "site".
func (c *Client) AgentReady(ctx context.Context, dn string, mode tlibpb.AgentWorkMode, reasons map[string]string) (*tlibpb.Event, error) {
	return c.ask(ctx, "make DN "+dn+" ready", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentReady{
		AgentReady: &tlibpb.AgentReady{Dn: dn, WorkMode: mode, Reasons: reasons}}})
}

// AgentNotReady makes the agent at the DN not ready. The answer is
// EventAgentNotReady.
func (c *Client) AgentNotReady(ctx context.Context, dn string, mode tlibpb.AgentWorkMode, reasons map[string]string) (*tlibpb.Event, error) {
	return c.ask(ctx, "make DN "+dn+" not ready", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentNotReady{
		AgentNotReady: &tlibpb.AgentNotReady{Dn: dn, WorkMode: mode, Reasons: reasons}}})
}

// SetDNDOn sets do not disturb at a DN that this session has registered: it is not
// routable, whatever its agent does. The answer is EventDNDOn.
func (c *Client) SetDNDOn(ctx context.Context, dn string) (*tlibpb.Event, error) {
	return c.ask(ctx, "set do not disturb at DN "+dn, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_SetDndOn{SetDndOn: &tlibpb.SetDNDOn{Dn: dn}}})
}

// SetDNDOff takes SetDNDOn back. The answer is EventDNDOff.
func (c *Client) SetDNDOff(ctx context.Context, dn string) (*tlibpb.Event, error) {
	return c.ask(ctx, "take do not disturb at DN "+dn+" back", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_SetDndOff{SetDndOff: &tlibpb.SetDNDOff{Dn: dn}}})
}

// MaxReservation is how long a reservation may last.
const MaxReservation = time.Hour

// ReserveAgent asks the DN's owner to reserve it for d, in whole milliseconds, at
// most MaxReservation. The owner collects requests for a moment; the highest
// priority wins, among equals the oldest. The answer is EventAgentReserved; who
// does not win gets an *Error. Who has it already gets the same answer, and has it for
// the longer of both times. expires_at says until when; it ends earlier with the session,
// after the grace of one that has it, or at most 3 s after the session's node was lost
// or cut off from the DN's owner.
func (c *Client) ReserveAgent(ctx context.Context, dn string, d time.Duration, priority uint32) (*tlibpb.Event, error) {
	if err := reservable(dn, d); err != nil {
		return nil, err
	}
	return c.reserve(ctx, "reserve DN "+dn, &tlibpb.ReserveAgent{Dn: dn, Duration: durationpb.New(d.Truncate(time.Millisecond)), Priority: priority})
}

// ReserveDetached is like ReserveAgent, but the node has the reservation, not the
// session: it ends with its time or with the node, and nobody can cancel it.
func (c *Client) ReserveDetached(ctx context.Context, dn string, d time.Duration, priority uint32) (*tlibpb.Event, error) {
	if err := reservable(dn, d); err != nil {
		return nil, err
	}
	return c.reserve(ctx, "reserve DN "+dn, &tlibpb.ReserveAgent{Dn: dn, Duration: durationpb.New(d.Truncate(time.Millisecond)), Priority: priority, Detached: true})
}

func reservable(dn string, d time.Duration) error {
	if d < time.Millisecond || d > MaxReservation {
		return fmt.Errorf("reserve DN %s: %w", dn, &Error{tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, fmt.Sprintf("a reservation lasts from 1ms to %v, not %v", MaxReservation, d)})
	}
	return nil
}

// CancelReservation ends this session's reservation of the DN. The answer is
// EventAgentReserved with the outcome CANCELLED, also when there is none.
func (c *Client) CancelReservation(ctx context.Context, dn string) (*tlibpb.Event, error) {
	return c.reserve(ctx, "cancel the reservation of DN "+dn, &tlibpb.ReserveAgent{Dn: dn})
}

func (c *Client) reserve(ctx context.Context, what string, m *tlibpb.ReserveAgent) (*tlibpb.Event, error) {
	return c.ask(ctx, what, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: m}})
}

// RouteCall answers an EventRouteRequest: it sends the call on, at the default
// port of the node that has it. The answer is EventRouteUsed when the call leaves
// the routing point, or was rejected as asked; an *Error when the call does not wait
// any more, when nobody there could take it, or when another RouteCall of this session
// took the place of this one.
func (c *Client) RouteCall(ctx context.Context, r *tlibpb.RouteCall) (*tlibpb.Event, error) {
	return c.ask(ctx, "route call "+r.GetConnId(), &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RouteCall{RouteCall: r}})
}

// WithdrawRoute takes back a RouteCall of this session by which the call waits for an
// agent of a group.
func (c *Client) WithdrawRoute(ctx context.Context, connID string) (*tlibpb.Event, error) {
	return c.ask(ctx, "withdraw the route of "+connID, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_WithdrawRoute{WithdrawRoute: &tlibpb.WithdrawRoute{ConnId: connID}}})
}

// MakeCall has the phone of a sip DN that this session has registered call a number. With
// a requestID the request may be made again within ten minutes, and makes no other call.
// The answer is EventDialing when the phone has begun the call, which takes up to 15 s.
func (c *Client) MakeCall(ctx context.Context, dn, number, requestID string) (*tlibpb.Event, error) {
	return c.ask(ctx, "have DN "+dn+" call "+number, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_MakeCall{
		MakeCall: &tlibpb.MakeCall{Dn: dn, Number: number, RequestId: requestID}}})
}

// ReleaseCall ends an answered call that the DN has part in, at the node that has it. The
// answer is EventReleased.
func (c *Client) ReleaseCall(ctx context.Context, dn, conn string) (*tlibpb.Event, error) {
	return c.ask(ctx, "release call "+conn, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReleaseCall{
		ReleaseCall: &tlibpb.ReleaseCall{Dn: dn, ConnId: conn}}})
}

// UpdateUserData adds to the user data of a call, at the node that has it; an empty value
// takes a key away. The answer is EventAttachedDataChanged.
func (c *Client) UpdateUserData(ctx context.Context, conn string, data map[string]string) (*tlibpb.Event, error) {
	return c.ask(ctx, "update the data of call "+conn, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_UpdateUserData{
		UpdateUserData: &tlibpb.UpdateUserData{ConnId: conn, UserData: data}}})
}

// DistributeUserEvent tells all clients that hear of a DN something, at every node. The
// answer is EventUserEvent.
func (c *Client) DistributeUserEvent(ctx context.Context, dn string, data map[string]string) (*tlibpb.Event, error) {
	return c.ask(ctx, "distribute to "+dn, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_DistributeUserEvent{
		DistributeUserEvent: &tlibpb.DistributeUserEvent{Dn: dn, UserData: data}}})
}

// DistributeToCall is DistributeUserEvent to all parties of a call.
func (c *Client) DistributeToCall(ctx context.Context, conn string, data map[string]string) (*tlibpb.Event, error) {
	return c.ask(ctx, "distribute to call "+conn, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_DistributeUserEvent{
		DistributeUserEvent: &tlibpb.DistributeUserEvent{ConnId: conn, UserData: data}}})
}

// ask sends a request and waits for its answer.
func (c *Client) ask(ctx context.Context, what string, req *tlibpb.ClientMessage) (*tlibpb.Event, error) {
	e, err := c.exchange(ctx, req)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	case e.GetError() != nil:
		return nil, fmt.Errorf("%s: %w", what, errorOf(e.GetError()))
	}
	return e, nil
}

func (c *Client) exchange(ctx context.Context, m *tlibpb.ClientMessage) (*tlibpb.Event, error) {
	c.mu.Lock()
	s := c.cur
	c.mu.Unlock()
	if s == nil || c.over() {
		return nil, c.absent()
	}
	answer := make(chan *tlibpb.Event, 1)
	r := &request{m, answer}
	select {
	case s.out <- r:
	case <-s.done:
		return nil, c.absent()
	case <-ctx.Done():
		return nil, fmt.Errorf("not sent: %w", ctx.Err())
	}
	select {
	case e := <-answer:
		return e, nil
	case <-s.done:
	case <-ctx.Done():
	}
	c.mu.Lock()
	r.answer = nil // when it comes now, it is an event
	c.mu.Unlock()
	select {
	case e := <-answer: // after all
		return e, nil
	default:
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknownOutcome, ctx.Err())
	}
	return nil, ErrUnknownOutcome
}

// absent says why there is no session.
func (c *Client) absent() error {
	select {
	case <-c.ended:
		return c.err
	case <-c.closing:
		return ErrClosed
	default:
		return ErrNotConnected
	}
}
