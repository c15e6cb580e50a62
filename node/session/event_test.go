package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// whole is an event with all its fields in one line, in the order of the
// protocol. Of what no test can know it says that it is there: a time is "now"
// or "then", a position, a call's name and a reference "+".
func whole(e *tlibpb.Event) string {
	parts := append([]string{strings.TrimPrefix(e.GetMessage().String(), "MESSAGE_")}, fields(e.ProtoReflect())...)
	return strings.Join(parts, " ")
}

// fields of a message; those of the body, of a call and an agent are the event's.
func fields(m protoreflect.Message) (parts []string) {
	all := m.Descriptor().Fields()
	for i := range all.Len() {
		f := all.Get(i)
		switch v := m.Get(f); {
		case !m.Has(f), f.Name() == "call_uuid": // it is the conn_id's
		case f.ContainingOneof() != nil, f.Name() == "call", f.Name() == "agent" && f.Message().Name() == "Agent":
			parts = append(parts, fields(v.Message())...)
		default:
			parts = append(parts, string(f.Name())+"="+field(f, v))
		}
	}
	return parts
}

func field(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Name() {
	case "time", "since":
		if time.Since(v.Message().Interface().(*timestamppb.Timestamp).AsTime()).Abs() < time.Minute {
			return "now"
		}
		return "then"
	case "expires_at":
		return fmt.Sprint("in ", time.Until(v.Message().Interface().(*timestamppb.Timestamp).AsTime()).Round(time.Minute))
	case "seq", "call_seq", "conn_id", "reference_id", "session_token":
		return "+"
	}
	switch {
	case f.IsMap():
		var pairs []string
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			pairs = append(pairs, k.String()+":"+v.String())
			return true
		})
		slices.Sort(pairs)
		return fmt.Sprint(pairs)
	case f.IsList():
		var items []string
		for i := range v.List().Len() {
			item := fmt.Sprint(v.List().Get(i))
			if f.Message() != nil {
				item = "{" + strings.Join(fields(v.List().Get(i).Message()), " ") + "}"
			}
			items = append(items, item)
		}
		return fmt.Sprint(items)
	case f.Message() != nil:
		return "{" + strings.Join(fields(v.Message()), " ") + "}"
	case f.Enum() != nil:
		return strings.TrimPrefix(string(f.Enum().Values().ByNumber(v.Enum()).Name()), "ERROR_CODE_")
	}
	return v.String()
}

// tells wants these whole events, the last of which is waited for.
func (w *wire) tells(want ...string) {
	w.o.t.Helper()
	var got []string
	is := func(e *tlibpb.Event) bool { return whole(e) == want[len(want)-1] }
	defer func() {
		if !slices.Equal(got, want) {
			w.o.t.Errorf("heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}()
	w.o.awaitOrNot(func() bool { w.mu.Lock(); defer w.mu.Unlock(); return slices.ContainsFunc(w.events, is) })
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		got = append(got, whole(e))
	}
	w.events = nil
}

// awaitOrNot waits a while for something whose absence somebody else reports.
func (o *office) awaitOrNot(cond func() bool) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(patience.Limit); !cond(); {
		select {
		case <-tick.C:
		case <-over:
			return
		}
	}
}

func TestEvents_OfASession(t *testing.T) {
	o := newOffice(t)
	server := &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryServer{}}
	w := o.connect(TCport, nil)
	w.tells("EVENT_LINK_CONNECTED reference_id=+ time=now server={node=n1 site=dc1 version=test port=PORT_TCPORT nodes=[n1] incarnation=1} session_token=+ protocol_version=1 capabilities=[4 5 6 8]")
	o.says(lease("2002"))
	w.post(server)
	w.tells("EVENT_SERVER_INFO reference_id=+ time=now server={node=n1 site=dc1 version=test port=PORT_TCPORT nodes=[n1 n2] incarnation=1}")
	o.table.SetHeard("b", false)
	d := o.connect(DefaultPort, nil)
	d.tells("EVENT_LINK_CONNECTED reference_id=+ time=now server={node=n1 site=dc1 version=test port=PORT_DEFAULT nodes=[n1] incarnation=1} session_token=+ protocol_version=1 capabilities=[4 5 6]")
	w.post(query("2009"))
	w.tells("EVENT_ERROR reference_id=+ this_dn=2009 time=now code=NOT_CONFIGURED text=DN 2009 is not configured")
	if token := w.link.GetLinkConnected().GetSessionToken(); len(token) < 20 || token == d.link.GetLinkConnected().GetSessionToken() {
		t.Errorf("the token %q", token)
	}
}

