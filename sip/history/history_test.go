package history

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/message"
)

func invite(t *testing.T, headers ...string) *message.Message {
	t.Helper()
	text := "INVITE sip:9000@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=a\r\nTo: <sip:9000@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n" +
		strings.Join(append(headers, "", ""), "\r\n")
	m := &message.Message{}
	if err := m.Parse([]byte(text), false); err != nil || m.Fault != nil {
		t.Fatal(err, m.Fault)
	}
	return m
}

func TestLines_SayWhereACallComesFrom(t *testing.T) {
	step := func(noAnswer bool) *Step {
		return &Step{From: []byte("sip:9000@h"), To: []byte("sip:+49@gw"), NoAnswer: noAnswer}
	}
	for name, c := range map[string]struct {
		headers []string
		step    *Step
		stays   bool
		want    string
	}{
		"the first": {nil, step(false), true, "Diversion: <sip:9000@h>;reason=unconditional;counter=1\r\nHistory-Info: <sip:9000@h>;index=1, <sip:+49@gw>;index=1.1;mp=1\r\n"},
		"after nobody answered": {nil, step(true), true,
			"Diversion: <sip:9000@h>;reason=no-answer;counter=1\r\nHistory-Info: <sip:9000@h?Reason=SIP%3Bcause%3D408>;index=1, <sip:+49@gw>;index=1.1;mp=1\r\n"},
		"after others": {
			[]string{"diversion: \"x, y\" <sip:1@c>;reason=user-busy, <sip:2@c>", "History-Info: <sip:1@c>;index=1, <sip:\"@c>;index=9", "History-Info: <sip:1@c>;index=1,<sip:2@c;index=7>;index=1.1"},
			step(false), true, "Diversion: <sip:9000@h>;reason=unconditional;counter=1\r\nDiversion: \"x, y\" <sip:1@c>;reason=user-busy, <sip:2@c>\r\n" +
				"History-Info: <sip:9000@h>;index=1.1.1, <sip:+49@gw>;index=1.1.1.1;mp=1.1.1\r\n",
		},
		"after others that stay behind": {[]string{"Diversion: <sip:1@c>", "History-Info: <sip:1@c>;index=1"}, step(false), false,
			"Diversion: <sip:9000@h>;reason=unconditional;counter=1\r\nHistory-Info: <sip:9000@h>;index=1, <sip:+49@gw>;index=1.1;mp=1\r\n"},
		"an index that is none": {[]string{"History-Info: <sip:1@c>;index=1x"}, step(false), true,
			"Diversion: <sip:9000@h>;reason=unconditional;counter=1\r\nHistory-Info: <sip:9000@h>;index=1.1, <sip:+49@gw>;index=1.1.1;mp=1.1\r\n"},
	} {
		if got := string(Lines(invite(t, c.headers...), c.step, func(*message.Header) bool { return c.stays })); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

func TestTimes_CountsAsOthersDo(t *testing.T) {
	for _, c := range []struct {
		headers []string
		want    int
	}{
		{nil, 0},
		{[]string{"Diversion: <sip:1@c>"}, 1},
		{[]string{"Diversion: <sip:1@c>;counter=3, <sip:2@c>;counter=x", "DIVERSION: \"a,b\" <sip:3@c>"}, 5},
		{[]string{"Diversion: <sip:1@c>;counter=255"}, 255},
	} {
		if got := Times(invite(t, c.headers...)); got != c.want {
			t.Errorf("%q: %d, want %d", c.headers, got, c.want)
		}
	}
}
