package session

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// lease is a peer's registration that beats every one of this node.
func lease(n dn.Number) dn.Record {
	return dn.Record{Number: n, ClaimTime: time.Now().Add(time.Hour).UnixNano(), State: dn.InSrv, Reason: dn.Registered, Since: time.Now().UnixNano()}
}

func TestSession_BeginsWithOpenSession(t *testing.T) {
	o := newOffice(t)
	w := o.wire(TCport)
	open := &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{ProtocolVersion: tlibpb.ProtocolVersion}}}
	w.says("EVENT_ERROR INVALID_ATTRIBUTE", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{Application: strings.Repeat("x", 65)}}})
	w.says("EVENT_LINK_CONNECTED", open)
	w.says("EVENT_ERROR IN_SAME_STATE", open)
	w.says("EVENT_SERVER_INFO", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryServer{}})
}

func TestSession_RefusesWhatIsWrongAndGoesOn(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.heard()
	long := strings.Repeat("1", 65)
	for _, c := range []struct {
		want     string
		requests []*tlibpb.ClientMessage
	}{
		{"EVENT_ERROR UNSUPPORTED_OPERATION", []*tlibpb.ClientMessage{{}}},
		{"EVENT_ERROR INVALID_ATTRIBUTE", []*tlibpb.ClientMessage{
			registerAddress("", shared), registerAddress(long, shared), registerAddress("20 01", shared), query(""), query("\x00"), unregisterAddress(""),
			monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{99}}}),
			monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{0}}}),
		}},
		{"EVENT_ERROR 2001 INVALID_ATTRIBUTE", []*tlibpb.ClientMessage{registerAddress("2001", 17), registerAddress("2001", -1)}},
		{"EVENT_ERROR 2009 NOT_CONFIGURED", []*tlibpb.ClientMessage{registerAddress("2009", shared), query("2009")}},
		{"EVENT_UNREGISTERED 2001", []*tlibpb.ClientMessage{unregisterAddress("2001")}},
		{"EVENT_ERROR 2001 NOT_REGISTERED", []*tlibpb.ClientMessage{agentLogin("2001", "7"), agentReady("2001")}},
		{"END_OF_SNAPSHOT", []*tlibpb.ClientMessage{{Body: &tlibpb.ClientMessage_StopMonitor{}}}},
		{"EVENT_REGISTERED 9000 InSrv", []*tlibpb.ClientMessage{registerAddress("9000", shared)}},
		{"EVENT_ERROR 9000 INVALID_ATTRIBUTE", []*tlibpb.ClientMessage{agentReady("9000")}},
		{"EVENT_REGISTERED 2001 InSrv", []*tlibpb.ClientMessage{registerAddress("2001", private)}},
		{"EVENT_ERROR 2001 INVALID_ATTRIBUTE", []*tlibpb.ClientMessage{agentLogin("2001", ""), agentLogin("2001", long), {Body: &tlibpb.ClientMessage_AgentLogin{
			AgentLogin: &tlibpb.AgentLogin{Dn: "2001", AgentId: "7", WorkMode: 9},
		}}}},
	} {
		for _, m := range c.requests {
			w.says(c.want, m)
		}
	}
}

func TestRegister_PutsAPSTNDNInServiceUntilTheLastHolderLeaves(t *testing.T) {
	o := newOffice(t)
	a, b := o.connect(TCport, nil), o.connect(TCport, nil)
	a.hears("EVENT_LINK_CONNECTED")
	a.says("EVENT_REGISTERED 2001 InSrv", registerAddress("2001", shared))
	a.hears("EVENT_DN_BACK_IN_SERVICE 2001 n1 registered")
	b.heard()
	b.says("EVENT_REGISTERED 2001 InSrv", registerAddress("2001", shared))
	a.says("EVENT_UNREGISTERED 2001", unregisterAddress("2001"))
	a.says("EVENT_ADDRESS_INFO 2001 InSrv", query("2001"))
	b.says("EVENT_UNREGISTERED 2001", unregisterAddress("2001"))
	a.says("EVENT_ADDRESS_INFO 2001 OOS", query("2001"))
}

