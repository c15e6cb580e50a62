package sip

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/peer"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/transaction"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// site is what transcripts play at: the nodes n1 and n2, the streams between them,
// phones and a gateway.
//
//	127.0.0.1   n1, with the phones 1001, 1002 (UDP), 1004 (TCP), 1005 (two
//	            contacts), 1006 (two, of different q), 1007 (behind an edge proxy);
//	            after openSockets 1021 (TLS), 1022 (WS) and 1023 (WSS) too
//	127.0.0.2   n2, with the phone 1003
//	127.0.3.1   the gateway of the trunk 9100, prefix "+"
//	127.0.3.2   the carrier of the trunk 9200, prefix "00", which is trusted
//	127.0.4.1   a stranger
//
// Other DNs: 1010 out of service, 1011 disabled, 1012 of the lost node n3, 1013
// of a node that is not in the roster, 2001 of an agent with a telephone
// elsewhere, 9000 a routing point.
type site struct {
	t        testing.TB
	place    string
	n1, n2   *world
	stations []*station
	byName   map[string]*station
	line     *station // all that passes between the nodes
	lines    *lines
	control  *station
	news     wake.Signal // of all stations
	calls    int         // by script
	// In this scenario:
	missed bool            // something that was expected
	sent   map[string]bool // lines
}

// ages is longer than any scenario plays.
const ages = time.Minute

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, place: freePlace(t), byName: map[string]*station{}, news: wake.New(), lines: newLines()}
	s.line = &station{name: "line", news: s.news}
	s.n1, s.n2 = s.node("n1", 1), s.node("n2", 2)
	s.roster()
	s.lines.stand(t, s.n1, s.n2)
	s.control = s.phoneAt("control", s.place+"9.9:5062")
	for i, name := range []string{"1001", "1002", "1003", "1004", "1005.a", "1005.b", "1006.a", "1006.b", "edge", "gateway", "stranger", "carrier"} {
		s.phone(i+1, name)
	}
	s.add(s.line)
	s.owners()
	return s
}

// freePlace finds loopback addresses that nobody else uses.
func freePlace(t testing.TB) string {
	for range 50 {
		place := fmt.Sprintf("127.%d.", 10+rand.IntN(200))
		c, err := net.ListenPacket("udp", place+"0.1:5060")
		if err == nil {
			c.Close()
			return place
		}
	}
	t.Fatal("no free loopback addresses")
	return ""
}

func (s *site) node(id string, n int) *world {
	s.t.Helper()
	w := newWorld(s.t, func(c *Config) {
		c.UDP = fmt.Sprintf("%s0.%d:5060", s.place, n)
		allTransports(s.t)(c)
		c.TCP, c.TLS = c.UDP, fmt.Sprintf("%s0.%d:5061", s.place, n)
		c.WS, c.WSS = fmt.Sprintf("%s0.%d:5080", s.place, n), fmt.Sprintf("%s0.%d:5081", s.place, n)
		c.Table = dn.New(dn.Config{Self: dn.Node(id), Incarnation: 1})
		c.RouteKeys = testKeys
		c.timers = transaction.Timers{T1: ages / 6, T2: ages, T4: ages}
		c.Calls = arriveFunc(func(c *proxy.Call) { s.arrive(id, c) })
		c.DialPeer = s.lines.dial
		c.peers = func(p wire.Peers) wire.Peers {
			return &tap{p, func(to dn.Node, b []byte, _ func()) bool {
				s.line.take(id+" to "+string(to), string(b))
				return true
			}}
		}
	})
	w.options(&configpb.Options{Realm: testRealm, FirstWordMs: proto.Uint32(32_000)})
	for _, number := range []string{"1001", "1002", "1003", "1004", "1005", "1006", "1007", "1010", "1011", "1012", "1013", "1021", "1022", "1023"} {
		d := phoneDN(number)
		d.Disabled = number == "1011"
		w.put(d)
	}
	w.put(&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+4930123"})
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{TimeoutMs: 1000}})
	w.put(&configpb.DN{Number: "9100", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: s.place + "3.1:5060", Prefix: "+"}})
	w.put(&configpb.DN{Number: "9200", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: s.place + "3.2:5060", Prefix: "00", Trusted: true}})
	return w.run()
}

// arriveFunc is a Caller that decides at once.
type arriveFunc func(*proxy.Call)

func (f arriveFunc) Arrive(c invite.Call) { f(c.(*proxy.Call)) }

// arrive is the call plane: the phones of a DN here, its owner, or the trunk.
func (s *site) arrive(id string, c *proxy.Call) {
	w := s.n1
	if id == "n2" {
		w = s.n2
	}
	number := dn.Number(c.Called())
	st, _ := w.table.Get(number)
	owner := w.machine.View().Node(string(st.Owner))
	switch {
	case strings.HasPrefix(c.Called(), "+"):
		c.Send(invite.Target{Trunk: "9100", Number: c.Called()}, nil, func(o invite.Outcome) { passOn(c, o) })
	case strings.HasPrefix(c.Called(), "00"):
		c.Send(invite.Target{Trunk: "9200", Number: c.Called()}, nil, func(o invite.Outcome) { passOn(c, o) })
	case w.machine.View().DN(c.Called()) == nil:
		c.Reject(404, "Not Found")
	case st.State != dn.InSrv || owner == nil:
		c.Reject(480, "DN is out of service")
	case st.Owner == dn.Node(id):
		c.Send(invite.Target{Deliver: number}, nil, func(o invite.Outcome) { passOn(c, o) })
	default:
		c.Send(invite.Target{Node: st.Owner, DN: number}, nil, func(o invite.Outcome) { passOn(c, o) })
	}
}

