package sip

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/location"
)

// loot is what somebody who has seen a call knows of one side's requests within it.
type loot struct {
	name, by     string // the station whose it is
	to           string // the other side's
	node         string
	uri          string // of the other side
	from, remote string // From and To
	id           string
	routes       []string
	phone        bool // it is a phone's
}

// steal makes a call and takes both sides' loot.
func (s *site) steal(caller, called, number, at string) (out []*loot) {
	s.t.Helper()
	s.calls++
	id, a, b := fmt.Sprintf("heist-%d-%s", s.calls, called), s.byName[caller], s.byName[called]
	a.forget()
	b.forget()
	auth := "Proxy-Authorization: {credentials}\r\n"
	if caller == "gateway" {
		auth = ""
	}
	contact := func(p *station) string { return "sip:" + strings.ReplaceAll(p.name, ".", "") + "@" + p.local.String() }
	say := func(p *station, node, method, text string) string {
		s.t.Helper()
		if err := p.via([]byte(p.fill(text, method)), s.world(node).server.UDPAddr()); err != nil {
			s.t.Fatal(err)
		}
		return join(s.collect(0, newSymbols(s.place, "secret")))
	}
	head := func(method, uri, to string) string {
		return fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s%s\r\nMax-Forwards: 70\r\nFrom: <sip:%s@cluster.test>;tag=a\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 %s\r\n",
			method, uri, a.local, id, method, a.name, to, id, method)
	}
	to := "<sip:" + number + "@cluster.test>"
	nodes := strings.Fields(at)
	say(a, nodes[0], "", head("INVITE", "sip:"+number+"@cluster.test", to)+"Contact: <"+contact(a)+">\r\n"+auth+"Content-Length: 0\r\n\r\n")
	say(b, nodes[len(nodes)-1], "INVITE", "SIP/2.0 200 OK\r\n{Via}\r\n{Record-Route}\r\n{From}\r\n{To};tag=b\r\n{Call-ID}\r\n{CSeq}\r\nContact: <"+contact(b)+">\r\nContent-Length: 0\r\n\r\n")
	if got := say(a, nodes[0], "", head("ACK", contact(b), to+";tag=b")+"{Route}\r\nContent-Length: 0\r\n\r\n"); !strings.Contains(got, "<<< "+called+"\nACK ") {
		s.t.Fatalf("%s calls %s: no ACK; the caller heard\n%s", caller, called, a.response)
	}
	local := headerOf(b.requests["INVITE"], "From")
	up := &loot{id + " caller", caller, called, nodes[0], contact(b), local, to + ";tag=b", id, routeSet(a.response, true), caller != "gateway"}
	down := &loot{id + " called", called, caller, nodes[len(nodes)-1], contact(a), to + ";tag=b", local, id, routeSet(b.requests["INVITE"], false), called != "gateway"}
	return []*loot{up, down}
}

// routeSet is the Route set that follows from a message.
func routeSet(msg string, turned bool) (set []string) {
	for _, l := range headerLines(msg, "Record-Route") {
		set = append(set, strings.TrimSpace(strings.TrimPrefix(l, "Record-Route:")))
	}
	if turned {
		slices.Reverse(set)
	}
	return set
}

func (s *site) world(node string) *world {
	if node == "n2" {
		return s.n2
	}
	return s.n1
}