func TestRegister_PrivateExcludesOthersButNotTheirMonitoring(t *testing.T) {
	o := newOffice(t)
	a, b := o.connect(TCport, nil), o.connect(TCport, nil)
	a.ask(registerAddress("2001", private))
	b.heard()
	b.says("EVENT_ERROR 2001 RESOURCE_SEIZED", registerAddress("2001", private))
	b.says("EVENT_ERROR 2001 RESOURCE_SEIZED", registerAddress("2001", shared))
	b.says("EVENT_REGISTERED 2001 InSrv", registerAddress("2001", watched))
	a.ask(unregisterAddress("2001"))
	b.hears("EVENT_DN_OUT_OF_SERVICE 2001  unregistered")
	b.says("EVENT_REGISTERED 2001 InSrv", registerAddress("2001", private))
}

func TestRegister_OnlyHoldersOfAPSTNDNOwnIt(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.heard()
	w.says("EVENT_REGISTERED 2001 OOS", registerAddress("2001", watched))
	w.says("EVENT_REGISTERED 1001 OOS", registerAddress("1001", private))
	if c := o.table.Counts(); c.Known != 0 {
		t.Errorf("%+v", c)
	}
	w.says("EVENT_REGISTERED 2001 InSrv", registerAddress("2001", shared))
	w.says("EVENT_REGISTERED 2001 OOS", registerAddress("2001", watched))
}

// A desktop that registers elsewhere moves the DN; whatever the old one does
// then changes nothing.
func TestRegister_MovesWithoutAFlapAndTheOldEndIsVoid(t *testing.T) {
	o := newOffice(t)
	old, stat := o.connect(TCport, nil), o.connect(TCport, nil)
	stat.ask(monitorAll(&tlibpb.MonitorAll{}))
	stat.heard()
	old.ask(registerAddress("2001", private))
	stat.awaits("EVENT_DN_BACK_IN_SERVICE 2001 n1 registered")
	o.says(lease("2001"))
	stat.awaits("EVENT_DN_BACK_IN_SERVICE 2001 n2 owner-moved")
	old.ask(unregisterAddress("2001"))
	old.says("EVENT_ADDRESS_INFO 2001 InSrv", query("2001"))
	stat.says("EVENT_ADDRESS_INFO 2001 InSrv", query("2001"))
	if told := stat.heard(); len(told) > 0 {
		t.Errorf("the old end told %q", told)
	}
}

func TestSession_LostDesktopTakesItsDNsOut(t *testing.T) {
	o := newOffice(t)
	gws, stat := o.connect(TCport, nil), o.connect(TCport, nil)
	stat.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Group: "sales"}}))
	gws.ask(registerAddress("2001", private))
	gws.ask(registerAddress("2002", private))
	stat.awaits("EVENT_DN_BACK_IN_SERVICE 2002 n1 registered")
	gws.hangUp()
	stat.hears("EVENT_DN_OUT_OF_SERVICE 2002  desktop-lost")
}

// With a grace nobody notices a desktop that comes back, and it misses nothing.
func TestSession_ResumedWithinItsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		defer synctest.Wait()
		o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
		gws, stat := o.connect(TCport, nil), o.connect(TCport, nil)
		gws.ask(registerAddress("2001", private))
		gws.ask(registerAddress("1001", shared))
		stat.ask(monitorAll(&tlibpb.MonitorAll{}))
		<-time.After(2 * time.Second)
		stat.heard()
		gws.hangUp()
		<-time.After(20 * time.Second)
		o.table.Register("1001", dn.Registered)
		synctest.Wait()
		back := o.connect(TCport, &tlibpb.OpenSession{ResumeToken: gws.link.GetLinkConnected().GetSessionToken(), ResumeCursor: cursor(gws.position(), 0)})
		back.hears("EVENT_LINK_CONNECTED resumed", "EVENT_DN_BACK_IN_SERVICE 1001 n1 registered")
		<-time.After(time.Minute)
		back.says("EVENT_UNREGISTERED 2001", unregisterAddress("2001"))
		stat.hears("EVENT_DN_BACK_IN_SERVICE 1001 n1 registered", "EVENT_DN_OUT_OF_SERVICE 2001  unregistered")
	})
}

