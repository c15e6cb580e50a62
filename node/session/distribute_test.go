package session

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
)

// What a client of any node distributes comes to who has the DN registered, at either port,
// and to who monitors calls; to nobody else, and not to who comes later.
func TestDistribute_ComesToWhoHearsOfTheDN(t *testing.T) {
	o := newOffice(t)
	peer := o.elsewhere()
	stat, desk, other, far := o.connect(TCport, nil), o.connect(DefaultPort, nil), o.connect(TCport, nil), o.connect(TCport, nil)
	stat.ask(monitorAll(calls()))
	desk.ask(registerAddress("2001", shared))
	far.ask(registerAddress("1001", watched))
	for _, w := range []*wire{stat, desk, other, far} {
		w.heard()
	}
	tell := func(conn, n string, data map[string]string) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_DistributeUserEvent{DistributeUserEvent: &tlibpb.DistributeUserEvent{ConnId: conn, Dn: n, UserData: data}}}
	}
	comes := func(w *wire, n, conn, owner string) {
		t.Helper()
		w.wait("EventUserEvent", func(e *tlibpb.Event) bool {
			u := e.GetUserEvent()
			return u.GetUserData()["k"] == "v" && e.GetThisDn() == n && u.GetCall().GetConnId() == conn && e.GetOwner() == owner && e.GetCallSeq() > 0
		})
		w.heard()
	}
	data := map[string]string{"k": "v"}
	if e := other.ask(tell("", "2001", data)); e.GetUserEvent().GetUserData()["k"] != "v" {
		t.Errorf("answered %v", e)
	}
	comes(stat, "2001", "", "n1")
	comes(desk, "2001", "", "n1")
	if !peer.Distribute("", "2001", data) {
		t.Fatal("not distributed")
	}
	peer.says()
	name, _ := o.control.view().Node("b").GetName(), 0
	if name == "" {
		name = "b"
	}
	comes(stat, "2001", "", name)
	comes(desk, "2001", "", name)
	id := o.inCall()
	stat.wait("the call", func(e *tlibpb.Event) bool { return e.GetEstablished() != nil && e.GetThisDn() == "1001" })
	stat.heard()
	other.ask(tell(string(id), "", data))
	comes(far, "1001", string(id), "n1")
	stat.wait("EventUserEvent at both", func(e *tlibpb.Event) bool { return e.GetUserEvent() != nil && e.GetThisDn() == "2001" })
	for what, m := range map[string]*tlibpb.ClientMessage{
		"INVALID_ATTRIBUTE": tell("", "", data), "NOT_CONFIGURED": tell("", "4711", data), "INVALID_CONN_ID": tell("00000000000000aa", "", data),
	} {
		if e := other.ask(m); !strings.HasSuffix(e.GetError().GetCode().String(), what) {
			t.Errorf("%s: %v", what, e)
		}
	}
	if n := peer.Distribute(call.ID("00000000000000aa"), "", data); n {
		t.Error("to a call that is not up")
	}
}