// replay sends requests as if they were the side's, and tells what came back by method,
// and who got something else. Who gets a request refuses an INVITE, and agrees to others.
func (s *site) replay(by string, l *loot, methods ...string) (codes map[string]int, relayed []string) {
	s.t.Helper()
	p, codes, first := s.byName[by], map[string]int{}, 100+s.calls
	for _, method := range methods {
		s.calls++
		text := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bKreplay%d\r\nMax-Forwards: 70\r\n", method, l.uri, p.local, s.calls)
		for _, r := range l.routes {
			text += "Route: " + r + "\r\n"
		}
		text += fmt.Sprintf("From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:x@%s>\r\nContent-Length: 0\r\n\r\n", l.from, l.remote, l.id, 100+s.calls, method, p.local)
		if err := p.via([]byte(text), s.world(l.node).server.UDPAddr()); err != nil {
			s.t.Fatal(err)
		}
	}
	s.settle()
	for _, q := range s.stations {
		for _, r := range q.taken() {
			line, _, _ := strings.Cut(r.msg, "\r\n")
			if strings.HasPrefix(line, "SIP/2.0 ") { // to what it sent, before perhaps
				code, number, method := 0, 0, ""
				_, _ = fmt.Sscanf(line, "SIP/2.0 %d", &code)
				_, _ = fmt.Sscanf(headerOf(r.msg, "CSeq"), "%d %s", &number, &method)
				if q == p && number > first {
					codes[method] = code
				}
				continue
			}
			relayed = append(relayed, r.who+" got "+line)
			s.agree(q, r.msg)
		}
	}
	if len(relayed) > 0 {
		s.settle()
		for _, q := range s.stations {
			q.taken()
		}
	}
	return codes, relayed
}

// agree answers a request that a station got.
func (s *site) agree(q *station, msg string) {
	if q == s.line || strings.HasPrefix(msg, "ACK ") || strings.HasPrefix(msg, "SIP/2.0 ") {
		return
	}
	q.learn(msg)
	answer, node := "SIP/2.0 200 OK", s.n1
	if strings.HasPrefix(msg, "INVITE ") {
		answer = "SIP/2.0 488 Not Acceptable Here"
	}
	if q.name == "1003" {
		node = s.n2
	}
	if err := q.via([]byte(q.fill(answer+"\r\n{Via}\r\n{From}\r\n{To}\r\n{Call-ID}\r\n{CSeq}\r\nContent-Length: 0\r\n\r\n", "")), node.server.UDPAddr()); err != nil {
		s.t.Fatal(err)
	}
}

// but is the loot with changes.
func (l *loot) but(change func(*loot)) *loot {
	x := *l
	x.routes = slices.Clone(l.routes)
	change(&x)
	return &x
}

// disguises are what a thief makes of the loot. Only a request as it was seen may get
// through, and only of who has sent it.
func disguises(sink string) map[string]func(*loot) {
	swap := strings.NewReplacer(";tag=a", ";tag=b", ";tag=b", ";tag=a")
	return map[string]func(*loot){
		"as seen":            func(*loot) {},
		"other host":         func(l *loot) { l.uri = "sip:x@" + sink },
		"other port":         func(l *loot) { l.uri = l.uri[:strings.LastIndex(l.uri, ":")] + ":7000" },
		"other host, routed": func(l *loot) { l.routes = append(l.routes, "<sip:"+sink+";lr>") },
		"other Call-ID":      func(l *loot) { l.id += "x" },
		"other caller": func(l *loot) {
			l.from, l.remote = strings.ReplaceAll(l.from, ";tag=a", ";tag=c"), strings.ReplaceAll(l.remote, ";tag=a", ";tag=c")
		},
		"other called": func(l *loot) {
			l.from, l.remote = strings.ReplaceAll(l.from, ";tag=b", ";tag=c"), strings.ReplaceAll(l.remote, ";tag=b", ";tag=c")
		},
		"tags swapped":       func(l *loot) { l.from, l.remote = swap.Replace(l.from), swap.Replace(l.remote) },
		"empty tag":          func(l *loot) { l.remote = l.remote[:strings.Index(l.remote, ";tag=")+len(";tag=")] },
		"tag without value":  func(l *loot) { l.remote = l.remote[:strings.Index(l.remote, ";tag=")+len(";tag")] },
		"no tag":             func(l *loot) { l.remote, _, _ = strings.Cut(l.remote, ";tag=") },
		"the far token only": func(l *loot) { l.routes = l.routes[1:] },
		"tokens turned":      func(l *loot) { slices.Reverse(l.routes) },
		"strict": func(l *loot) {
			l.routes, l.uri = append(l.routes[1:], "<sip:x@"+sink+">"), strings.Trim(l.routes[0], "<>")
		},
		"one bit": func(l *loot) { l.routes[0] = strings.Replace(l.routes[0], "<sip:A", "<sip:B", 1) },
	}
}

