package sip

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/siptest"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// stage is a bubble with one or two whole SIP servers, joined by a network in
// memory, and the parties that talk to them. It notes who sends what when.
type stage struct {
	t       *testing.T
	net     *siptest.Network
	lines   *lines
	nodes   []*world
	parties map[string]*party

	mu    sync.Mutex
	names map[netip.AddrPort]string
	begin time.Time // of the tape; zero while nothing is noted
	tape  []note
	lag   time.Duration // between nodes
	lost  []string      // "n1>n2": all; "n1>n2 CANCEL": the next one
	calls int
}

// tick is that of the servers' clocks.
const tick = 50 * time.Millisecond

// note is one message of a node: who to whom, what, when.
type note struct {
	way, what string
	at        time.Duration
}

// newStage makes one node or two. "a" is a gateway that calls at the first, "b"
// the phone of 1002, which is registered at the last; each speaks udp or tcp.
// "c" is a gateway that is called. "d" appears when a script names it.
func newStage(t *testing.T, nodes int, caller, phone string, change func(*Config)) *stage {
	t.Helper()
	s := &stage{t: t, net: siptest.NewNetwork(), lines: newLines(), parties: map[string]*party{}, names: map[netip.AddrPort]string{}}
	s.lines.pair = memoryPair
	s.net.Way(s.datagram)
	for i := range nodes {
		s.node(i, change)
	}
	last := s.nodes[nodes-1]
	for _, w := range s.nodes {
		for i, other := range s.nodes {
			w.node(fmt.Sprintf("n%d", i+1), other.server.UDPAddr())
		}
		if w != last {
			w.remote.Store("1002", last.table.Self())
		}
	}
	s.connect()
	s.gateway("a", "9000", caller)
	s.gateway("c", "9001", "udp")
	s.phone("b", "1002", phone, "", last)
	return s
}

// connect waits for the streams between the nodes, in whole ticks of all clocks.
func (s *stage) connect() {
	s.t.Helper()
	synctest.Wait()
	for range 20 {
		if s.lines.standing(s.nodes...) == nil {
			return
		}
		<-time.After(tick)
		synctest.Wait()
	}
	s.t.Fatal(s.lines.standing(s.nodes...))
}

func (s *stage) node(i int, change func(*Config)) {
	name := fmt.Sprintf("n%d", i+1)
	addr := fmt.Sprintf("192.0.2.%d:5060", i+1)
	s.names[netip.MustParseAddrPort(addr)] = name
	w := callWorld(s.t, func(c *Config) {
		c.Network, c.UDP, c.TCP = s.net, addr, addr
		c.Table = dn.New(dn.Config{Self: dn.Node(name), Incarnation: 1})
		c.phones = &phoneNotes{s: s, node: name, silent: map[string]bool{}}
		c.DialPeer = s.lines.dial
		c.peers = func(p wire.Peers) wire.Peers {
			return &tap{p, func(to dn.Node, b []byte, send func()) bool { return s.streamed(name+">"+string(to), string(b), send) }}
		}
		if change != nil {
			change(c)
		}
	}, "1001", "1002")
	s.nodes = append(s.nodes, w)
	s.lines.serve(dn.Node(name), w.server)
	s.follow(name, w)
}

// party puts somebody on the network.
func (s *stage) party(name, number, via string, w *world) *party {
	s.t.Helper()
	p := &party{t: s.t, name: name, number: number, via: strings.ToUpper(via), node: mustAddrPort(w.server.UDPAddr().String()), heard: map[string]string{}, sent: map[string]string{}}
	addr := fmt.Sprintf("198.51.100.%d:5060", len(s.parties)+1)
	s.mu.Lock()
	s.names[netip.MustParseAddrPort(addr)] = name
	s.mu.Unlock()
	var err error
	if via == "tcp" {
		p.conn, err = s.net.Dial(addr, w.server.TCPAddr().String())
	} else {
		p.port, err = s.net.Open(addr)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.parties[name] = p
	go p.receive(func(text string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		p.take(text)
		if p.conn != nil {
			s.noteLocked(s.names[p.node], name, text)
		}
	})
	s.t.Cleanup(func() { s.hangUp(p) })
	return p
}

func (s *stage) hangUp(p *party) {
	if p.conn != nil {
		p.conn.Close()
		return
	}
	p.port.Close()
}

// gateway is a trunk of all nodes, that calls at the first.
func (s *stage) gateway(name, number, via string) {
	p := s.party(name, number, via, s.nodes[0])
	for _, w := range s.nodes {
		w.put(&configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: p.addr(), Prefix: "+"}})
	}
	synctest.Wait()
}

