package proxy

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/message"
)

func parsed(t *testing.T, lines ...string) *message.Message {
	t.Helper()
	m := &message.Message{}
	if err := m.Parse([]byte(strings.Join(append(lines, "Content-Length: 0", "", ""), "\r\n")), true); err != nil || m.Fault != nil {
		t.Fatal(err, m.Fault)
	}
	return m
}

// TestVerdict_CollectsAllChallenges (RFC 3261 §16.7 step 7), of phones and of
// proxies before them, and none twice.
func TestVerdict_CollectsAllChallenges(t *testing.T) {
	of := func(code int, lines ...string) result {
		return result{code: code, res: parsed(t, append([]string{"SIP/2.0 401 X", "Via: SIP/2.0/UDP h;branch=z9hG4bKa", "From: <sip:a@b>;tag=1", "To: <sip:a@b>;tag=2",
			"Call-ID: c", "CSeq: 1 INVITE"}, lines...)...)}
	}
	out := verdict([]result{
		of(407, "Proxy-Authenticate: Digest realm=\"first\""), of(401, "WWW-Authenticate: Digest realm=\"second\""),
		of(407, "Proxy-Authenticate: Digest realm=\"third\"", "proxy-authenticate: Digest realm=\"fourth\""), of(486, "WWW-Authenticate: Digest realm=\"none\""),
	}, nil)
	const want = "WWW-Authenticate: Digest realm=\"second\"\r\nProxy-Authenticate: Digest realm=\"third\"\r\nproxy-authenticate: Digest realm=\"fourth\"\r\n"
	if out.Code != 407 || string(out.challenges) != want {
		t.Errorf("%d with\n%s", out.Code, out.challenges)
	}
}

// TestVerdict_ACallThatReachedSomebodyIsNotTriedElsewhere, whichever phone it was.
func TestVerdict_ACallThatReachedSomebodyIsNotTriedElsewhere(t *testing.T) {
	lost, silent := result{code: 503, retry: true}, result{code: 408, retry: true}
	busy, rang := result{code: 486}, result{code: 408}
	for _, c := range []struct {
		results []result
		retry   bool
	}{
		{[]result{lost}, true}, {[]result{busy}, false}, {[]result{lost, silent}, true},
		{[]result{busy, lost}, false}, {[]result{lost, busy}, false}, {[]result{rang, silent}, false},
		{[]result{silent, rang, lost}, false}, {[]result{lost, silent, lost}, true},
	} {
		if out := verdict(c.results, nil); out.Retry != c.retry {
			t.Errorf("%+v: retry %v", c.results, out.Retry)
		}
	}
}

// TestProxy_ItsOwnBYEGoesByAllProxiesInOrder: the nearest one first.
func TestProxy_ItsOwnBYEGoesByAllProxiesInOrder(t *testing.T) {
	p := newAlone(t)
	k := &Token{Purpose: ToPhone, Node: "n1", Number: "1001", Addr: source}
	res := parsed(t, "SIP/2.0 200 OK", "Via: SIP/2.0/UDP h;branch=z9hG4bKa", "Record-Route: <sip:last.test;lr>, <sip:middle.test;lr>", "Record-Route: <sip:near.test;lr>",
		"Record-Route: "+string(p.calls.records.entry(k, []byte("c"))), "Record-Route: <sip:before.test;lr>",
		"From: <sip:a@b>;tag=1", "To: <sip:a@b>;tag=2", "Call-ID: c", "CSeq: 1 INVITE", "Contact: <sip:x@y>")
	var got []string
	for _, r := range p.routes.downstream(res) {
		got = append(got, string(r))
	}
	if want := "<sip:near.test;lr> <sip:middle.test;lr> <sip:last.test;lr>"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
