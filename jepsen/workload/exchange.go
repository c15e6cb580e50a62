package workload

import (
	"net"
	"net/netip"
	"strings"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// exchange is the socket of a telephone at a carrier to which every node may send calls:
// what goes out goes to the node that its message names.
type exchange struct {
	net.PacketConn
	// home takes what names none: the INVITEs of calls that begin here.
	home netip.AddrPort
}

// openPublic opens the telephone's socket in the network that no cut concerns.
func (w *Telephone) openPublic() error {
	place, server := w.Cluster.Visitor(), w.Node.Addr(cluster.SIP)
	return place.Visit(func() error {
		conn, err := net.ListenPacket("udp", netip.AddrPortFrom(place.IP(), w.Trunk).String())
		if err != nil {
			return err
		}
		w.ua, err = siptest.NewUA(siptest.Config{DN: w.DN, Domain: w.Realm, Server: server.String(), Conn: &exchange{conn, server}})
		return err
	})
}

// Read implements net.Conn.
func (x *exchange) Read(b []byte) (int, error) {
	n, _, err := x.ReadFrom(b)
	return n, err
}

// Write implements net.Conn.
func (x *exchange) Write(b []byte) (int, error) {
	to := x.home
	if hop, ok := nextHop(string(b)); ok {
		to = hop
	}
	return x.WriteTo(b, net.UDPAddrFromAddrPort(to))
}

// RemoteAddr implements net.Conn.
func (x *exchange) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(x.home) }

// nextHop is where a message goes: a response to whom the topmost Via names, a request to
// whom the topmost Route names.
func nextHop(message string) (netip.AddrPort, bool) {
	name := "route"
	if strings.HasPrefix(message, "SIP/2.0 ") {
		name = "via"
	}
	return hostPort(headerOf(message, name))
}

// headerOf is the first header of that name, in lower case; "" without one.
func headerOf(message, name string) string {
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	for _, line := range strings.Split(head, "\r\n")[1:] {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.ToLower(strings.TrimSpace(n)) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// hostPort is the address in a Via or a URI.
func hostPort(v string) (netip.AddrPort, bool) {
	if _, after, ok := strings.Cut(v, "sip:"); ok {
		v = after
	} else if _, after, ok := strings.Cut(v, " "); ok {
		v = after
	}
	if at := strings.LastIndexByte(v, '@'); at >= 0 {
		v = v[at+1:]
	}
	if end := strings.IndexAny(v, ";>, "); end >= 0 {
		v = v[:end]
	}
	a, err := netip.ParseAddrPort(v)
	if err != nil {
		ip, ipErr := netip.ParseAddr(v)
		a, err = netip.AddrPortFrom(ip, 5060), ipErr
	}
	return a, err == nil
}

// by is the node by way of which the telephone has the call, "" for its own.
func (w *Telephone) by(c *siptest.Call) string {
	if !w.Public || c.Invite == nil {
		return ""
	}
	return w.nodeAt(c.Invite.Header("Via"))
}

// nodeAt is the node whose SIP port a Via or a URI names; "" for nobody's.
func (s *Site) nodeAt(v string) string {
	at, _ := hostPort(v)
	for _, n := range s.Cluster.Nodes() {
		if at.Addr() == n.Addr(cluster.SIP).Addr() {
			return n.Name()
		}
	}
	return ""
}