// heist is a site with calls that were seen: within a node, between two, to the trunk
// and from it.
func heist(t *testing.T) (s *site, all []*loot) {
	s = newSite(t)
	s.add(s.phoneAt("sink", s.place+"9.8:5060"))
	s.add(s.phoneAt("port", s.place+"1.2:7000")) // of 1002
	s.add(s.phoneAt("n3", s.place+"0.3:5060"))   // where a node would be
	all = append(all, s.steal("1001", "1002", "1002", "n1")...)
	all = append(all, s.steal("1001", "1003", "1003", "n1 n2")...)
	all = append(all, s.steal("1001", "gateway", "+4930123", "n1")...)
	return s, append(all, s.steal("gateway", "1002", "1002", "n1")...)
}

var replayed = []string{"INVITE", "UPDATE", "INFO", "MESSAGE", "NOTIFY", "ACK", "BYE"}

// nothing wants none of the replayed requests to go on. A BYE of what is over is agreed to.
func (s *site) nothing(why, by string, l *loot, want ...int) {
	s.t.Helper()
	codes, relayed := s.replay(by, l, replayed...)
	if len(relayed) > 0 {
		s.t.Errorf("%s: %s by %s: %v", why, l.name, by, relayed)
	}
	for _, method := range replayed {
		switch code := codes[method]; {
		case method == "ACK" || method == "BYE" && code == 200 && by == l.by:
		case code/100 == 2 || len(want) > 0 && !slices.Contains(want, code):
			s.t.Errorf("%s: %s of %s by %s: %d, want %d", why, method, l.name, by, code, want)
		}
	}
}

// goesOn wants a request of the side itself to come to the other one.
func (s *site) goesOn(why string, l *loot) {
	s.t.Helper()
	if codes, relayed := s.replay(l.by, l, "INFO"); !slices.ContainsFunc(relayed, func(r string) bool { return strings.HasPrefix(r, l.to+" got INFO ") }) {
		s.t.Errorf("%s: INFO of %s: %v, %v", why, l.name, codes, relayed)
	}
}

// notTo wants what a side sends not to come to a station.
func (s *site) notTo(station, why string, l *loot) {
	s.t.Helper()
	if _, relayed := s.replay(l.by, l, replayed[:len(replayed)-1]...); slices.ContainsFunc(relayed, func(r string) bool { return strings.HasPrefix(r, station+" ") }) { // a BYE ends it
		s.t.Errorf("%s: %s: %v", why, l.name, relayed)
	}
}

// TestThief_OfACallThatIsUp: nobody but the two sides is a side, whatever they know.
func TestThief_OfACallThatIsUp(t *testing.T) {
	s, all := heist(t)
	for name, change := range disguises(s.place + "9.8:5060") {
		for _, l := range all {
			x := l.but(change)
			s.nothing(name, "stranger", x)
			switch name {
			case "as seen":
				s.goesOn(name, l)
			case "other host", "other host, routed", "strict", "other port":
				s.notTo("sink", name, x)
				s.notTo("port", name, x)
			default:
				s.nothing(name, l.by, x)
			}
		}
	}
	for _, l := range all {
		for _, by := range []string{"stranger", "1005.a", "n3"} {
			s.nothing("as seen", by, l, map[bool]int{true: 407, false: 403}[l.phone])
		}
		s.goesOn("after all that", l)
	}
}