// roster tells each node of all.
func (s *site) roster() {
	for _, w := range []*world{s.n1, s.n2} {
		w.lines = s.lines
		s.lines.serve(w.table.Self(), w.server)
	}
	for _, w := range []*world{s.n1, s.n2} {
		w.node("n1", s.n1.server.UDPAddr())
		w.node("n2", s.n2.server.UDPAddr())
	}
	s.n1.node("n3", &net.UDPAddr{IP: net.ParseIP(s.place + "0.3"), Port: 5060})
}

func (s *site) phone(i int, name string) {
	s.t.Helper()
	addr, node := fmt.Sprintf("%s1.%d:5062", s.place, i), s.n1.server.UDPAddr()
	switch name {
	case "gateway":
		addr = s.place + "3.1:5060"
	case "carrier":
		addr = s.place + "3.2:5060"
	case "stranger":
		addr = s.place + "4.1:5060"
	case "1003":
		node = s.n2.server.UDPAddr()
	case "1004":
		s.connect(name, "tcp", addr, "sip:1004@"+addr+";transport=tcp")
		return
	}
	p := s.phoneAt(name, addr)
	s.add(p)
	number, _, _ := strings.Cut(name, ".")
	var headers []string
	switch name {
	case "gateway", "carrier", "stranger":
		return
	case "edge":
		p.name = "1007"
		s.register(p, node, "UDP", "Contact: <sip:1007@192.0.2.7>", "Path: <sip:edge."+testRealm+";lr>, <sip:far.example.net;lr;x>", "Supported: path")
		p.name = name
		return
	case "1006.a":
		headers = []string{"Contact: <sip:1006@" + addr + ">;q=0.5"}
	case "1006.b":
		headers = []string{"Contact: <sip:1006@" + addr + ">;q=0.1"}
	default:
		headers = []string{"Contact: <sip:" + number + "@" + addr + ">"}
	}
	s.register(p, node, "UDP", headers...)
}

func (s *site) add(p *station) {
	p.forget()
	s.stations = append(s.stations, p)
	s.byName[p.name] = p
}

// owners tells each node what the other ones own.
func (s *site) owners() {
	s.n1.knows("n2", "1003")
	s.n2.knows("n1", "1001", "1002", "1004", "1005", "1006", "1007", "1021", "1022", "1023")
	s.n1.knows("n3", "1012")
	s.n1.table.SetHeard("n3", false)
	s.n1.knows("n9", "1013")
}

// knows tells a node which DNs another one owns.
func (w *world) knows(owner dn.Node, numbers ...dn.Number) {
	w.t.Helper()
	w.knowsSince(owner, 1, numbers...)
}

// knowsSince tells it with the time of the claims.
func (w *world) knowsSince(owner dn.Node, claim int64, numbers ...dn.Number) {
	w.t.Helper()
	c, err := w.table.Sync(owner, 1, false)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	for _, n := range numbers {
		if _, err := c.Apply([]dn.Record{{Number: n, ClaimTime: claim, Seq: 1, State: dn.InSrv, Reason: dn.Registered, Since: claim}}, 0); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := c.Synced(1); err != nil {
		w.t.Fatal(err)
	}
	w.table.SetHeard(owner, true)
}

// settle waits until all that was sent was served, twice along the longest way.
func (s *site) settle() {
	s.t.Helper()
	for range 2 {
		for _, w := range []*world{s.n1, s.n2} {
			s.flushNode(w)
			s.flushLine(w)
		}
	}
	s.flushNode(s.n1)
	for _, p := range s.stations {
		if p != s.line {
			s.flush(p, p.local)
		}
	}
}

// flushLine waits until the other node has served all that a node has sent it: by each
// stream a request goes there, which is refused.
func (s *site) flushLine(w *world) {
	s.t.Helper()
	other, out := s.n1, w.server.pings.out.Peers
	if w == s.n1 {
		other = s.n2
	}
	before := s.line.flushed()
	for slot := range uint16(peer.Streams) {
		if err := out.Send(other.table.Self(), slot, []byte(flushRequest(w.server.UDPAddr(), "TCP", before+int(slot)))); err != nil {
			s.t.Fatal(err)
		}
	}
	s.until("the other node has served all", func() bool { return s.line.flushed() >= before+2*peer.Streams })
}

func (s *site) flushNode(w *world) {
	s.t.Helper()
	before := s.control.flushed()
	if err := s.control.via([]byte(flushRequest(s.control.local, "UDP", before)), w.server.UDPAddr()); err != nil {
		s.t.Fatal(err)
	}
	s.until("the node has served all", func() bool { return s.control.flushed() > before })
}
