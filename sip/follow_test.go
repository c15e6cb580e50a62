package sip

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// asks sends a request of a side from a station, with more header lines, and tells what
// came back and what came to others.
func (s *site) asks(from *station, l *loot, method string, n int, lines ...string) (code string, relayed []string) {
	s.t.Helper()
	text := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bKw%d%s\r\nMax-Forwards: 70\r\nRoute: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n%sContent-Length: 0\r\n\r\n",
		method, l.uri, from.local, n, method, strings.Join(l.routes, ", "), l.from, l.remote, l.id, n, method, strings.Join(append(lines, ""), "\r\n"))
	if err := from.via([]byte(from.fill(text, "")), s.world(l.node).server.UDPAddr()); err != nil {
		s.t.Fatal(err)
	}
	for range 2 {
		s.settle()
		for _, q := range s.stations {
			for _, r := range q.taken() {
				line, _, _ := strings.Cut(r.msg, "\r\n")
				if q.learn(r.msg); q == from && strings.HasPrefix(line, "SIP/2.0 ") {
					code = strings.Fields(line)[1]
					continue
				}
				relayed = append(relayed, r.who+" "+strings.Fields(line)[0])
				s.agree(q, r.msg)
			}
		}
	}
	return code, relayed
}

// TestFollow_APhoneWhosePortChangedIsChallenged: its NAT has given it another one within
// the call. It has to show its password once, and the ACK needs none any more.
func TestFollow_APhoneWhosePortChangedIsChallenged(t *testing.T) {
	s, all := heist(t)
	l := all[0]
	moved := s.phoneAt("1001.moved", s.place+"1.1:40000")
	s.add(moved)
	for i, step := range []struct {
		method, auth string
		code         string
		comes        bool
	}{
		{"ACK", "", "", false},
		{"INFO", "", "407", false},
		{"INFO", "Proxy-Authorization: Digest username=\"1001\", realm=\"" + testRealm + "\", nonce=\"x\", uri=\"sip:x@cluster.test\", response=\"0\"", "407", false},
		{"INFO", "Proxy-Authorization: {credentials}", "200", true},
		{"INVITE", "", "488", true},
		{"ACK", "", "", true},
		{"BYE", "", "200", true},
	} {
		var lines []string
		if step.auth != "" {
			lines = []string{step.auth}
		}
		code, relayed := s.asks(moved, l, step.method, 200+i, lines...)
		if code != step.code || slices.Contains(relayed, "1002 "+step.method) != step.comes {
			t.Errorf("%d: %s: %q, %v", i, step.method, code, relayed)
		}
	}
}

// TestFollow_WhoWasReferredTellsOfItAfterTheBYE (RFC 5589): the call is over, and what
// became of the transfer is told within its dialog yet. Nothing else is said there.
func TestFollow_WhoWasReferredTellsOfItAfterTheBYE(t *testing.T) {
	for _, refers := range []bool{true, false} {
		s, all := heist(t)
		up, down := all[2], all[3] // by two nodes
		n := 200
		say := func(l *loot, method string, comes bool, code string) {
			t.Helper()
			n++
			if got, relayed := s.asks(s.byName[l.by], l, method, n); got != code || slices.Contains(relayed, l.to+" "+method) != comes {
				t.Errorf("referred %v: %s: %q, %v", refers, method, got, relayed)
			}
		}
		if refers {
			say(up, "REFER", true, "200")
		}
		say(up, "BYE", true, "200")
		after := map[bool]string{true: "200", false: "481"}[refers]
		say(down, "NOTIFY", refers, after)
		say(down, "INFO", false, "481")
		say(down, "INVITE", false, "481")
		say(up, "UPDATE", false, "481")
	}
}

// TestFollow_AnotherPhoneThatAnsweredIsHungUpByTheCaller (RFC 3261 §13.2.2.4).
func TestFollow_AnotherPhoneThatAnsweredIsHungUpByTheCaller(t *testing.T) {
	s := newSite(t)
	s.byName["1005.b"].forget()
	l := s.steal("1001", "1005.a", "1005", "n1")[0]
	b := s.byName["1005.b"]
	if b.requests["INVITE"] == "" {
		t.Fatal("the other phone did not ring")
	}
	answer := "SIP/2.0 200 OK\r\n{Via}\r\n{Record-Route}\r\n{From}\r\n{To};tag=other\r\n{Call-ID}\r\n{CSeq}\r\nContact: <sip:1005@" + b.local.String() + ">\r\nContent-Length: 0\r\n\r\n"
	if err := b.via([]byte(b.fill(answer, "INVITE")), s.n1.server.UDPAddr()); err != nil {
		t.Fatal(err)
	}
	s.collect(0, newSymbols(s.place, "secret"))
	got := s.byName["1001"].response
	if !strings.Contains(got, ";tag=other") {
		t.Fatalf("the caller heard %s", got)
	}
	other := l.but(func(x *loot) {
		x.to, x.uri, x.routes, x.remote = "1005.b", "sip:1005@"+b.local.String(), routeSet(got, true), strings.Replace(x.remote, ";tag=b", ";tag=other", 1)
	})
	for _, c := range []struct {
		method, code string
		comes        bool
	}{{"ACK", "", true}, {"INFO", "481", false}, {"BYE", "200", true}} {
		if code, relayed := s.asks(s.byName["1001"], other, c.method, 2); code != c.code || slices.Contains(relayed, "1005.b "+c.method) != c.comes {
			t.Errorf("%s: %q, %v", c.method, code, relayed)
		}
	}
}
