package sip

import (
	"crypto/tls"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// srvName is a domain of two servers, one of each family.
const srvName = "srv.carrier.test"

// carriersOf are two servers of a carrier at addresses of this machine: the first one says
// that it takes no calls.
func carriersOf(t *testing.T, config *tls.Config, first, second string) (refuses, takes *carrierServer) {
	t.Helper()
	listen := func(host string) net.Listener {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	return serveCarrier(t, listen(first), config, "503 Service Unavailable"), serveCarrier(t, listen(second), config, "200 OK")
}

// srvNames is a name server that knows srvName: its servers in their order, by TCP and TLS.
func srvNames(t *testing.T, servers ...*carrierServer) string {
	t.Helper()
	return nameServer(t, func(asked string, head dns.RR_Header) (list []dns.RR) {
		switch {
		case head.Rrtype == dns.TypeSRV && (asked == "_sip._tcp."+srvName+"." || asked == "_sips._tcp."+srvName+"."):
			for i, s := range servers {
				_, text, _ := net.SplitHostPort(s.addr)
				port, _ := strconv.ParseUint(text, 10, 16)
				list = append(list, &dns.SRV{Hdr: head, Priority: uint16(i + 1), Port: uint16(port), Target: "host" + strconv.Itoa(i) + "." + srvName + "."})
			}
		case strings.HasPrefix(asked, "host") && strings.HasSuffix(asked, "."+srvName+"."):
			host, _, _ := net.SplitHostPort(servers[asked[4]-'0'].addr)
			switch ip := net.ParseIP(host); {
			case head.Rrtype == dns.TypeA && ip.To4() != nil:
				list = append(list, &dns.A{Hdr: head, A: ip})
			case head.Rrtype == dns.TypeAAAA && ip.To4() == nil:
				list = append(list, &dns.AAAA{Hdr: head, AAAA: ip})
			}
		}
		return list
	})
}

// TestSixCarrier_TheNextAddressIsOfTheOtherFamily: over connections too a call goes on from
// IPv6 to IPv4 and back, by a trunk's addresses and by the records of its name, and what
// belongs to the call goes there.
func TestSixCarrier_TheNextAddressIsOfTheOtherFamily(t *testing.T) {
	const four, six = "127.0.0.1", "::1"
	for _, secure := range []bool{false, true} {
		for _, way := range [][2]string{{six, four}, {four, six}} {
			for _, named := range []bool{false, true} {
				name := map[bool]string{false: "tcp", true: "tls"}[secure] + ", " + way[0] + " first, " + map[bool]string{false: "addresses", true: "SRV"}[named]
				t.Run(name, func(t *testing.T) { goesOnOver(t, secure, named, way) })
			}
		}
	}
}

func goesOnOver(t *testing.T, secure, named bool, way [2]string) {
	ca := newAuthority(t)
	var config *tls.Config
	trunk := &configpb.Trunk{Transport: configpb.TrunkTransport_TRUNK_TRANSPORT_TCP}
	if secure {
		config = &tls.Config{Certificates: []tls.Certificate{ca.of(sixName, time.Now().Add(time.Hour))}}
		trunk.Transport, trunk.TlsName = configpb.TrunkTransport_TRUNK_TRANSPORT_TLS, sixName
	}
	names := sixNames(t) // before what needs IPv6
	refuses, takes := carriersOf(t, config, way[0], way[1])
	trunk.Address, trunk.MoreAddresses = refuses.addr, []string{takes.addr}
	if named {
		names, trunk.Address, trunk.MoreAddresses = srvNames(t, refuses, takes), srvName, nil
	}
	w := newSixWorld(t, func(c *Config) {
		c.NameServers = []string{names}
		if secure {
			ca.serves(c)
		}
	})
	w.trunk9000(trunk)
	callsOn(t, w, refuses, takes)
}

// callsOn has a call go on from the server that refuses to the one that takes it.
func callsOn(t *testing.T, w *sixWorld, refuses, takes *carrierServer) {
	t.Helper()
	s := newScript(t)
	out := s.place(w.phone, "9000")
	s.await(out, 200)
	s.ok(out.Ack())
	s.do(out, "BYE", 200)
	for _, want := range []string{"INVITE ", "ACK "} {
		if line := patience.Receive(t, "a request", refuses.came); !strings.HasPrefix(line, want) {
			t.Errorf("the first is sent %s, want %s", line, want)
		}
	}
	for _, want := range []string{"INVITE ", "ACK ", "BYE "} {
		if line := patience.Receive(t, "a request", takes.came); !strings.HasPrefix(line, want) {
			t.Errorf("the second is sent %s, want %s", line, want)
		}
	}
}

// TestSixCarrier_OneNameOfBothFamilies: a name with a port has its address of IPv4 tried
// first, over connections too, and a call goes on to that of IPv6.
func TestSixCarrier_OneNameOfBothFamilies(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "tcp", true: "tls"}[secure], func(t *testing.T) {
			names := sixNames(t) // before what needs IPv6
			ca := newAuthority(t)
			var config *tls.Config
			trunk := &configpb.Trunk{Transport: configpb.TrunkTransport_TRUNK_TRANSPORT_TCP}
			if secure {
				config = &tls.Config{Certificates: []tls.Certificate{ca.of(bothName, time.Now().Add(time.Hour))}}
				trunk.Transport = configpb.TrunkTransport_TRUNK_TRANSPORT_TLS
			}
			four, six, port := samePort(t)
			refuses, takes := serveCarrier(t, four, config, "503 Service Unavailable"), serveCarrier(t, six, config, "200 OK")
			trunk.Address = net.JoinHostPort(bothName, port)
			w := newSixWorld(t, func(c *Config) {
				c.NameServers = []string{names}
				if secure {
					ca.serves(c)
				}
			})
			w.trunk9000(trunk)
			callsOn(t, w, refuses, takes)
		})
	}
}

// samePort are listeners of both families at one port.
func samePort(t *testing.T) (four, six net.Listener, port string) {
	t.Helper()
	for range 100 {
		four, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(four.Addr().String())
		if six, err := net.Listen("tcp", net.JoinHostPort("::1", port)); err == nil {
			return four, six, port
		}
		four.Close()
	}
	t.Fatal("no port is free for both families")
	return nil, nil, ""
}