func TestEvents_OfADN(t *testing.T) {
	o := newOffice(t)
	o.says(lease("2002"))
	stat, w := o.connect(TCport, nil), o.connect(TCport, nil)
	stat.heard()
	w.heard()
	stat.post(monitorAll(&tlibpb.MonitorAll{}))
	stat.tells(
		"EVENT_DN_BACK_IN_SERVICE this_dn=2002 time=now snapshot=true owner=n2 site=dc2 reason=REASON_REGISTERED status={dn=2002 kind=DN_KIND_PSTN state=DN_STATE_IN_SRV owner=n2 site=dc2 reason=REASON_REGISTERED since=now routable=true capacity=1}",
		"EVENT_DN_OUT_OF_SERVICE this_dn=1001 snapshot=true status={dn=1001 kind=DN_KIND_SIP state=DN_STATE_OOS capacity=1}",
		"EVENT_DN_OUT_OF_SERVICE this_dn=2001 snapshot=true status={dn=2001 kind=DN_KIND_PSTN state=DN_STATE_OOS capacity=1}",
		"END_OF_SNAPSHOT reference_id=+ time=now seq=+",
	)
	w.post(registerAddress("2001", shared))
	w.tells(
		"EVENT_REGISTERED reference_id=+ this_dn=2001 time=now owner=n1 site=dc1 status={dn=2001 kind=DN_KIND_PSTN state=DN_STATE_IN_SRV owner=n1 site=dc1 reason=REASON_REGISTERED since=now routable=true capacity=1}",
		"EVENT_DN_BACK_IN_SERVICE this_dn=2001 time=now seq=+ owner=n1 site=dc1 reason=REASON_REGISTERED",
	)
	stat.tells("EVENT_DN_BACK_IN_SERVICE this_dn=2001 time=now seq=+ owner=n1 site=dc1 reason=REASON_REGISTERED")
	for n, want := range map[string]string{
		"9000": "EVENT_ADDRESS_INFO reference_id=+ this_dn=9000 time=now status={dn=9000 kind=DN_KIND_ROUTING_POINT state=DN_STATE_IN_SRV}",
		"2002": "EVENT_ADDRESS_INFO reference_id=+ this_dn=2002 time=now owner=n2 site=dc2 status={dn=2002 kind=DN_KIND_PSTN state=DN_STATE_IN_SRV owner=n2 site=dc2 reason=REASON_REGISTERED since=now routable=true capacity=1}",
	} {
		w.post(query(n))
		w.tells(want)
	}
	w.post(unregisterAddress("2001"))
	w.tells("EVENT_UNREGISTERED reference_id=+ this_dn=2001 time=now")
	stat.tells("EVENT_DN_OUT_OF_SERVICE this_dn=2001 time=now seq=+ reason=REASON_UNREGISTERED")
	stat.post(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_StopMonitor{}})
	stat.tells("END_OF_SNAPSHOT reference_id=+ time=now")
}

