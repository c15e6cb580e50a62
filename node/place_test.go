package node

import (
	"net"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/problem"
)

func entryAt(host string) *configpb.Node {
	return &configpb.Node{SipAddr: host + ":5060", DefaultAddr: host + ":7000", TcAddr: host + ":7001", ClusterAddr: host + ":7002", GossipAddr: host + ":7003", HttpAddr: host + ":7080"}
}

// A machine without an address, for a moment, is not one that others reach at loopback.
func TestPlace_ALookThatFindsLoopbackAlone(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		want     bool
	}{
		{"192.0.2.1", "127.0.0.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"127.0.0.1", "127.0.0.1", false},
		{"127.0.0.1", "192.0.2.1", false},
	} {
		if got := retreats(entryAt(tc.from), entryAt(tc.to)); got != tc.want {
			t.Errorf("from %s to %s: %v, want %v", tc.from, tc.to, got, tc.want)
		}
	}
}

// A name that is not known now is where it was before; at the first start it must be known.
func TestPlace_ANameThatIsNotKnownNow(t *testing.T) {
	c := Config{Name: "n1", Site: "dc1", DataDir: "d", Bind: "10.0.0.7", Advertise: []string{"cluster=nobody.invalid"}}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.self(t.Context(), "id", nil); err == nil {
		t.Errorf("it is at %s", n.GetClusterAddr())
	}
	n, err := c.self(t.Context(), "id", entryAt("192.0.2.1"))
	if err != nil || n.GetClusterAddr() != "192.0.2.1:7002" || n.GetSipAddr() != "10.0.0.7:5060" {
		t.Errorf("%v, %v", n, err)
	}
}

// A node says that an address which it was told to bind is gone, once.
func TestPlace_AnAddressThatIsGone(t *testing.T) {
	here := []net.Addr{&net.IPNet{IP: net.IPv4(192, 0, 2, 1), Mask: net.CIDRMask(24, 32)}}
	for bind, want := range map[string]string{"192.0.2.1": "", "192.0.2.9": "192.0.2.9", "": "", "127.0.0.5": ""} {
		c := Config{Name: "n1", Site: "dc1", DataDir: "d", Bind: bind}
		if err := c.complete(); err != nil {
			t.Fatal(err)
		}
		got := ""
		c.unbound(here, func(p problem.Problem) { got += p.Subject })
		if got != want {
			t.Errorf("bound to %q: %q is gone, want %q", bind, got, want)
		}
	}
}
