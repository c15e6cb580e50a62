package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
	"github.com/sipcluster/sipcluster/node/routing"
)

// as is a client with a token of that id.
func as(id string, role configpb.Role, scope *configpb.Scope) context.Context {
	return access.With(context.Background(), &access.Who{ID: id, Role: role, Scope: scope})
}

func (w *wire) denied(m *tlibpb.ClientMessage) {
	w.o.t.Helper()
	e := w.ask(m)
	if e.GetMessage() != tlibpb.Message_MESSAGE_EVENT_ERROR || !strings.Contains(e.GetError().GetText(), "permission denied") {
		w.o.t.Errorf("%v was answered by %v", m, e)
	}
}

func TestScope_WhatIsOutsideIsRefusedAndDoesNothing(t *testing.T) {
	o := newOffice(t)
	desk := o.connectIn(as("desk", configpb.Role_ROLE_GATEWAY, &configpb.Scope{DnPrefixes: []string{"2001"}}), TCport, nil)
	desk.denied(registerAddress("2002", shared))
	desk.denied(registerAddress("9000", shared))
	desk.denied(monitorAll(&tlibpb.MonitorAll{}))
	if got := o.control.Held()["tlib_addresses"]; got != 0 {
		t.Errorf("%d DNs are registered", got)
	}
	if e := desk.ask(registerAddress("2001", shared)); e.GetMessage() != tlibpb.Message_MESSAGE_EVENT_REGISTERED {
		t.Errorf("its own DN: %v", e)
	}
	stat := o.connectIn(as("stat", configpb.Role_ROLE_STAT, nil), TCport, nil)
	stat.denied(registerAddress("2002", shared))
	stat.denied(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{Dn: "2001", Duration: durationpb.New(time.Second)}}})
	if e := stat.ask(registerAddress("2002", watched)); e.GetMessage() != tlibpb.Message_MESSAGE_EVENT_REGISTERED {
		t.Errorf("to monitor it: %v", e)
	}
}

// routesTo is a clerk that hands on what it was asked for.
type routesTo struct {
	clerk
	came chan routing.Route
}

func (a *routesTo) RouteCall(_ string, r routing.Route) *refusal.Error {
	a.came <- r
	return nil
}

func TestScope_ARouterTakesCallsFromItsRoutingPointsOnly(t *testing.T) {
	o := newOffice(t)
	c := &routesTo{came: make(chan routing.Route, 1)}
	o.control.cfg.Router = c
	mine := o.connectIn(as("router", configpb.Role_ROLE_ROUTER, &configpb.Scope{RoutingPoints: []string{"9000"}}), DefaultPort, nil)
	mine.post(toDN("2001"))
	if r := patience.Receive(t, "the route", c.came); r.May == nil || !r.May("9000") || r.May("9001") {
		t.Error("the route may take calls from elsewhere, or not from its routing point")
	}
}