// phone is one that registers for an hour, with credentials.
func (s *stage) phone(name, number, via, params string, w *world) *party {
	s.t.Helper()
	p := s.party(name, number, via, w)
	p.params = params
	s.register(p, 3600)
	if got := word(s.heard(p, "answer REGISTER")); got != "200" {
		s.t.Fatalf("REGISTER of %s: %s", number, got)
	}
	return p
}

// register registers the party's contact, or takes it back with 0.
func (s *stage) register(p *party, seconds int) {
	s.registers(p, "Contact: <"+p.contact()+">"+p.params, fmt.Sprintf("Expires: %d", seconds))
}

// registers sends a REGISTER with some lines, and again with credentials.
func (s *stage) registers(p *party, lines ...string) {
	p.cseq += 2
	r := reg{dn: p.number, callID: "r" + p.name, cseq: p.cseq, transport: p.via, headers: lines}
	text := func() string { return strings.Replace(r.String(), "127.0.0.1:5999", p.addr(), 1) }
	p.write(text())
	synctest.Wait()
	if challenge := header(s.heard(p, "answer REGISTER"), "WWW-Authenticate"); challenge != "" {
		r.auth, r.cseq = authorize(challenge, p.number, "pw"+p.number, 1), r.cseq+1
		p.write(text())
		synctest.Wait()
	}
}

func (s *stage) heard(p *party, what string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.heard[what]
}

// datagram notes what a node sends, and lets it pass or not.
func (s *stage) datagram(from, to netip.AddrPort, b []byte) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := string(b)
	s.noteLocked(s.names[from], s.names[to], text)
	return s.fate(s.names[from]+">"+s.names[to], text)
}

// streamed notes what a node sends to another one, and lets it pass or not.
func (s *stage) streamed(way, text string, send func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(way, label(text))
	late, ok := s.fate(way, text)
	if ok && late > 0 {
		time.AfterFunc(late, send)
	}
	return ok && late == 0
}

// fate tells what becomes of a message.
func (s *stage) fate(way, text string) (late time.Duration, ok bool) {
	if slices.Contains(s.lost, way) {
		return 0, false
	}
	if i := slices.Index(s.lost, way+" "+label(text)); i >= 0 {
		s.lost = slices.Delete(s.lost, i, i+1)
		return 0, false
	}
	if way == "n1>n2" || way == "n2>n1" {
		late = s.lag
	}
	return late, true
}

// label is the method of a request, or the code of a response and its method
// unless that is INVITE.
func label(text string) string {
	what := word(text)
	if strings.HasPrefix(text, "SIP/2.0 ") {
		if _, method, _ := strings.Cut(header(text, "CSeq"), " "); method != "INVITE" {
			what += "/" + method
		}
	}
	return what
}

func (s *stage) noteLocked(from, to, text string) {
	if strings.HasPrefix(from, "n") {
		s.note(from+">"+to, label(text))
	}
}

func (s *stage) note(way, what string) {
	if !s.begin.IsZero() {
		s.tape = append(s.tape, note{way, what, time.Since(s.begin)})
	}
}

// follow notes what becomes of a node's calls: the outcome of each Send, and
// the end of each dialog.
func (s *stage) follow(name string, w *world) {
	over := make(chan struct{})
	s.t.Cleanup(func() { close(over) })
	note := func(format string, args ...any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.note(name, fmt.Sprintf(format, args...))
	}
	go func() {
		for {
			select {
			case o := <-w.outcomes:
				note("outcome %d%s%s", o.Code, map[bool]string{true: " retry"}[o.Retry], map[bool]string{true: ", no word"}[o.NoWord])
				if o.Dialog != nil {
					o.Dialog.Then(func(by dialog.Side) { note("over, by %d", by) })
				}
			case <-over:
				return
			}
		}
	}()
}

// record starts the tape, at a tick of all clocks.
func (s *stage) record() {
	<-time.After(5 * tick)
	synctest.Wait()
	s.mu.Lock()
	s.begin, s.tape = time.Now(), nil
	s.mu.Unlock()
}

// play does what a script says: steps "seconds who what", apart by commas. It
// ends when the last step's time has come.
func (s *stage) play(script string) {
	s.t.Helper()
	for step := range strings.SplitSeq(script, ",") {
		f := strings.Fields(step)
		if len(f) == 0 {
			continue
		}
		s.until(seconds(s.t, f[0]))
		switch {
		case len(f) == 1:
		case f[2] == "loses":
			s.lose(f[3], true)
		case f[2] == "finds":
			s.lose(f[3], false)
		case f[2] == "breaks":
			s.lines.end(1)
		case f[2] == "cuts":
			s.lines.cut(true)
		case f[2] == "heals":
			s.lines.cut(false)
		case f[2] == "holds":
			s.holds(f[0], f[1], f[3])
		default:
			s.step(f[1], f[2], f[3:])
		}
		synctest.Wait()
	}
}

