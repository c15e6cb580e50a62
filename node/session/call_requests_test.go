package session

import (
	"maps"
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// inCall is a call of DN 1001 to DN 2001 that is answered.
func (o *office) inCall() call.ID {
	o.t.Helper()
	id, err := o.traffic.Begin(call.Info{Caller: "1001", Type: call.Internal, ANI: "1001", DNIS: "2001", UserData: map[string]string{"k": "v", "old": "1"}})
	if err != nil {
		o.t.Fatal(err)
	}
	o.traffic.Ringing(id, "2001", "")
	o.traffic.Established(id, "2001")
	return id
}

// Who begins a call is told of from the first moment, and is in a snapshot before anybody
// has answered.
func TestCalls_WhoDialsIsToldOf(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(monitorAll(calls()))
	w.heard()
	if _, err := o.traffic.Begin(call.Info{Caller: "1001", Type: call.Internal, ANI: "1001", DNIS: "2001"}); err != nil {
		t.Fatal(err)
	}
	w.hears("EVENT_DIALING 1001")
	again := o.connect(DefaultPort, nil)
	again.heard()
	again.post(monitorAll(calls()))
	again.hears("EVENT_DIALING 1001 row", "END_OF_SNAPSHOT")
}

// The data of a call change for everybody at once; of no call, or of another node's, and
// beyond their bound they don't.
func TestUpdateUserData_EveryPartyIsTold(t *testing.T) {
	o := newOffice(t)
	id := o.inCall()
	stat, w := o.connect(TCport, nil), o.connect(TCport, nil)
	stat.ask(monitorAll(calls()))
	stat.heard()
	update := func(conn string, data map[string]string) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_UpdateUserData{UpdateUserData: &tlibpb.UpdateUserData{ConnId: conn, UserData: data}}}
	}
	e := w.ask(update(string(id), map[string]string{"new": "2", "old": ""}))
	if want := map[string]string{"k": "v", "new": "2"}; !maps.Equal(e.GetAttachedDataChanged().GetCall().GetUserData(), want) {
		t.Errorf("answered %v", e)
	}
	stat.wait("both parties' data", func(e *tlibpb.Event) bool { return e.GetAttachedDataChanged() != nil && e.GetThisDn() == "2001" })
	for _, e := range stat.seen() {
		if c := e.GetCall(); c.GetUserData()["new"] != "2" || c.GetConnId() != string(id) {
			t.Errorf("told %v", e)
		}
	}
	w.heard()
	w.says("EVENT_ERROR INVALID_CONN_ID", update("00000000000000aa", nil))
	w.says("EVENT_ERROR INVALID_ATTRIBUTE", update(string(id), map[string]string{"k": string(make([]byte, call.MaxUserDataBytes))}))
}

func TestReleaseCall_OfAnAnsweredCallOfThisNode(t *testing.T) {
	o := newOffice(t)
	release := func(n string, conn call.ID) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReleaseCall{ReleaseCall: &tlibpb.ReleaseCall{Dn: n, ConnId: string(conn)}}}
	}
	id := o.inCall()
	w := o.connect(TCport, nil)
	w.says("EVENT_ERROR 2001 UNSUPPORTED_OPERATION", release("2001", id))
	o.control.cfg.Release = func(id call.ID) { o.traffic.End(id, 0, false) }
	w.says("EVENT_ERROR 2002 INVALID_CONN_ID", release("2002", id))
	rings := begin(t, o.traffic, "2002")
	w.says("EVENT_ERROR 2002 UNSUPPORTED_OPERATION", release("2002", rings))
	w.says("EVENT_RELEASED 2001  n1 0", release("2001", id))
	if _, up := o.traffic.Get(id); up {
		t.Error("it is up")
	}
	w.says("EVENT_ERROR 2001 INVALID_CONN_ID", release("2001", id))
}

// Who is busy or reserved is told to monitors that name the kind, and to no other.
func TestMonitorAll_UseOnlyWhenItIsNamed(t *testing.T) {
	o := newOffice(t)
	o.table.Register("1001", dn.Registered)
	all, use := o.connect(TCport, nil), o.connect(TCport, nil)
	all.ask(monitorAll(&tlibpb.MonitorAll{}))
	use.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_USE}}}))
	all.heard()
	use.heard()
	use.ask(reserveFor("1001", 1e9))
	use.wait("its use", func(e *tlibpb.Event) bool {
		return e.GetDnUseChanged().GetReserved() && !e.GetDnUseChanged().GetRoutable()
	})
	o.table.Register("2001", dn.Registered)
	all.hears("EVENT_DN_BACK_IN_SERVICE 2001 n1 registered")
}

// A call is made by who has registered the DN, where a phone is.
func TestMakeCall_ByWhoHasRegisteredTheDN(t *testing.T) {
	o := newOffice(t)
	make := func(n string) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_MakeCall{MakeCall: &tlibpb.MakeCall{Dn: n, Number: "2001"}}}
	}
	w := o.connect(TCport, nil)
	w.says("EVENT_ERROR 1001 NOT_REGISTERED", make("1001"))
	w.ask(registerAddress("1001", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
	w.heard()
	w.says("EVENT_ERROR 1001 OUT_OF_SERVICE", make("1001"))
	o.table.Register("1001", dn.Registered)
	w.says("EVENT_ERROR 1001 UNSUPPORTED_OPERATION", make("1001"))
}