// TestThief_AfterTheCall: when it is over, not even its sides get anything through.
func TestThief_AfterTheCall(t *testing.T) {
	s, all := heist(t)
	for i := 0; i < len(all); i += 2 {
		l := all[i+i/2%2] // of either side
		s.replay(l.by, l, "BYE")
	}
	for _, l := range all {
		s.nothing("after BYE", "stranger", l)
		s.nothing("after BYE", l.by, l, 481)
	}
}

// TestThief_AfterTheDNIsGone: a DN or trunk that was deleted or disabled takes part in
// nothing; whoever is in a call of it may hang up.
func TestThief_AfterTheDNIsGone(t *testing.T) {
	for name, mutation := range map[string]*configpb.Mutation{
		"caller deleted":  {Op: &configpb.Mutation_DeleteDn{DeleteDn: "1001"}},
		"caller disabled": {Op: &configpb.Mutation_PutDn{PutDn: func() *configpb.DN { d := phoneDN("1001"); d.Disabled = true; return d }()}},
		"trunk deleted":   {Op: &configpb.Mutation_DeleteDn{DeleteDn: "9100"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, all := heist(t)
			for _, w := range []*world{s.n1, s.n2} {
				w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{mutation}})
			}
			until(t, "the trunk is gone", func() bool {
				n, _ := s.n1.server.proxy.Trunk(mustAddrPort(s.place+"3.1:5060"), location.UDP)
				return (n != "") == (name != "trunk deleted")
			})
			who := map[bool]string{true: "gateway", false: "1001"}[name == "trunk deleted"]
			for _, l := range all {
				s.nothing(name, "stranger", l)
				if l.by != who && l.to != who {
					s.goesOn(name, l)
					continue
				}
				s.notTo(l.to, name, l)
			}
		})
	}
}

// restart has both nodes begin anew; phones over connections are gone.
func (s *site) restart(change func(*Config)) {
	s.t.Helper()
	s.stations = slices.DeleteFunc(s.stations, func(p *station) bool {
		if p.conn != nil {
			p.conn.Close()
		}
		return p.conn != nil
	})
	for _, w := range []*world{s.n1, s.n2} {
		w.stop()
		change(&w.cfg)
		w.restart()
	}
	s.lines.stand(s.t, s.n1, s.n2)
}

// TestThief_AfterARestart: what the nodes have forgotten the tokens say, for a day, and
// while their key is in the ring.
func TestThief_AfterARestart(t *testing.T) {
	s, all := heist(t)
	s.restart(func(*Config) {})
	for _, l := range all {
		s.nothing("after a restart", "stranger", l, map[bool]int{true: 407, false: 403}[l.phone])
		s.goesOn("after a restart", l)
		s.notTo("sink", "after a restart", l.but(disguises(s.place + "9.8:5060")["other host"]))
		s.notTo("port", "after a restart", l.but(disguises("")["other port"]))
	}
	age := func(d time.Duration) {
		s.restart(func(c *Config) { c.Now = func() time.Time { return time.Now().Add(d) } })
	}
	age(24*time.Hour - time.Minute)
	for _, l := range all {
		s.goesOn("after a day", l)
	}
	age(24*time.Hour + 2*time.Minute)
	for _, l := range all {
		s.nothing("after more than a day", l.by, l, 481)
	}
}

// TestThief_KeysChange: a call outlives the key of its tokens, and nothing else does.
func TestThief_KeysChange(t *testing.T) {
	s, all := heist(t)
	next := []RouteKey{{ID: 2, Secret: []byte("next")}}
	for _, w := range []*world{s.n1, s.n2} {
		w.server.SetRouteKeys(next)
	}
	for _, l := range all {
		s.goesOn("its key is out of the ring", l)
		s.nothing("its key is out of the ring", "stranger", l)
	}
	s.restart(func(c *Config) { c.RouteKeys = next })
	for _, l := range all {
		s.nothing("its key is not known", l.by, l, 403)
	}
}