func seconds(t testing.TB, v string) time.Duration {
	t.Helper()
	f, err := strconv.ParseFloat(v, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(f * float64(time.Second))
}

// until waits until a time of the tape.
func (s *stage) until(at time.Duration) {
	if d := at - time.Since(s.begin); d > 0 {
		<-time.After(d)
	}
	synctest.Wait()
}

// step has somebody do something: "INVITE", "again INVITE", "180", "200 BYE", ...
func (s *stage) step(who, what string, more []string) {
	s.t.Helper()
	p := s.parties[who]
	if p == nil && who == "d" {
		p = s.dialler()
	}
	if p == nil {
		s.t.Fatalf("who is %q?", who)
	}
	arg := cmp.Or(strings.Join(more, " "), "INVITE")
	if code, err := strconv.Atoi(what); err == nil {
		method, lines, _ := strings.Cut(arg, " ")
		p.respond(code, method, lines)
		return
	}
	switch what {
	case "again":
		p.again(arg)
	case "ACK":
		p.ack()
	case "CANCEL":
		p.hop("CANCEL")
	case "new":
		s.calls++
		method, number, _ := strings.Cut(arg, " ")
		p.anew(method, fmt.Sprintf("call%d", s.calls), cmp.Or(number, "1002"))
		if who == "d" {
			s.prove(p, method)
		}
	case "leaves":
		s.hangUp(p)
	default:
		p.request(what)
	}
}

// dialler is "d", a phone that has not registered: 1001, at the first node.
func (s *stage) dialler() *party {
	for _, w := range s.nodes {
		w.put(phoneDN("1001"))
	}
	return s.party("d", "1001", "udp", s.nodes[0])
}

// prove sends a request that was challenged again, with credentials.
func (s *stage) prove(p *party, method string, lines ...string) {
	s.t.Helper()
	synctest.Wait()
	challenge := header(s.heard(p, "answer "+method), "Proxy-Authenticate")
	p.request(method, append(lines, "Proxy-Authorization: "+authorizeFor(method, challenge, p.number, "pw"+p.number, 1))...)
}

// lose has the network lose all of a way from now on, or no more of it.
func (s *stage) lose(way string, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = slices.DeleteFunc(s.lost, func(w string) bool { return w == way })
	if all {
		s.lost = append(s.lost, way)
	}
}

// holds checks how many transactions a node has.
func (s *stage) holds(at, name, want string) {
	s.t.Helper()
	if got := fmt.Sprint(s.transactions(s.nodes[name[1]-'1'])); got != want {
		s.t.Errorf("after %s s %s has %s transactions, want %s", at, name, got, want)
	}
}

func (s *stage) transactions(w *world) (n int) {
	return w.server.Held()["sip_transactions"]
}

// told is the tape: a line for each way and message, with the seconds.
func (s *stage) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.tape, func(a, b note) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.way, b.way), cmp.Compare(a.what, b.what))
	})
	var order []string
	times := map[string][]string{}
	for _, n := range s.tape {
		k := n.way + " " + n.what
		if times[k] == nil {
			order = append(order, k)
		}
		times[k] = append(times[k], strconv.FormatFloat(n.at.Seconds(), 'f', -1, 64))
	}
	for i, k := range order {
		order[i] = k + " " + strings.Join(times[k], " ")
	}
	return strings.Join(order, "\n")
}

// want compares the tape.
func (s *stage) want(want string) {
	s.t.Helper()
	clean := func(text string) (lines []string) {
		for l := range strings.SplitSeq(text, "\n") {
			if l = strings.Join(strings.Fields(l), " "); l != "" {
				lines = append(lines, l)
			}
		}
		return lines
	}
	if got, want := clean(s.told()), clean(want); !slices.Equal(got, want) {
		s.t.Errorf("they said\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// rest checks that nothing is left.
func (s *stage) rest() {
	s.t.Helper()
	for i, w := range s.nodes {
		if n := s.transactions(w); n > 0 {
			s.t.Errorf("n%d has %d transactions at the end", i+1, n)
		}
		if n := w.server.Held()["sip_calls"]; n > 0 {
			s.t.Errorf("n%d has %d calls that are being set up", i+1, n)
		}
	}
}