func TestSession_NotResumedWithinItsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
		gws, stat := o.connect(TCport, nil), o.connect(TCport, nil)
		gws.ask(registerAddress("2001", private))
		stat.ask(monitorAll(&tlibpb.MonitorAll{}))
		stat.heard()
		gws.hangUp()
		<-time.After(29 * time.Second)
		if st, _ := o.table.Get("2001"); st.State != dn.InSrv {
			t.Errorf("within the grace: %+v", st)
		}
		<-time.After(2 * time.Second)
		stat.hears("EVENT_DN_OUT_OF_SERVICE 2001  desktop-lost")
		again := o.connect(TCport, &tlibpb.OpenSession{ResumeToken: gws.link.GetLinkConnected().GetSessionToken()})
		again.hears("EVENT_LINK_CONNECTED") // a new session
	})
}

// A client that closes its side has nothing to come back for.
func TestSession_ClosedInGoodOrderHasNoGrace(t *testing.T) {
	o := newOffice(t)
	o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
	gws, stat := o.connect(TCport, nil), o.connect(TCport, nil)
	stat.ask(monitorAll(&tlibpb.MonitorAll{}))
	gws.ask(registerAddress("2001", private))
	stat.awaits("EVENT_DN_BACK_IN_SERVICE 2001 n1 registered")
	close(gws.closed)
	stat.hears("EVENT_DN_OUT_OF_SERVICE 2001  desktop-lost")
}

// gRPC's clients take no message over 4 MB, unless they were told to.
func TestMonitorAll_OfManyDNsIsManyMessages(t *testing.T) {
	o := newOffice(t)
	var many []*configpb.Mutation
	for i := range 3 * batchSize {
		many = append(many, pstnDN(fmt.Sprint(30000+i)))
	}
	for len(many) > 0 {
		n := min(len(many), 500)
		o.write(many[:n]...)
		many = many[n:]
	}
	w := o.connect(TCport, nil)
	w.ask(monitorAll(&tlibpb.MonitorAll{}))
	largest, _ := w.messages()
	if n := len(w.heard()); n != 3*batchSize+3+2 || largest > batchSize+1 {
		t.Errorf("%d events, %d at once", n, largest)
	}
}

// The client came back before the node noticed that it was gone.
func TestSession_TakenOverByItsOwnClient(t *testing.T) {
	o := newOffice(t)
	gws := o.connect(TCport, nil)
	gws.ask(registerAddress("2001", private))
	claim, _ := o.table.Own("2001")
	back := o.connect(TCport, &tlibpb.OpenSession{ResumeToken: gws.link.GetLinkConnected().GetSessionToken(), ResumeCursor: cursor(o.table.Head(), 0)})
	if err := patience.Receive(t, "the end of the session", gws.ended); status.Code(err) != codes.Aborted {
		t.Errorf("the old connection ended with %v", err)
	}
	back.hears("EVENT_LINK_CONNECTED resumed")
	if now, _ := o.table.Own("2001"); now.State != dn.InSrv || now.ClaimTime != claim.ClaimTime {
		t.Errorf("after the take-over: %+v", now)
	}
}

// An agent's change is told once to everybody, and to who asked as the answer.
func TestAgent_AnswerIsTheEvent(t *testing.T) {
	o := newOffice(t)
	gws, stat := o.connect(TCport, nil), o.connect(TCport, nil)
	stat.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_AGENT}}}))
	stat.heard()
	gws.ask(registerAddress("2002", private))
	gws.wait("in service", func(e *tlibpb.Event) bool { return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE })
	gws.heard()
	refs := []uint64{gws.post(agentLogin("2002", "7001")), gws.post(agentReady("2002")), gws.post(agentNotReady("2002")), gws.post(agentReady("2002"))}
	gws.wait("the last answer", func(e *tlibpb.Event) bool { return e.GetReferenceId() == refs[3] })
	stat.wait("the last change", func(e *tlibpb.Event) bool { return strings.HasPrefix(line(e), "EVENT_AGENT_READY") })
	gws.ask(query("2002"))
	want := []string{"EVENT_AGENT_LOGIN 2002", "EVENT_AGENT_READY 2002 7001 dc1", "EVENT_AGENT_NOT_READY 2002", "EVENT_AGENT_READY 2002 7001 dc1", "EVENT_ADDRESS_INFO 2002 InSrv"}
	if got := gws.heard(); strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("the desktop heard\n%q\nwant\n%q", got, want)
	}
}

