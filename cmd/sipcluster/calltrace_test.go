package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// An operator finds a call in the list, sees who has part in it, and what it was made of
// when it is over.
func TestCall_ListGetTrace(t *testing.T) {
	o, _, caller, agent := callsNode(t)
	o.does("", "call", "list")
	call := calls(t, caller, "1002")
	taken, err := agent.Take(t.Context())
	if err != nil || taken.Ring() != nil {
		t.Fatal("nobody rings", err)
	}
	var list []struct {
		Node, From, Caller, Called string
		ID                         string `json:"conn_id"`
		Parties                    []struct{ DN, Role, State string }
	}
	patience.Until(t, "the call rings", func() bool {
		if err := json.Unmarshal([]byte(o.does("", "call", "list", "-o", "json")), &list); err != nil {
			t.Fatal(err)
		}
		return len(list) == 1 && len(list[0].Parties) == 2
	})
	c := list[0]
	if c.Node != "sip1" || c.From != "1001" || c.Caller != "1001" || c.Called != "1002" || c.Parties[1].DN != "1002" || c.Parties[1].Role != "called" || c.Parties[1].State != "ringing" {
		t.Errorf("%+v", c)
	}
	if said := o.does("", "call", "list", "--dn", "1002"); !strings.Contains(said, c.ID+"  internal  1001    1002    ringing  1002") {
		t.Errorf("the list:\n%s", said)
	}
	if taken.Answer() != nil {
		t.Fatal("no answer")
	}
	if _, err := call.Await(t.Context(), 200); err != nil || call.Ack() != nil {
		t.Fatal(err)
	}
	said := o.does("", "call", "get", c.ID)
	for _, part := range []string{"call:           " + c.ID, "node:           sip1 at dc1", "1001   caller  established", "1002   called  established"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is missing in\n%s", part, said)
		}
	}
	if _, err := call.Bye(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.fails("", "call get "+c.ID+": no call "+c.ID+" is up; a trace tells what is remembered of one that is over", "call", "get", c.ID)
	for _, part := range []string{"|-- INVITE ---", "180 Ringing", "|-- ACK ---", "200 OK (BYE) ---", "sip1"} {
		if said := o.does("", "call", "trace", c.ID); !strings.Contains(said, part) {
			t.Errorf("%q is missing in\n%s", part, said)
		}
	}
	if said := o.does("", "call", "trace", c.ID, "--list"); !strings.Contains(said, "407 Proxy Authentication Required") || !strings.Contains(said, "sip:1002@example.org") {
		t.Errorf("the list of messages:\n%s", said)
	}
	var trace struct {
		CallID   string `json:"call_id"`
		ConnID   string `json:"conn_id"`
		Nodes    []struct{ Node string }
		Messages []struct {
			Method string
			Sent   bool
		}
	}
	if err := json.Unmarshal([]byte(o.does("", "call", "trace", c.ID, "-o", "json")), &trace); err != nil || trace.ConnID != c.ID || trace.CallID == "" || len(trace.Nodes) != 1 ||
		len(trace.Messages) < 10 || trace.Messages[0].Method != "INVITE" || trace.Messages[0].Sent {
		t.Errorf("%v %+v", err, trace)
	}
	o.fails("", "call trace 4711: no node remembers a message of such a call", "call", "trace", "4711")
	o.fails("", "call list: DN \"4711\" is not configured", "call", "list", "--dn", "4711")
}