// TestEvents_WhatIsRoutable: only an agent's DN that may be called now.
func TestEvents_WhatIsRoutable(t *testing.T) {
	o := newOffice(t)
	o.write(
		putDN(&configpb.DN{Number: "gw", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "192.0.2.1:5060"}}),
		putDN(&configpb.DN{Number: "1002", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: "0123456789abcdef0123456789abcdef", Disabled: true}),
		&configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "strict", LoginRequired: true}}},
		pstnDN("2003", "strict"),
	)
	for _, n := range []dn.Number{"1001", "1002", "2001", "2002", "2003", "9000", "gw", "4711"} {
		o.table.Register(n, dn.Registered)
	}
	leg := o.traffic.Carry("", "a", "2002")
	w := o.connect(TCport, nil)
	for n, want := range map[string]string{"1001": "sip true", "1002": "sip false", "2001": "pstn true", "2002": "pstn false busy", "2003": "pstn false", "9000": "routing-point false", "gw": "trunk false", "4711": " false"} {
		x := w.ask(query(n)).GetStatus()
		got := fmt.Sprint(x.GetKind().Word(), " ", x.GetRoutable())
		if x.GetBusy() {
			got += " busy"
		}
		if got != want || (x.GetState() == tcpb.DNState_DN_STATE_IN_SRV) != (n != "1002") {
			t.Errorf("%s: %s %v, want %s", n, got, x.GetState(), want)
		}
	}
	leg.Dropped()
}

func TestEvents_OfAnAgent(t *testing.T) {
	o := newOffice(t)
	w, stat := o.connect(TCport, nil), o.connect(TCport, nil)
	stat.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_AGENT}}}))
	stat.heard()
	w.ask(registerAddress("2001", private))
	w.awaits("EVENT_DN_BACK_IN_SERVICE 2001 n1 registered")
	why := map[string]string{"b": "2", "a": "1"}
	for _, c := range []struct {
		request *tlibpb.ClientMessage
		want    string // as the answer with a reference, to others with a position
	}{
		{&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogin{AgentLogin: &tlibpb.AgentLogin{Dn: "2001", AgentId: "7001", WorkMode: 2, Reasons: why}}},
			"EVENT_AGENT_LOGIN %sthis_dn=2001 time=now%s owner=n1 site=dc1 id=7001 work_mode=AGENT_WORK_MODE_AUTO_IN reasons=[a:1 b:2]"},
		{&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentReady{AgentReady: &tlibpb.AgentReady{Dn: "2001", WorkMode: 1, Reasons: why}}},
			"EVENT_AGENT_READY %sthis_dn=2001 time=now%s owner=n1 site=dc1 id=7001 work_mode=AGENT_WORK_MODE_MANUAL_IN reasons=[a:1 b:2 site:dc1]"},
		{agentReady("2001"), "EVENT_AGENT_READY %sthis_dn=2001 time=now%s owner=n1 site=dc1 id=7001 reasons=[site:dc1]"},
		{&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentNotReady{AgentNotReady: &tlibpb.AgentNotReady{Dn: "2001", WorkMode: 3, Reasons: why}}},
			"EVENT_AGENT_NOT_READY %sthis_dn=2001 time=now%s owner=n1 site=dc1 id=7001 work_mode=AGENT_WORK_MODE_AFTER_CALL_WORK reasons=[a:1 b:2]"},
		{&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogout{AgentLogout: &tlibpb.AgentLogout{Dn: "2001", Reasons: map[string]string{"x": "y"}}}},
			"EVENT_AGENT_LOGOUT %sthis_dn=2001 time=now%s owner=n1 site=dc1 id=7001 reasons=[x:y]"},
	} {
		w.post(c.request)
		w.tells(fmt.Sprintf(c.want, "reference_id=+ ", ""))
		stat.tells(fmt.Sprintf(c.want, "", " seq=+"))
	}
	w.ask(agentLogin("2001", "7002"))
	w.heard()
	w.post(query("2001"))
	w.tells("EVENT_ADDRESS_INFO reference_id=+ this_dn=2001 time=now owner=n1 site=dc1 " +
		"status={dn=2001 kind=DN_KIND_PSTN state=DN_STATE_IN_SRV owner=n1 site=dc1 reason=REASON_REGISTERED since=now agent={id=7002 state=AGENT_STATE_LOGGED_IN since=now} capacity=1}")
}

