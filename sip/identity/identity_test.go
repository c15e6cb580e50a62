package identity

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/message"
)

// invite is a request with a From and header lines.
func invite(t *testing.T, from string, lines ...string) *message.Message {
	t.Helper()
	text := "INVITE sip:1002@x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: " + from + ";tag=a\r\nTo: <sip:1002@x>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n" +
		strings.Join(append(lines, ""), "\r\n") + "Content-Length: 0\r\n\r\n"
	var m message.Message
	if err := m.Parse([]byte(text), true); err != nil || m.Fault != nil {
		t.Fatal(err, m.Fault)
	}
	return &m
}

func TestPrivate_WhoWantsToBeKept(t *testing.T) {
	const anna, nobody = "<sip:anna@x>", "<sip:anonymous@anonymous.invalid>"
	for _, c := range []struct {
		from, privacy string
		want          bool
	}{
		{anna, "", false},
		{anna, "Privacy: none", false},
		{anna, "Privacy: id", true},
		{anna, "PRIVACY: ID", true},
		{anna, "Privacy: user", true},
		{anna, "Privacy: header; critical", true},
		{anna, "Privacy: critical;id", true},
		{anna, "Privacy: none\r\nPrivacy: id", true},
		{anna, "Privacy: critical", false},
		{anna, "Privacy: session", false},
		{anna, "Privacy: later", true}, // what nobody knows may mean more
		{nobody, "", true},
		{nobody, "Privacy: none", false},
		{"<sip:Anonymous@x>", "", true},
		{"<sip:c8oqz84zk7z@privacy.invalid>", "", true},
		{"<tel:+4930>", "", false},
	} {
		var lines []string
		if c.privacy != "" {
			lines = append(lines, c.privacy)
		}
		if got := Private(invite(t, c.from, lines...)); got != c.want {
			t.Errorf("%s %q: %v", c.from, c.privacy, got)
		}
	}
}

func TestUnmet_WhatSomebodyInsistsOn(t *testing.T) {
	for privacy, want := range map[string]bool{"id;critical": false, "user": false, "user; critical": true, "critical;header": true, "none;critical": false, "session,critical": true} {
		if got := Unmet(invite(t, "<sip:a@b>", "Privacy: "+privacy)); got != want {
			t.Errorf("%s: %v", privacy, got)
		}
	}
}

// TestCross_WhatStops has each header on each way.
func TestCross_WhatStops(t *testing.T) {
	ways := [][2]Domain{{Outside, Outside}, {Outside, Inside}, {Inside, Outside}, {Inside, Inside}}
	for _, c := range []struct {
		line    string
		open    [4]bool // stops
		private [4]bool
	}{
		{"P-Asserted-Identity: <sip:a@b>", [4]bool{true, true, false, false}, [4]bool{true, true, true, false}},
		{"REMOTE-PARTY-ID: <sip:a@b>", [4]bool{true, true, false, false}, [4]bool{true, true, true, false}},
		{"Diversion: <sip:a@b>", [4]bool{true, true, false, false}, [4]bool{true, true, true, false}},
		{"History-Info: <sip:a@b>", [4]bool{true, true, false, false}, [4]bool{true, true, true, false}},
		{"P-Preferred-Identity: <sip:a@b>", [4]bool{true, true, true, true}, [4]bool{true, true, true, true}},
		{"p-charging-vector: icid-value=1", [4]bool{true, true, true, false}, [4]bool{true, true, true, false}},
	} {
		for i, w := range ways {
			for private, want := range map[bool]bool{false: c.open[i], true: c.private[i]} {
				lines := []string{c.line, "Subject: x", "P-Early-Media: supported"}
				if private {
					lines = append(lines, "Privacy: id")
				}
				m := invite(t, "<sip:a@b>", lines...)
				b, marked := Cross(m, w[0], w[1])
				if !marked {
					t.Fatalf("%s is not seen", c.line)
				}
				for j := range m.Headers {
					h := &m.Headers[j]
					name, _, _ := strings.Cut(c.line, ":")
					if got := b.Stops(h); got != (want && string(h.Name) == name) {
						t.Errorf("%s, private %v, from %d to %d: stops %v", h.Name, private, w[0], w[1], got)
					}
				}
			}
		}
	}
	if _, marked := Cross(invite(t, "<sip:a@b>", "Privacy: id", "X: y"), Outside, Outside); marked {
		t.Error("Privacy alone stops nothing")
	}
}

func TestPreferred_IsTheUserOfTheFirst(t *testing.T) {
	for line, want := range map[string]string{
		"P-Preferred-Identity: \"A, B\" <sip:10%3001@x>, <tel:+49>": "10001",
		"P-Preferred-Identity: <tel:+49>":                           "",
		"P-Preferred-Identity: broken":                              "",
		"Subject: <sip:1001@x>":                                     "",
	} {
		if got := string(Preferred(invite(t, "<sip:a@b>", line))); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
