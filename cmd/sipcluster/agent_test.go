package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// begins runs a command in the background.
func (o operator) begins(args ...string) *watching {
	ctx, cancel := context.WithCancel(o.t.Context())
	w := &watching{lines: make(chan string, 100), stop: cancel, status: make(chan int, 1)}
	c, _ := clienttest.Plain()
	c.Out, c.Err = lineWriter{w.lines}, lineWriter{w.lines}
	go func() { w.status <- run(ctx, c.Console, append(args, "--addr", o.addr)) }()
	return w
}

// awaits repeats a command until it prints that.
func (o operator) awaits(part string, args ...string) {
	o.t.Helper()
	patience.Until(o.t, fmt.Sprintf("%s in %v", part, args), func() bool { return strings.Contains(o.does("", args...), part) })
}

// comes reads on to a line with that.
func (w *watching) comes(t *testing.T, part string) {
	t.Helper()
	for {
		select {
		case l := <-w.lines:
			if strings.Contains(l, part) {
				return
			}
		case <-time.After(patience.Limit):
			t.Fatalf("no %s", part)
		}
	}
}

// agentsNode is a node with the sip DN 1001, whose phone is registered, and the
// pstn DN 2001.
func agentsNode(t *testing.T) operator {
	t.Helper()
	cfg := oneNode(t)
	o := operator{t, cfg.TCAddr}
	o.does("secret\n", "dn", "put", "1001", "--password-file", "-")
	o.does("", "dn", "put", "2001", "--kind", "pstn", "--external", "+15551234567")
	phone, err := siptest.NewPhone(siptest.Config{DN: "1001", Password: "secret", Domain: "example.org", Server: cfg.SIPAddr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(phone.Close)
	if err := accepted(phone.Register(t.Context(), time.Minute)); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAgent_LogsInAtAPhone(t *testing.T) {
	o := agentsNode(t)
	board := o.begins("watch", "-o", "json")
	board.wants(t, `"event":"EventDNBackInService","dn":"1001"`)
	board.wants(t, `"event":"EndOfSnapshot"`)
	o.fails("", "agent ready 1001: nobody is logged in at DN 1001: log in first", "agent", "ready", "1001")
	clienttest.Same(t, o.does("", "agent", "login", "1001", "--agent-id", "7001"), "1001: agent 7001 is logged in\n")
	board.wants(t, `"event":"EventAgentLogin","dn":"1001"`)
	clienttest.Same(t, o.does("", "agent", "ready", "1001", "--mode", "auto-in", "--reason", "shift=day"), "1001: agent 7001 is ready, auto-in (shift=day site=dc1)\n")
	board.wants(t, `"event":"EventAgentReady","dn":"1001"`)
	o.fails("", "agent login 1001: another agent, 7001, is logged in at DN 1001", "agent", "login", "1001", "--agent-id", "7002")
	var e struct {
		Event, DN string
		AgentID   string `json:"agent_id"`
		Reasons   map[string]string
	}
	answer := o.does("", "agent", "notready", "1001", "-o", "json", "--reason", "break=lunch=long")
	if err := json.Unmarshal([]byte(answer), &e); err != nil || e.Event != "EventAgentNotReady" || e.DN != "1001" || e.AgentID != "7001" || e.Reasons["break"] != "lunch=long" {
		t.Error(answer, err)
	}
	board.wants(t, `"event":"EventAgentNotReady","dn":"1001"`)
	var row dnRow
	if err := json.Unmarshal([]byte(o.does("", "dn", "get", "1001", "-o", "json")), &row); err != nil || row.Agent.State != "not-ready" {
		t.Error(row, err)
	}
	if list := o.does("", "dn", "list"); !strings.Contains(list, "  7001 not-ready\n") {
		t.Error(list)
	}
	clienttest.Same(t, o.does("", "agent", "logout", "1001"), "1001: agent 7001 is logged out\n")
	board.wants(t, `"event":"EventAgentLogout","dn":"1001"`)
	o.fails("", "agent login 9999: DN 9999 is not configured", "agent", "login", "9999", "--agent-id", "7001")
	board.ends(t)
}

func TestAgentHold_IsADesktopForAPSTNAgent(t *testing.T) {
	o := agentsNode(t)
	o.fails("", "agent login 2001: pstn DN 2001 is out of service: register it with sipcluster agent hold first", "agent", "login", "2001", "--agent-id", "8001")
	relay := newRelay(t, o.addr)
	h := operator{t, relay.addr}.begins("agent", "hold", "2001", "--agent-id", "8001")
	h.wants(t, "EventRegistered       2001 is InSrv, owner sip1")
	h.wants(t, "EventAgentLogin       agent 8001 is logged in")
	h.wants(t, "EventAgentReady       agent 8001 is ready (site=dc1)")
	h.wants(t, "2001 is held at sip1; Ctrl-C")
	h.wants(t, "EventDNBackInService  2001, registered, owner sip1")
	clienttest.Same(t, o.does("", "agent", "notready", "2001", "--reason", "break=lunch"), "2001: agent 8001 is not ready (break=lunch)\n")
	h.wants(t, "EventAgentNotReady    agent 8001 is not ready (break=lunch)")

	o.does("", "agent", "ready", "2001")
	router := o.begins("reserve", "2001", "--for", "1h")
	router.wants(t, "2001 is reserved until ")
	h.comes(t, "EventAgentReserved    2001 is reserved until ")
	router.ends(t)
	h.wants(t, "EventAgentReserved    2001 is reserved no more")

	relay.hangUp()
	h.wants(t, "EventLinkDisconnected  sip1 ")
	h.wants(t, "EventLinkConnected    sip1")
	o.awaits(`"state":"InSrv","owner":"sip1"`, "dn", "get", "2001", "-o", "json")
	h.ends(t)
	h.comes(t, "EventAgentLogout      agent 8001 is logged out")
	h.comes(t, "EventUnregistered     2001")
	if row := o.does("", "dn", "get", "2001", "-o", "json"); !strings.Contains(row, `"state":"OOS"`) || !strings.Contains(row, `"reason":"unregistered"`) {
		t.Error(row)
	}
}

// TestAgent_TakesNoDNFromAnotherNode: a request is no reason for a pstn DN to move.
func TestAgent_TakesNoDNFromAnotherNode(t *testing.T) {
	a := oneNode(t)
	b := startNode(t, node.Config{Name: "sip2", Site: "dc2", Join: []string{a.ClusterAddr}})
	o, there := operator{t, a.TCAddr}, operator{t, b.TCAddr}
	o.does("", "dn", "put", "2001", "--kind", "pstn", "--external", "+15551234567")
	patience.Until(t, "sip2 has the configuration", func() bool {
		status, _, _ := runCLI(t.Context(), "", "dn", "get", "2001", "--addr", b.TCAddr)
		return status == exitDone
	})
	h := there.begins("agent", "hold", "2001", "--agent-id", "8001")
	h.comes(t, "2001 is held at sip2")
	o.awaits(`"state":"InSrv","owner":"sip2"`, "dn", "get", "2001", "-o", "json")
	const refused = ": pstn DN 2001 is in service at node sip2: send the request to that node (--addr), or move the DN here with sipcluster agent hold"
	o.fails("", "agent notready 2001"+refused, "agent", "notready", "2001")
	there.does("", "agent", "notready", "2001")
	o.awaits(`"state":"InSrv","owner":"sip2"`, "dn", "get", "2001", "-o", "json")
	h.ends(t)
}

func TestAgentHold_WithAGraceNobodyNoticesALostConnection(t *testing.T) {
	o := agentsNode(t)
	o.does("options: {desktop_grace_s: 30}\n", "apply", "-f", "-")
	relay := newRelay(t, o.addr)
	h := operator{t, relay.addr}.begins("agent", "hold", "2001", "--agent-id", "8001")
	h.comes(t, "2001 is held at sip1")
	board := o.begins("watch", "-o", "json")
	board.comes(t, `"event":"EndOfSnapshot"`)
	relay.hangUp()
	h.comes(t, "EventLinkDisconnected")
	h.comes(t, "EventLinkConnected")
	clienttest.Same(t, o.does("", "agent", "notready", "2001"), "2001: agent 8001 is not ready\n")
	board.wants(t, `"event":"EventAgentNotReady","dn":"2001"`) // nothing before
	h.comes(t, "EventAgentNotReady")
	h.ends(t)
	board.wants(t, `"event":"EventAgentLogout","dn":"2001"`)
	board.wants(t, `"event":"EventDNOutOfService","dn":"2001"`)
	board.ends(t)
}

func TestReserve_OneHasTheAgentAtATime(t *testing.T) {
	o := agentsNode(t)
	first := o.begins("reserve", "1001", "--for", "1h")
	first.wants(t, "1001 is reserved until ")
	if row := o.does("", "dn", "get", "1001", "-o", "json"); !strings.Contains(row, `"routable":false,"busy":false,"reserved":true`) {
		t.Error(row)
	}
	o.fails("", "reserve 1001: DN 1001 is reserved for another client", "reserve", "1001")
	first.ends(t) // and cancels
	answer := o.does("", "reserve", "1001", "--for", "1h", "--detach", "-o", "json")
	if !strings.HasPrefix(answer, `{"event":"EventAgentReserved","dn":"1001","time":`) || !strings.Contains(answer, `,"until":"`) || !strings.Contains(answer, `,"expires_at":"`) {
		t.Error(answer)
	}
	lives := time.Now()
	patience.Until(t, "the lease was renewed since the command ended", func() bool {
		if row := o.does("", "dn", "get", "1001"); !strings.Contains(row, "\nin use    reserved\n") {
			t.Fatal("it did not outlive its command: ", row)
		}
		return time.Since(lives) > 3*time.Second
	})
	o.fails("", "reserve 2001: DN 2001 is out of service: nobody has registered it", "reserve", "2001")
}

func TestReserve_EndsWithItsTime(t *testing.T) {
	o := agentsNode(t)
	r := o.begins("reserve", "1001", "--for", "200ms")
	r.wants(t, "1001 is reserved until ")
	if status := patience.Receive(t, "the end of the command", r.status); status != exitDone {
		t.Errorf("status %d", status)
	}
}
