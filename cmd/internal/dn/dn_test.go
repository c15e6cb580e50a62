package dn

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

func TestDNJSON_IsAContract(t *testing.T) {
	row := &tcpb.DNStatus{Dn: "1001", Kind: configpb.DNKind_DN_KIND_SIP, State: tcpb.DNState_DN_STATE_IN_SRV, Owner: "sip1", Site: "dc1", Reason: tcpb.Reason_REASON_REGISTERED, Since: clienttest.Since, Routable: true}
	clienttest.Same(t, clienttest.Line(t, newDNJSON(row)), `{"dn":"1001","kind":"sip","state":"InSrv","owner":"sip1","site":"dc1","reason":"registered","since":"2026-11-22T11:56:48Z","routable":true,"busy":false,"reserved":false,"do_not_disturb":false,"capacity":0,"skills":{},"cool_down":null,"uses":{"up":0,"ringing":0,"reserved":0}}`+"\n")
	clienttest.Same(t, clienttest.Line(t, newDNJSON(&tcpb.DNStatus{Dn: "1002", State: tcpb.DNState_DN_STATE_OOS})), `{"dn":"1002","kind":"","state":"OOS","owner":"","site":"","reason":"","since":"","routable":false,"busy":false,"reserved":false,"do_not_disturb":false,"capacity":0,"skills":{},"cool_down":null,"uses":{"up":0,"ringing":0,"reserved":0}}`+"\n")

	row.Standby, row.StandbySite, row.DoNotDisturb, row.Capacity, row.Skills = "sip2", "dc2", true, 3, map[string]uint32{"sales": 2}
	row.CoolDown, row.Uses = &tcpb.CoolDown{Ends: clienttest.Since, Reason: tcpb.CoolDownReason_COOL_DOWN_REASON_NO_ANSWER}, &tcpb.Uses{Up: 4, Ringing: 5, Reserved: 6}
	clienttest.Same(t, clienttest.Line(t, newDNJSON(row)), `{"dn":"1001","kind":"sip","state":"InSrv","owner":"sip1","site":"dc1","reason":"registered","since":"2026-11-22T11:56:48Z","routable":true,"busy":false,"reserved":false,"standby":"sip2","standby_site":"dc2",`+
		`"do_not_disturb":true,"capacity":3,"skills":{"sales":2},"cool_down":{"ends":"2026-11-22T11:56:48Z","reason":"no-answer"},"uses":{"up":4,"ringing":5,"reserved":6}}`+"\n")

	event := &tcpb.DNEvent{Dn: "1001", State: tcpb.DNState_DN_STATE_OOS, Owner: "sip2", Site: "dc2", Reason: tcpb.Reason_REASON_PEER_LOST, Time: clienttest.Since, Seq: 9}
	clienttest.Same(t, clienttest.Line(t, newEventJSON(event)), `{"event":"EventDNOutOfService","dn":"1001","state":"OOS","owner":"sip2","reason":"peer-lost","time":"2026-11-22T11:56:48Z","seq":9}`+"\n")
	event.State, event.Snapshot, event.Seq = tcpb.DNState_DN_STATE_IN_SRV, true, 0
	clienttest.Same(t, clienttest.Line(t, newEventJSON(event)), `{"event":"EventDNBackInService","dn":"1001","state":"InSrv","owner":"sip2","reason":"peer-lost","time":"2026-11-22T11:56:48Z","seq":0,"snapshot":true}`+"\n")
}

func agentOf(state tcpb.AgentState) *tcpb.AgentStatus {
	return &tcpb.AgentStatus{Id: "7001", State: state, WorkMode: 2, Reasons: map[string]string{"floor": "2"}, Since: timestamppb.New(clienttest.Noon.Add(-4 * time.Second))}
}

func TestDNJSON_AgentIsAContract(t *testing.T) {
	d := &tcpb.DNStatus{Dn: "1001", Kind: configpb.DNKind_DN_KIND_SIP, State: view.InSrv, Reserved: true, Agent: agentOf(tcpb.AgentState_AGENT_STATE_NOT_READY)}
	d.Agent.Reasons, d.Agent.Until = nil, timestamppb.New(clienttest.Noon.Add(4*time.Second))
	clienttest.Same(t, clienttest.Line(t, newDNJSON(d)), `{"dn":"1001","kind":"sip","state":"InSrv","owner":"","site":"","reason":"","since":"","routable":false,"busy":false,"reserved":true,`+
		`"agent":{"id":"7001","state":"not-ready","work_mode":"auto-in","reasons":{},"since":"2026-11-22T11:59:56Z","until":"2026-11-22T12:00:04Z"},`+
		`"do_not_disturb":false,"capacity":0,"skills":{},"cool_down":null,"uses":{"up":0,"ringing":0,"reserved":0}}`+"\n")
}

