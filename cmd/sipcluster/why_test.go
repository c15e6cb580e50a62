package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// dn why tells a person in the first line, and a script in fields, why a DN gets calls
// or none.
func TestDNWhy(t *testing.T) {
	o, _, _, _ := callsNode(t)
	said := o.does("", "dn", "why", "1002")
	for _, part := range []string{"A call can be sent to 1002 now.", "CONDITION", "phone answers", "● InSrv", "sip:1002@", "udp", "registered"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is missing in\n%s", part, said)
		}
	}
	o.does("", "dn", "put", "1002", "--disabled")
	var why struct {
		DN         string
		Routable   bool
		Sentence   string
		Conditions []struct {
			Condition string
			Met       bool
			Value     string
		}
		Views []struct {
			Node    string
			Status  struct{ State, Reason string }
			Changes []struct{ Change, State, Reason string }
		}
	}
	if err := json.Unmarshal([]byte(o.does("", "dn", "why", "1002", "-o", "json")), &why); err != nil {
		t.Fatal(err)
	}
	if why.DN != "1002" || why.Routable || !strings.Contains(why.Sentence, "it is disabled") || len(why.Conditions) != 10 || why.Conditions[2].Condition != "enabled" || why.Conditions[2].Met ||
		len(why.Views) != 1 || why.Views[0].Status.Reason != "admin" || len(why.Views[0].Changes) == 0 || why.Views[0].Changes[0].Reason != "registered" {
		t.Errorf("%+v", why)
	}
	o.fails("", "dn why: DN 4711 is neither configured nor known here", "dn", "why", "4711")
	o.fails("", "dn why: changes is 1001: at most 1000", "dn", "why", "1002", "--changes", "1001")
}