func TestMonitorAll_OfEverythingThenChanges(t *testing.T) {
	o := newOffice(t)
	o.table.Register("1001", dn.Registered)
	o.says(lease("2002"))
	w := o.connect(TCport, nil)
	w.heard()
	e := w.ask(monitorAll(&tlibpb.MonitorAll{}))
	w.hears("EVENT_DN_BACK_IN_SERVICE 1001 n1 registered row", "EVENT_DN_BACK_IN_SERVICE 2002 n2 registered row",
		"EVENT_DN_OUT_OF_SERVICE 2001   row", "END_OF_SNAPSHOT")
	o.table.SetHeard("b", false)
	w.hears("EVENT_DN_OUT_OF_SERVICE 2002 n2 peer-lost")

	again := o.connect(TCport, nil)
	again.heard()
	again.ask(monitorAll(&tlibpb.MonitorAll{ResumeCursor: cursor(e.GetSeq(), 0)}))
	again.hears("END_OF_SNAPSHOT resumed", "EVENT_DN_OUT_OF_SERVICE 2002 n2 peer-lost")

	w.says("END_OF_SNAPSHOT", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_StopMonitor{}})
	o.table.SetHeard("b", true)
	w.says("EVENT_ADDRESS_INFO 2002 InSrv", query("2002"))
}

// The default port, and own_only, know no DN of another node; one that moves
// away is out of service there.
func TestSession_OwnDNsOnly(t *testing.T) {
	for name, port := range map[string]Port{"own_only": TCport, "default port": DefaultPort} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.table.Register("1001", dn.Registered)
			o.says(lease("2002"))
			w := o.connect(port, nil)
			w.heard()
			w.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{OwnOnly: port == TCport}}))
			w.hears("EVENT_DN_BACK_IN_SERVICE 1001 n1 registered row", "END_OF_SNAPSHOT")
			o.says(lease("1001"), lease("2001"))
			w.hears("EVENT_DN_OUT_OF_SERVICE 1001  owner-moved")
			o.table.Register("2001", dn.Registered)
			w.hears("EVENT_DN_BACK_IN_SERVICE 2001 n1 owner-moved")
		})
	}
}

func TestSession_DefaultPortKnowsNoDNOfAnotherNode(t *testing.T) {
	o := newOffice(t)
	o.says(lease("2002"), lease("1001"))
	w := o.connect(DefaultPort, nil)
	w.heard()
	w.says("EVENT_ERROR 2002 NOT_CONFIGURED", query("2002"))
	w.says("EVENT_REGISTERED 1001 ", registerAddress("1001", shared))
	w.says("EVENT_ERROR 1001 NOT_CONFIGURED", agentLogin("1001", "7"))
	o.table.SetHeard("b", false)
	o.table.Register("1001", dn.Registered)
	w.hears("EVENT_DN_BACK_IN_SERVICE 1001 n1 registered")
}

func TestMonitorAll_ByOwner(t *testing.T) {
	o := newOffice(t)
	o.table.Register("1001", dn.Registered)
	o.says(lease("2002"))
	w := o.connect(TCport, nil)
	w.heard()
	w.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Owner: "n2"}}))
	w.hears("EVENT_DN_BACK_IN_SERVICE 2002 n2 registered row", "END_OF_SNAPSHOT")
	o.says(lease("1001"))
	w.hears("EVENT_DN_BACK_IN_SERVICE 1001 n2 owner-moved")
	o.table.Register("1001", dn.Registered)
	w.hears("EVENT_DN_BACK_IN_SERVICE 1001 n1 owner-moved")
}