func TestDNGet_ShowsTheAgentToPeople(t *testing.T) {
	op, out := clienttest.Plain()
	c := commands{op}
	d := &tcpb.DNStatus{Dn: "1001", Kind: configpb.DNKind_DN_KIND_SIP, State: view.InSrv, Owner: "sip1", Site: "dc1", Since: clienttest.Since, Reserved: true, Agent: agentOf(tcpb.AgentState_AGENT_STATE_READY)}
	if err := c.printDN(d, nil); err != nil {
		t.Fatal(err)
	}
	d.Agent.Until = timestamppb.New(clienttest.Noon.Add(6 * time.Second))
	d.DoNotDisturb, d.Capacity, d.Skills, d.Uses = true, 3, map[string]uint32{"support": 1, "sales": 2}, &tcpb.Uses{Up: 1, Ringing: 1, Reserved: 1}
	d.CoolDown = &tcpb.CoolDown{Ends: timestamppb.New(clienttest.Noon.Add(12 * time.Second)), Reason: tcpb.CoolDownReason_COOL_DOWN_REASON_NO_ANSWER}
	if err := c.printDN(d, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nagent     7001 ready, auto-in\n", "\nagent for 4s\n", "\nreasons   floor=2\n", "\nin use    reserved\n", "\nends in   6s\n",
		"\nin use    2 calls, reserved, dnd, cool-down 12s\ncalls     1 up, 1 ringing, 1 reserved; takes 3\ncool-down 12s still, no-answer\nskills    sales=2 support=1\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// dn get shows of each kind what it has.
func TestPrintDN_OfEachKind(t *testing.T) {
	head := func(kind string) string {
		return fmt.Sprintf("dn        1001\nkind      %s\nstate     ● InSrv\nowner     sip1\nsite      dc1\nreason    registered\nfor       2s\nroutable  yes\nagent     -\nin use    -\n", kind)
	}
	for kind, tc := range map[configpb.DNKind]struct {
		d    *configpb.DN
		want string
	}{
		configpb.DNKind_DN_KIND_SIP:           {&configpb.DN{Groups: []string{"sales", "support"}, Revision: 7}, "enabled   yes\ngroups    sales, support\nrevision  7\n"},
		configpb.DNKind_DN_KIND_PSTN:          {&configpb.DN{External: "+15551234567", Disabled: true}, "enabled   no\ngroups    -\nexternal  +15551234567\nrevision  0\n"},
		configpb.DNKind_DN_KIND_TRUNK:         {&configpb.DN{Trunk: &configpb.Trunk{Address: "gw:5060", Prefix: "0"}}, "enabled   yes\ngroups    -\naddress   gw:5060\nprefix    0\nrevision  0\n"},
		configpb.DNKind_DN_KIND_ROUTING_POINT: {&configpb.DN{RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "sales"}}, "enabled   yes\ngroups    -\ndefault   sales\nrevision  0\n"},
		configpb.DNKind_DN_KIND_UNSPECIFIED:   {nil, "config    not configured\n"},
	} {
		op, out := clienttest.Plain()
		c := commands{op}
		if tc.d != nil {
			tc.d.Kind = kind
		}
		s := &tcpb.DNStatus{
			Dn: "1001", Kind: kind, State: tcpb.DNState_DN_STATE_IN_SRV, Owner: "sip1", Site: "dc1", Reason: tcpb.Reason_REASON_REGISTERED,
			Since: timestamppb.New(clienttest.Noon.Add(-2 * time.Second)), Routable: true,
		}
		out.Reset()
		if err := c.printDN(s, tc.d); err != nil {
			t.Fatal(err)
		}
		clienttest.Same(t, out.String(), head(console.Dash(kind.Word()))+tc.want)
	}
}

func TestDNFilter_State(t *testing.T) {
	for word, want := range map[string]string{"": "DN_STATE_UNSPECIFIED", "InSrv": "DN_STATE_IN_SRV", "insrv": "DN_STATE_IN_SRV", "OOS": "DN_STATE_OOS", "oos": "DN_STATE_OOS"} {
		f := filterFlags{state: word}
		if err := f.check(); err != nil || f.filter.State.String() != want {
			t.Errorf("--state %s: %v, %v", word, f.filter.State, err)
		}
	}
}