// Who keeps the agent of a DN out of service says so: its owner has gone, not the agent.
func TestEvents_OfAnAgentAtADNOutOfService(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(registerAddress("1001", shared))
	w.heard()
	r := o.table.Register("1001", dn.Registered)
	w.awaits("EVENT_DN_BACK_IN_SERVICE 1001 n1 registered")
	w.ask(agentLogin("1001", "7001"))
	o.table.End("1001", r.ClaimTime, dn.Expired)
	w.awaits("EVENT_DN_OUT_OF_SERVICE 1001  expired")
	w.heard()
	w.post(agentNotReady("1001"))
	w.tells("EVENT_AGENT_NOT_READY reference_id=+ this_dn=1001 time=now owner=n1 site=dc1 id=7001")
}

func TestEvents_OfAReservation(t *testing.T) {
	o := newOffice(t)
	o.table.Register("2001", dn.Registered)
	w, other := o.connect(DefaultPort, nil), o.connect(TCport, nil)
	w.heard()
	other.heard()
	reserve := func(ms uint32) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{Dn: "2001", Duration: durationpb.New(time.Duration(ms) * time.Millisecond), Priority: 3}}}
	}
	w.post(reserve(60_000))
	w.tells("EVENT_AGENT_RESERVED reference_id=+ this_dn=2001 time=now outcome=RESERVATION_OUTCOME_RESERVED expires_at=in 1m0s")
	r, _ := o.table.Own("2001")
	if left := time.Duration(r.Reserved.Left); !strings.HasPrefix(r.Reserved.Holder, "a/") || len(r.Reserved.Holder) != len("a/")+16 || left < 30*time.Second || left > time.Minute {
		t.Errorf("reserved for %q for %v", r.Reserved.Holder, left)
	}
	other.says("EVENT_ERROR 2001 RESOURCE_SEIZED", reserve(60_000))
	w.post(reserve(120_000))
	w.tells("EVENT_AGENT_RESERVED reference_id=+ this_dn=2001 time=now outcome=RESERVATION_OUTCOME_RESERVED expires_at=in 2m0s")
	w.post(reserve(30_000)) // it has more
	w.tells("EVENT_AGENT_RESERVED reference_id=+ this_dn=2001 time=now outcome=RESERVATION_OUTCOME_RESERVED expires_at=in 2m0s")
	other.post(query("2001"))
	other.tells("EVENT_ADDRESS_INFO reference_id=+ this_dn=2001 time=now owner=n1 site=dc1 status={dn=2001 kind=DN_KIND_PSTN state=DN_STATE_IN_SRV owner=n1 site=dc1 reason=REASON_REGISTERED since=now reserved=true capacity=1 uses={reserved=1}}")
	// Who comes back with its token is the same holder.
	back := o.connect(DefaultPort, &tlibpb.OpenSession{ResumeToken: w.link.GetLinkConnected().GetSessionToken()})
	back.says("EVENT_REGISTERED 2002 InSrv", registerAddress("2002", shared))
	back.says("EVENT_AGENT_RESERVED 2002", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{Dn: "2002", Duration: durationpb.New(time.Minute)}}})
	if again, _ := o.table.Own("2002"); again.Reserved.Holder != r.Reserved.Holder {
		t.Errorf("%q was %q", again.Reserved.Holder, r.Reserved.Holder)
	}
}

