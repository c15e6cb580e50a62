package sip

import (
	"crypto/rand"
	"net"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/location"
)

// TestServer_WhichRoutesLeadHere: names of the cluster whatever the port, and
// addresses that are served or advertised, with their port. Another Route is
// refused before anybody is asked for a password.
func TestServer_WhichRoutesLeadHere(t *testing.T) {
	for _, x := range []struct {
		listen, advertise string
		here, elsewhere   string // {udp} and {tcp} are ports that are served
	}{
		{"127.0.0.1:0", "", "127.0.0.1:{udp} 127.0.0.1:{tcp} cluster.test cluster.test:7 CLUSTER.test name.test localhost", "192.0.2.7:{udp} 127.0.0.1:7 127.0.0.1 other.test test"},
		{"0.0.0.0:0", "", "127.0.0.1:{udp} 192.0.2.7:{tcp} cluster.test", "127.0.0.1:7 192.0.2.7 other.test"},
		{"127.0.0.1:0", "192.0.2.9:5070", "192.0.2.9:5070 127.0.0.1:{udp} cluster.test", "192.0.2.9:5071 192.0.2.9 192.0.2.9:{udp} 192.0.2.8:5070"},
		{"127.0.0.1:0", "sip1.test:5070", "sip1.test:5070 SIP1.test sip1.test:7 127.0.0.1:{tcp}", "sip2.test:5070 sip1.test.org"},
		{"127.0.0.1:0", "[2001:db8::1]:5060", "[2001:db8::1]:5060 [2001:db8::1]", "[2001:db8::2]:5060 [2001:db8::1]:5061"},
	} {
		w := callWorld(t, func(c *Config) {
			c.UDP, c.TCP, c.Advertise, c.Hosts = x.listen, x.listen, x.advertise, []string{"Name.test"}
		}, "1001")
		ports := strings.NewReplacer("{udp}", w.portOf(location.UDP), "{tcp}", w.portOf(location.TCP))
		l := w.dial("udp")
		for want, list := range map[int]string{407: x.here, 403: x.elsewhere} {
			for _, host := range strings.Fields(ports.Replace(list)) {
				res := l.ask("INVITE " + uriTo("1001") + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK" + rand.Text() + "\r\nMax-Forwards: 70\r\nRoute: <sip:" + host +
					";lr>\r\nFrom: <" + uriTo("1001") + ">;tag=1\r\nTo: <" + uriTo("1001") + ">\r\nCall-ID: " + rand.Text() + "\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")
				if res.code != want {
					t.Errorf("%s, advertised %q: by %s %d %s, want %d", x.listen, x.advertise, host, res.code, res.reason, want)
				}
			}
		}
	}
}

func (w *world) portOf(transport location.Transport) string {
	_, port, err := net.SplitHostPort(w.server.Addr(transport).String())
	if err != nil {
		w.t.Fatal(err)
	}
	return port
}
