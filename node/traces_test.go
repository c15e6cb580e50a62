package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/sip/trace"
)

// ladder is what each node remembers of a call, in short.
func ladder(t *testing.T, m *member, call string) (said []string) {
	t.Helper()
	r, err := tcpb.NewCallsClient(m.tc).TraceCall(t.Context(), &tcpb.TraceCallRequest{Call: call})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.GetViews() {
		if v.GetError() != "" {
			said = append(said, v.GetNode()+" error")
		}
		for _, m := range v.GetMessages() {
			if m.GetCode() == 100 || m.GetAgain() {
				continue // as quick as the machine is
			}
			way, what, with := "<", m.GetMethod(), m.GetPeer()
			if m.GetSent() {
				way = ">"
			}
			if m.GetCode() != 0 {
				what = fmt.Sprint(m.GetCode(), " ", m.GetMethod())
			}
			if with == "" {
				with = m.GetTransport()
			}
			said = append(said, v.GetNode()+way+with+" "+what)
		}
	}
	return said
}

// A call through two nodes is remembered by both, whoever of them is asked and by which of
// its ids, after it is over too. Only what each of them saw is there when one is gone.
func TestTrace_OfACallThroughTwoNodes(t *testing.T) {
	a, b := twoNodes(t, func(c *Config) { c.CallTrace = trace.Least })
	b.write(t, []*member{a, b}, phoneDN("1001"), phoneDN("1002"))
	caller, agent := a.phone(t, "1001"), b.phone(t, "1002")
	a.says(t, "1002", "IN_SRV n2@site-n2")
	x := &transfers{t: t, ctx: t.Context()}
	out, _ := x.up(caller, agent, "sip:1002@"+realm)
	list, err := tcpb.NewCallsClient(b.tc).ListCalls(t.Context(), &tcpb.ListCallsRequest{})
	if err != nil || len(list.GetCalls()) != 1 || list.GetCalls()[0].GetNode() != "n1" {
		t.Fatal(list, err)
	}
	conn := list.GetCalls()[0].GetConnId()
	x.bye(out)

	n1 := []string{
		"n1<udp INVITE", "n1>udp 407 INVITE", "n1<udp ACK", "n1<udp INVITE", "n1>n2 INVITE", "n1<n2 200 INVITE", "n1>udp 200 INVITE", "n1<udp ACK", "n1>n2 ACK",
		"n1<udp BYE", "n1>n2 BYE", "n1<n2 200 BYE", "n1>udp 200 BYE",
	}
	n2 := []string{"n2<n1 INVITE", "n2>udp INVITE", "n2<udp 200 INVITE", "n2>n1 200 INVITE", "n2<n1 ACK", "n2>udp ACK", "n2<n1 BYE", "n2>udp BYE", "n2<udp 200 BYE", "n2>n1 200 BYE"}
	r, err := tcpb.NewCallsClient(a.tc).TraceCall(t.Context(), &tcpb.TraceCallRequest{Call: conn})
	if err != nil {
		t.Fatal(err)
	}
	callID := r.GetViews()[0].GetCallId()
	if callID == "" || r.GetViews()[1].GetCallId() != callID || r.GetViews()[1].GetConnId() != conn {
		t.Errorf("the ids: %v", r)
	}
	for _, id := range []string{conn, callID} {
		if got, want := ladder(t, a, id), slices.Concat(n1, n2); !slices.Equal(got, want) {
			t.Errorf("%s at n1:\n%s\nwant\n%s", id, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got, want := ladder(t, b, id), slices.Concat(n2, n1); !slices.Equal(got, want) {
			t.Errorf("%s at n2:\n%s\nwant\n%s", id, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if got, want := ladder(t, a, conn), append(n1, "n2 error"); !slices.Equal(got, want) {
		t.Errorf("without n2:\n%s", strings.Join(got, "\n"))
	}
}

// A node without memory for messages says so, and one that is given too little does not start.
func TestTrace_Off(t *testing.T) {
	a := run(t, config(t, "n1", func(c *Config) { c.Bootstrap = true }))
	r, err := tcpb.NewCallsClient(a.tc).TraceCall(t.Context(), &tcpb.TraceCallRequest{Call: "x"})
	if err != nil || len(r.GetViews()) != 1 || !r.GetViews()[0].GetOff() {
		t.Error(r, err)
	}
	c := config(t, "n1", func(c *Config) { c.Bootstrap, c.CallTrace = true, 1 })
	if err := c.complete(); err == nil || !strings.Contains(err.Error(), "1 bytes to remember the messages of calls") {
		t.Errorf("1 byte: %v", err)
	}
}