// Who gives up before the answer has hung up, as all parties are told.
func TestEvents_TheCallerGivesUp(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(monitorAll(calls()))
	id, err := o.traffic.Begin(call.Info{Caller: "2001", Type: call.Internal, ANI: "2001", DNIS: "1001"})
	if err != nil {
		t.Fatal(err)
	}
	o.traffic.Ringing(id, "1001", "")
	o.traffic.End(id, 487, true)
	want := &tlibpb.CallEnd{Reason: tlibpb.EndReason_END_REASON_HANGUP, SipStatus: 487}
	for what, end := range map[string]func(*tlibpb.Event) *tlibpb.CallEnd{
		"EventReleased of the caller":  func(e *tlibpb.Event) *tlibpb.CallEnd { return e.GetReleased().GetEnd() },
		"EventAbandoned where it rang": func(e *tlibpb.Event) *tlibpb.CallEnd { return e.GetAbandoned().GetEnd() },
	} {
		w.wait(what, func(e *tlibpb.Event) bool {
			got := end(e)
			if got != nil && !proto.Equal(got, want) {
				t.Errorf("%s: the end is %v", what, got)
			}
			return got != nil
		})
	}
}

func TestEvents_OfCalls(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(monitorAll(calls()))
	w.heard()
	id, err := o.traffic.Begin(call.Info{Caller: "2001", Type: call.Internal, ANI: "2001", DNIS: "1001", UserData: map[string]string{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	o.traffic.Established(id, "1001")
	const (
		ends = " ani=2001 dnis=1001 user_data=[k:v] call_type=CALL_TYPE_INTERNAL"
		at   = " owner=n1 site=dc1"
		now  = at + " call_seq=+"
		from = " conn_id=+ other_dn=1001 this_dn_role=DN_ROLE_ORIGINATION" + ends
		to   = " conn_id=+ other_dn=2001 this_dn_role=DN_ROLE_DESTINATION" + ends
		over = " call_state=CALL_STATE_GENERAL_ERROR end={reason=END_REASON_REFUSED sip_status=503}"
	)
	w.tells(
		"EVENT_DIALING this_dn=2001 time=now"+now+from,
		"EVENT_ESTABLISHED this_dn=1001 time=now"+now+to,
		"EVENT_ESTABLISHED this_dn=2001 time=now"+now+from,
	)
	again := o.connect(TCport, nil)
	again.heard()
	again.post(monitorAll(calls()))
	again.tells(
		"EVENT_ESTABLISHED this_dn=2001 time=now snapshot=true"+at+from,
		"EVENT_ESTABLISHED this_dn=1001 time=now snapshot=true"+at+to,
		"END_OF_SNAPSHOT reference_id=+ time=now",
	)
	o.traffic.Hold(id, call.Called, "1001", true)
	w.tells("EVENT_HELD this_dn=1001 time=now" + now + to)
	last := o.connect(TCport, nil)
	last.heard()
	last.post(monitorAll(calls()))
	last.tells(
		"EVENT_ESTABLISHED this_dn=2001 time=now snapshot=true"+at+from,
		"EVENT_ESTABLISHED this_dn=1001 time=now snapshot=true"+at+to,
		"EVENT_HELD this_dn=1001 time=now snapshot=true"+at+to,
		"END_OF_SNAPSHOT reference_id=+ time=now",
	)
	o.traffic.Hold(id, call.Called, "1001", false)
	w.tells("EVENT_RETRIEVED this_dn=1001 time=now" + now + to)
	o.traffic.End(id, 503, false)
	w.tells(
		"EVENT_RELEASED this_dn=2001 time=now"+now+from+over,
		"EVENT_RELEASED this_dn=1001 time=now"+now+to+over,
	)
}

// TestReserve_TheClientsPriorityCounts among those that are collected.
func TestReserve_TheClientsPriorityCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{ReservationCollectMs: 200}}})
		o.table.Register("2001", dn.Registered)
		var all []*wire
		for _, priority := range []uint32{1, 9, 5} {
			w := o.connect(TCport, nil)
			w.heard()
			w.post(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{Dn: "2001", Duration: durationpb.New(time.Minute), Priority: priority}}})
			all = append(all, w)
		}
		for i, want := range []string{"EVENT_ERROR 2001 RESOURCE_SEIZED", "EVENT_AGENT_RESERVED 2001", "EVENT_ERROR 2001 RESOURCE_SEIZED"} {
			all[i].hears(want)
		}
	})
}
