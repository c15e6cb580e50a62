package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// callsNode is a node with the phones 1001 and 1002, the latter's agent in the
// group sales, and the routing point 9000, where calls wait for a router.
func callsNode(t *testing.T) (o operator, cfg node.Config, caller, agent *siptest.UA) {
	t.Helper()
	cfg = startNode(t, node.Config{Name: "sip1", Site: "dc1", Realm: "example.org", Bootstrap: true, Records: node.Records{Dir: t.TempDir()}, CallTrace: 1 << 20})
	o = operator{t, cfg.TCAddr}
	o.does(`groups: [{name: sales}, {name: support}]
dns:
  - {dn: "1001", kind: sip, password: secret}
  - {dn: "1002", kind: sip, password: secret}
  - {dn: "9000", kind: routing-point, routing_point: {default_group: sales, timeout_ms: 600000}}
`, "apply", "-f", "-")
	ua := func(dn string) *siptest.UA {
		u, err := siptest.NewUA(siptest.Config{DN: dn, Password: "secret", Domain: "example.org", Server: cfg.SIPAddr})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(u.Close)
		if err := accepted(u.Register(t.Context(), time.Minute)); err != nil {
			t.Fatal(err)
		}
		return u
	}
	return o, cfg, ua("1001"), ua("1002")
}

func calls(t *testing.T, from *siptest.UA, to string) *siptest.Call {
	t.Helper()
	call, err := from.Place(t.Context(), "sip:"+to+"@example.org")
	if err != nil {
		t.Fatal(err)
	}
	return call
}

// waitingRow is what route list tells a script of a call.
type waitingRow struct {
	ConnID       string `json:"conn_id"`
	RoutingPoint string `json:"routing_point"`
	Caller       string
	Called       string
	Since        string
	WaitsFor     string `json:"waits_for"`
	Tried        []string
	UserData     map[string]string `json:"user_data"`
}

// list is what route list says of the calls there.
func (o operator) list(args ...string) (calls []waitingRow) {
	o.t.Helper()
	out := o.does("", append([]string{"route", "list", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &calls); err != nil {
		o.t.Fatal(out, err)
	}
	return calls
}

// waits is the one call that waits, once there is one that waits for that.
func (o operator) waits(what string) (w waitingRow) {
	o.t.Helper()
	patience.Until(o.t, "a call that waits for "+what, func() bool {
		calls := o.list()
		if len(calls) == 1 && calls[0].WaitsFor == what {
			w = calls[0]
			return true
		}
		return false
	})
	return w
}

// router is a session that has registered 9000, so that calls wait there.
func router(t *testing.T, cfg node.Config) {
	t.Helper()
	cl, err := client.Connect(cfg.DefaultAddr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	d, err := cl.OpenDesk(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	if _, err := d.RegisterAddress(t.Context(), "9000", tlibpb.AddressMode_ADDRESS_MODE_SHARED); err != nil {
		t.Fatal(err)
	}
}

func TestRoute_ACallThatWaitsGoesToADN(t *testing.T) {
	o, cfg, caller, agent := callsNode(t)
	router(t, cfg)
	clienttest.Same(t, o.does("", "route", "list"), "CONNID  ROUTING POINT  CALLER  FOR  WAITS FOR  TRIED\n")
	clienttest.Same(t, o.does("", "route", "list", "9000", "-o", "json"), "[]\n")
	calls(t, caller, "9000")
	w := o.waits("router")
	if w.RoutingPoint != "9000" || w.Caller != "1001" || w.Called != "9000" || w.Since == "" || w.Tried == nil || w.UserData == nil {
		t.Errorf("%+v", w)
	}
	o.fails("", "route call "+w.ConnID+": DN 9999 is not configured", "route", "call", w.ConnID, "--to", "9999")
	clienttest.Same(t, o.does("", "route", "call", w.ConnID, "--to", "1002", "--data", "vip=1"), "call "+w.ConnID+" left 9000 for 1002\n")
	busy, err := agent.Take(t.Context())
	if err != nil || busy.Refuse(486, "Busy Here") != nil {
		t.Fatal(err)
	}
	w = o.waits("router") // it is back
	if strings.Join(w.Tried, "") != "1002" || w.UserData["vip"] != "1" {
		t.Errorf("%+v", w)
	}
	list := o.does("", "route", "list", "9000")
	if !strings.HasPrefix(list, "CONNID            ROUTING POINT  CALLER  FOR  WAITS FOR  TRIED\n"+w.ConnID+"  9000           1001    ") || !strings.HasSuffix(list, "s   router     1002 (486)\n") {
		t.Errorf("%q", list)
	}
	answer := o.does("", "route", "call", w.ConnID, "--reject", "603", "-o", "json")
	if !strings.HasPrefix(answer, `{"event":"EventReleased","conn_id":"`+w.ConnID+`","routing_point":"9000","destination":"","time":"`) || !strings.HasSuffix(answer, `","node":"sip1"}`+"\n") {
		t.Error(answer)
	}
	o.fails("", "route call "+w.ConnID+": call "+w.ConnID+" does not wait for a router here: it has been routed, is over, or is another node's", "route", "call", w.ConnID, "--to", "1002")
}

func TestRoute_ACallThatWaitsGoesToAGroup(t *testing.T) {
	o, cfg, caller, _ := callsNode(t)
	router(t, cfg)
	call := calls(t, caller, "9000")
	w := o.waits("router")
	o.fails("", "route call "+w.ConnID+": no agent of group support became free within 3s: the call keeps waiting for one (see sipcluster route list)",
		"route", "call", w.ConnID, "--group", "support", "--timeout", "3s")
	w = o.waits("agent")
	clienttest.Same(t, o.does("", "route", "call", w.ConnID, "--to", "1002"), "call "+w.ConnID+" left 9000 for 1002\n") // who sent it to the group is gone
	call.Cancel()
}

func TestRoute_SaysWhatIsWrong(t *testing.T) {
	o, cfg, _, _ := callsNode(t)
	o.fails("", "route list 1001: DN 1001 is not a routing point: see sipcluster dn list --kind routing-point", "route", "list", "1001")
	o.fails("", "route list 9999: DN 9999 does not exist", "route", "list", "9999")
	o.fails("", `route call x: conn_id "x": want 16 hexadecimal digits`, "route", "call", "x", "--to", "1001")
	nobody := freeAddrs(t, 1)[0]
	o.fails("", "route list: no default port answers at "+nobody+": check that it can be reached from here (--default-addr)", "route", "list", "--default-addr", nobody)
	o.fails("", "route list: what answers at "+cfg.TCAddr+" is a TCport: want a node's default port (--default-addr)", "route", "list", "--default-addr", cfg.TCAddr)
	for want, args := range map[string][]string{
		"the call needs a destination: want exactly one of --to DN, --group GROUP, --external NUMBER, --reject CODE": {},
		"the call needs a destination: want exactly one of --to DN, --group":                                         {"--to", "1001", "--group", "sales"},
		"--reject 200: want a SIP status code from 400 to 699":                                                       {"--reject", "200"},
		"--data x: want KEY=VALUE with unique keys":                                                                  {"--to", "1001", "--data", "x"},
		"--default-addr nowhere: want HOST:PORT of a node's default port":                                            {"--to", "1001", "--default-addr", "nowhere"},
	} {
		status, _, stderr := runCLI(t.Context(), "", append([]string{"route", "call", "0000000000000000", "--addr", o.addr}, args...)...)
		if status != exitUsage || !strings.HasPrefix(stderr, "sipcluster: "+want) {
			t.Errorf("%v: status %d: %s", args, status, stderr)
		}
	}
}
