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
		{anna, "Privacy: history", false},
		{anna, "Privacy: history;id", true},
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

// TestStops_WhatIsSaidOfItself: what goes on from inside to phones, to networks that are not
// trusted, and inside, by what the message and each line say of how far it may go.
func TestStops_WhatIsSaidOfItself(t *testing.T) {
	for _, c := range []struct {
		privacy, line string
		to            string // of "pfi", phones, foreign networks and inside, who hears it
	}{
		{"", "P-Asserted-Identity: <sip:a@b>, <tel:+49>", "pi"},
		{"none", "P-Asserted-Identity: <sip:a@b>", "pfi"},
		{"history", "P-Asserted-Identity: <sip:a@b>", "pi"},
		{"id;critical", "P-Asserted-Identity: <sip:a@b>", "i"},
		{"", "Diversion: <sip:a@b>", "pi"},
		{"none", "Diversion: <sip:a@b>;privacy=off", "pfi"},
		{"history", "Diversion: <sip:a@b>", "i"},
		{"none", "Diversion: <sip:c@b>, <sip:a@b>;Privacy=\"full\";reason=deflection", "i"},
		{"none", "Remote-Party-ID: \"A, B\" <sip:a@b>;party=calling;privacy=full;screen=yes", "i"},
		{"", "Remote-Party-ID: <sip:a@b>;privacy=off", "pi"},
		{"none", "History-Info: <sip:a@b?Reason=SIP%3Bcause%3D302&Privacy=history>;index=1, <sip:c@b>;index=1.1", "i"},
		{"none", "History-Info: <sip:a@b?Privacy=none>;index=1, <sip:\"privacy\"@b>;index=2", "pfi"},
		{"", "P-Charging-Vector: icid-value=1", "i"},
	} {
		var lines []string
		if c.privacy != "" {
			lines = append(lines, "Privacy: "+c.privacy)
		}
		m := invite(t, "<sip:a@b>", append(lines, c.line)...)
		for i, d := range []Domain{Outside, Foreign, Inside} {
			b, _ := Cross(m, Inside, d)
			if got, want := b.Stops(&m.Headers[len(m.Headers)-2]), !strings.Contains(c.to, "pfi"[i:i+1]); got != want {
				t.Errorf("%s with Privacy %q to %c: stops %v", c.line, c.privacy, "pfi"[i], got)
			}
			if b, _ := Cross(m, Foreign, d); !b.Stops(&m.Headers[len(m.Headers)-2]) {
				t.Errorf("%s from a foreign network is believed", c.line)
			}
		}
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