// TestScope_ACallOfOthersIsNotChanged: by its ConnID too nobody reaches what is not his.
func TestScope_ACallOfOthersIsNotChanged(t *testing.T) {
	o := newOffice(t)
	id := string(o.inCall())
	update := &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_UpdateUserData{UpdateUserData: &tlibpb.UpdateUserData{ConnId: id, UserData: map[string]string{"new": "2"}}}}
	tell := &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_DistributeUserEvent{DistributeUserEvent: &tlibpb.DistributeUserEvent{ConnId: id, UserData: map[string]string{"a": "b"}}}}
	waiting := o.begins(t, "9000", "sales")
	atPoint := &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_UpdateUserData{UpdateUserData: &tlibpb.UpdateUserData{ConnId: string(waiting), UserData: map[string]string{"new": "2"}}}}
	for name, c := range map[string]struct {
		scope *configpb.Scope
		m     *tlibpb.ClientMessage
		may   bool
	}{
		"data of another's call":        {&configpb.Scope{DnPrefixes: []string{"2002"}}, update, false},
		"data of its call":              {&configpb.Scope{DnPrefixes: []string{"2001"}}, update, true},
		"an event to another's call":    {&configpb.Scope{DnPrefixes: []string{"2002"}}, tell, false},
		"an event to its call":          {&configpb.Scope{DnPrefixes: []string{"2001"}}, tell, true},
		"data at its routing point":     {&configpb.Scope{DnPrefixes: []string{"2002"}, RoutingPoints: []string{"9000"}}, atPoint, true},
		"data at another routing point": {&configpb.Scope{DnPrefixes: []string{"2002"}, RoutingPoints: []string{"9001"}}, atPoint, false},
	} {
		w := o.connectIn(as(name, configpb.Role_ROLE_ROUTER, c.scope), TCport, nil)
		if e := w.ask(c.m); (e.GetError() == nil) != c.may || !c.may && e.GetError().GetCode() != tlibpb.ErrorCode_ERROR_CODE_INVALID_CONN_ID {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func TestResume_IsForTheTokenThatHadTheSession(t *testing.T) {
	o := newOffice(t)
	o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
	desk := o.connectIn(as("desk", configpb.Role_ROLE_GATEWAY, nil), TCport, nil)
	desk.ask(registerAddress("2001", shared))
	desk.ask(registerAddress("2002", shared))
	resume := &tlibpb.OpenSession{ResumeToken: desk.link.GetLinkConnected().GetSessionToken()}
	desk.hangUp()
	_ = patience.Receive(t, "the end of the session", desk.ended)
	if thief := o.connectIn(as("other", configpb.Role_ROLE_ADMIN, nil), TCport, resume); thief.link.GetResumed() {
		t.Error("another token resumed it")
	}
	back := o.connectIn(as("desk", configpb.Role_ROLE_GATEWAY, &configpb.Scope{DnPrefixes: []string{"2001"}}), TCport, resume)
	if !back.link.GetResumed() {
		t.Fatal("its own token did not resume it")
	}
	o.await("the DN outside of its scope to be given up", func() bool { st, _ := o.table.Get("2002"); return st.State == dn.OOS })
	if st, _ := o.table.Get("2001"); st.State != dn.InSrv {
		t.Error("the DN in its scope is out of service")
	}
}

// TestRevoked_HasNoGrace: what a client had whose token is revoked ends at once, also when the
// stream's own error comes before the session's context ends.
func TestRevoked_HasNoGrace(t *testing.T) {
	for _, behind := range []bool{false, true} {
		o := newOffice(t)
		o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
		ctx, end := context.WithCancelCause(as("desk", configpb.Role_ROLE_GATEWAY, nil))
		if behind {
			ctx = late{ctx}
		}
		desk := o.connectIn(ctx, TCport, nil)
		desk.ask(registerAddress("2001", shared))
		end(access.ErrEnded)
		if err := patience.Receive(t, "the end of the session", desk.ended); !errors.Is(err, access.ErrEnded) {
			t.Errorf("it ended by %v", err)
		}
		o.await("the end of its registration", func() bool { st, _ := o.table.Get("2001"); return st.State == dn.OOS })
		if held := o.control.Held(); held["tlib_in_grace"] != 0 {
			t.Errorf("a grace began: %v", held)
		}
	}
}

// A client that monitors all hears of its scope, and of nothing else; and of a DN that it
// was told of it hears the end too, when that is not configured any more.
func TestScope_WhoMonitorsAllHearsOfItsScope(t *testing.T) {
	o := newOffice(t)
	desk := o.connect(TCport, nil)
	board := o.connectIn(as("board", configpb.Role_ROLE_STAT, &configpb.Scope{Groups: []string{"sales"}, DnPrefixes: []string{"2"}}), TCport, nil)
	board.ask(monitorAll(&tlibpb.MonitorAll{}))
	board.hears("EVENT_LINK_CONNECTED", "EVENT_DN_OUT_OF_SERVICE 2002   row", "END_OF_SNAPSHOT")
	desk.ask(registerAddress("2001", shared))
	begin(t, o.traffic, "2001")
	desk.ask(registerAddress("2002", shared))
	board.hears("EVENT_DN_BACK_IN_SERVICE 2002 n1 registered")
	o.write(&configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: "2002"}})
	board.wait("the end of the DN", func(e *tlibpb.Event) bool {
		return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_DN_OUT_OF_SERVICE && e.GetThisDn() == "2002"
	})
	for _, l := range board.heard() {
		if strings.Contains(l, "2001") || strings.Contains(l, "1001") {
			t.Error("it heard ", l)
		}
	}
}

// TestDropped_HasItsGrace although a request of its was in hand when the session ended:
// only who says that he leaves has none.
func TestDropped_HasItsGrace(t *testing.T) {
	for range 10 {
		o := newOffice(t)
		o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
		ctx, end := context.WithCancelCause(context.Background())
		desk := o.connectIn(ctx, TCport, nil)
		desk.ask(registerAddress("2001", shared))
		desk.awaits("EVENT_DN_BACK_IN_SERVICE 2001 n1 registered")
		desk.gate.Lock() // the session is held up by its answer to the first one
		desk.post(registerAddress("2002", shared))
		desk.post(registerAddress("2002", shared))
		end(errNotRead)
		desk.gate.Unlock()
		_ = patience.Receive(t, "the end of the session", desk.ended)
		o.await("its grace", func() bool { return o.control.Held()["tlib_in_grace"] == 1 })
	}
}
