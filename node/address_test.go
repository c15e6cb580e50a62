package node

import (
	"net"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
)

func TestConfig_AnAddressThatCameFirstIsNotTold(t *testing.T) {
	here := []net.Addr{
		&net.IPNet{IP: net.IPv4(172, 17, 0, 1), Mask: net.CIDRMask(16, 32)}, &net.IPNet{IP: net.IPv4(10, 0, 0, 7), Mask: net.CIDRMask(24, 32)},
	}
	for _, c := range []struct{ bound, known, want string }{
		{"0.0.0.0:7002", "10.0.0.7:7002", "10.0.0.7:7002"},
		{"0.0.0.0:7012", "10.0.0.7:7002", "10.0.0.7:7012"},      // another port was asked for
		{"0.0.0.0:7002", "10.0.0.8:7002", "172.17.0.1:7002"},    // it is of another machine now
		{"0.0.0.0:7002", "", "172.17.0.1:7002"},                 // nobody knows it yet
		{"172.17.0.1:7002", "10.0.0.7:7002", "172.17.0.1:7002"}, // it was told
		{"0.0.0.0:7002", "[fd00::7]:7002", "172.17.0.1:7002"},
	} {
		cfg := &Config{ClusterAddr: c.bound}
		self := &configpb.Node{ClusterAddr: "172.17.0.1:7002"}
		cfg.keepAddresses(self, &configpb.Node{ClusterAddr: c.known}, here)
		if self.GetClusterAddr() != c.want {
			t.Errorf("bound to %s, known at %s: %s, want %s", c.bound, c.known, self.GetClusterAddr(), c.want)
		}
	}
}