// What the configuration no longer allows ends, and comes back with it.
func TestRegister_FollowsTheConfiguration(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.says("EVENT_REGISTERED 2001 InSrv", registerAddress("2001", private))
	w.hears("EVENT_DN_BACK_IN_SERVICE 2001 n1 registered")
	d := proto.CloneOf(o.machine.View().DN("2001"))
	d.Disabled, d.Revision = true, 0
	o.write(putDN(d))
	w.hears("EVENT_DN_OUT_OF_SERVICE 2001  admin")
	w.says("EVENT_ERROR 2001 OUT_OF_SERVICE", registerAddress("2001", private))
	o.write(pstnDN("2001"))
	w.hears("EVENT_DN_BACK_IN_SERVICE 2001 n1 registered")
	o.write(drainingNode(time.Time{}))
	w.hears("EVENT_NODE_DRAINING draining")
	w.says("EVENT_ERROR 2002 OUT_OF_SERVICE", registerAddress("2002", private))
	w.says("EVENT_REGISTERED 2002 OOS", registerAddress("2002", watched)) // what takes no DN goes on
	w.says("EVENT_REGISTERED 1001 OOS", registerAddress("1001", shared))
	w.says("EVENT_UNREGISTERED 2002", unregisterAddress("2002"))
	o.write(nodeOf("a", "n1", "dc1"))
	w.hears("EVENT_NODE_DRAINING undone")
	o.write(deleteDN("2001"))
	w.hears("EVENT_DN_OUT_OF_SERVICE 2001  deleted")
	w.says("EVENT_ERROR 2001 NOT_CONFIGURED", registerAddress("2001", private))
}

func TestSession_OfAClientThatReadsNothingIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		w := o.connect(TCport, nil)
		w.ask(registerAddress("2001", private))
		w.reading.Store(false)
		began := time.Now()
		err := patience.Receive(t, "the end of the session", w.ended)
		if took := time.Since(began); status.Code(err) != codes.ResourceExhausted || took < sendTimeout || took > sendTimeout+2*idle {
			t.Errorf("after %v: %v", took, err)
		}
		synctest.Wait()
		if st, _ := o.table.Get("2001"); st.State != dn.OOS || st.Reason != dn.DesktopLost {
			t.Errorf("its DN: %+v", st)
		}
		if s := o.control.Stats(); s.Sessions != 0 || s.Addresses != 0 || s.Dropped != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSession_NeverOpenedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		w := o.wire(DefaultPort)
		if err := patience.Receive(t, "the end of the session", w.ended); status.Code(err) != codes.DeadlineExceeded {
			t.Error(err)
		}
	})
}

func TestSession_IdleClientsHearWhereTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		w := o.connect(TCport, nil)
		w.ask(registerAddress("2001", watched))
		o.table.Register("1001", dn.Registered) // nothing that it hears of
		<-time.After(3 * idle)
		if w.position() != o.table.Head() {
			t.Errorf("it knows position %d of %d", w.position(), o.table.Head())
		}
	})
}

func TestSession_ClosedInGoodOrder(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	close(w.closed)
	if err := patience.Receive(t, "the end of the session", w.ended); err != nil {
		t.Error(err)
	}
}

// Whatever a client sends: an answer for each request, and the node goes on.
func FuzzSession(f *testing.F) {
	for _, m := range []*tlibpb.ClientMessage{registerAddress("2001", private), agentLogin("2001", "7"), agentReady("2001"), monitorAll(nil), query("1001"), unregisterAddress("2001")} {
		b, _ := proto.Marshal(m)
		f.Add(b)
	}
	o := newOffice(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &tlibpb.ClientMessage{}
		if proto.Unmarshal(b, m) != nil {
			t.Skip()
		}
		o := *o
		o.t = t
		w := o.connect(DefaultPort, nil)
		w.ask(registerAddress("2001", shared))
		w.ask(m)
		w.ask(query("1001"))
		w.hangUp()
		if err := patience.Receive(t, "the end of the session", w.ended); err == nil {
			t.Error("a connection that broke ended in good order")
		}
	})
}
