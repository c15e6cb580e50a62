package sip

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestFamilies_EachSideHearsOfAnAddressOfItsOwn: a phone that has only IPv6 and one that has
// only IPv4 call each other. What the Route of each begins with, and the Via of what it
// receives, are where it can send to.
func TestFamilies_EachSideHearsOfAnAddressOfItsOwn(t *testing.T) {
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skip(err)
	} else {
		c.Close()
	}
	for _, advertised := range []string{"127.0.0.1", "::1"} {
		t.Run(advertised, func(t *testing.T) {
			w := callWorld(t, func(c *Config) { c.UDP, c.TCP = "[::]:0", "" }, "1001", "1002")
			s := newScript(t)
			port := netip.MustParseAddrPort(w.server.UDPAddr().String()).Port()
			w.server.Advertise(net.JoinHostPort(advertised, strconv.Itoa(int(port))))
			phone := func(number, host string) *siptest.UA {
				u, err := siptest.NewUA(siptest.Config{DN: number, Password: "pw" + number, Domain: testRealm, Server: net.JoinHostPort(host, strconv.Itoa(int(port))), Local: host})
				s.ok(err)
				t.Cleanup(u.Close)
				res, err := u.Register(s.ctx, time.Hour)
				if s.ok(err); res.Code != 200 {
					t.Fatal(res)
				}
				return u
			}
			six, four := phone("1001", "::1"), phone("1002", "127.0.0.1")
			for _, x := range []struct {
				from, to *siptest.UA
				number   string
				network  [2]string
			}{{six, four, "1002", [2]string{"udp6", "udp4"}}, {four, six, "1001", [2]string{"udp4", "udp6"}}} {
				out := s.place(x.from, x.number)
				in := s.take(x.to)
				reaches(t, x.network[1], hostOf(t, in.Invite.Headers("Record-Route")[0]))
				reaches(t, x.network[1], viaOf(t, in.Invite.Header("Via")))
				s.ok(in.Answer())
				list := s.await(out, 200).Headers("Record-Route")
				reaches(t, x.network[0], hostOf(t, list[len(list)-1]))
				s.ok(out.Ack())
				s.expect(in, "ACK")
				s.do(in, "BYE", 200)
				reaches(t, x.network[0], viaOf(t, s.expect(out, "BYE").Header("Via")))
			}
		})
	}
}

// hostOf is the host:port of an entry of a Record-Route list.
func hostOf(t *testing.T, entry string) string {
	t.Helper()
	a, _ := message.ParseAddress([]byte(entry))
	u, ok := message.ParseURI(a.URI)
	if !ok {
		t.Fatalf("%q", entry)
	}
	return string(u.Host) + ":" + string(u.Port)
}

// viaOf is the sent-by of a Via.
func viaOf(t *testing.T, via string) string {
	t.Helper()
	h, ok := message.ParseVia([]byte(via))
	if !ok {
		t.Fatalf("%q", via)
	}
	return string(h.Host) + ":" + string(h.Port)
}

// reaches asks the node by a network that has one family.
func reaches(t *testing.T, network, addr string) {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Errorf("%s: %v", network, err)
		return
	}
	defer c.Close()
	buf := make([]byte, 4096)
	patience.Until(t, "an answer from "+addr, func() bool {
		_ = c.SetDeadline(time.Now().Add(time.Second))
		if _, err := c.Write([]byte("OPTIONS sip:" + testRealm + " SIP/2.0\r\nVia: SIP/2.0/UDP h;rport;branch=z9hG4bKfamilies" + network + "\r\nMax-Forwards: 70\r\nFrom: <sip:x@h>;tag=a\r\nTo: <sip:" + testRealm + ">\r\nCall-ID: families\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")); err != nil {
			return false
		}
		n, err := c.Read(buf)
		return err == nil && strings.HasPrefix(string(buf[:n]), "SIP/2.0 200")
	})
}

func TestOfOtherFamily(t *testing.T) {
	var all []netip.Addr
	for _, a := range []string{"127.0.0.1", "192.0.2.1", "::1", "fe80::1", "2001:db8::1", "2001:db8::2"} {
		all = append(all, netip.MustParseAddr(a))
	}
	for one, want := range map[string]string{"192.0.2.9": "2001:db8::1", "2001:db8::9": "192.0.2.1", "": ""} {
		ip, _ := netip.ParseAddr(one)
		if got := ofOtherFamily(ip, all); got.IsValid() != (want != "") || got.IsValid() && got.String() != want {
			t.Errorf("%q: %v", one, got)
		}
	}
	one := netip.MustParseAddr("192.0.2.9")
	if got := ofOtherFamily(one, all[:3]); got.String() != "::1" {
		t.Errorf("with a loopback only: %v", got)
	}
	if got := ofOtherFamily(one, slices.Clone(all[:2])); got.IsValid() {
		t.Errorf("without IPv6: %v", got)
	}
}
