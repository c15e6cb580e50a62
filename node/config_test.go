package node

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

func TestConfig_Addresses(t *testing.T) {
	c := Config{Name: "sip1", Site: "dc1", DataDir: "d", Bind: "10.1.2.3", SIPAddr: ":5080", TCAddr: "127.0.0.1:9"}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string][2]string{
		"bind is the host that is missing": {c.SIPAddr, "10.1.2.3:5080"},
		"a host that is given stays":       {c.TCAddr, "127.0.0.1:9"},
		"the default port":                 {c.ClusterAddr, "10.1.2.3:7002"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %s, want %s", what, got[0], got[1])
		}
	}
}

func TestConfig_Defaults(t *testing.T) {
	c := Config{Name: "sip1", Site: "dc1", DataDir: "d", TCAddr: "localhost:7001"}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	if c.Realm != "sipcluster" || c.JoinTimeout != time.Minute {
		t.Errorf("realm %s, join within %v", c.Realm, c.JoinTimeout)
	}
	if ap, err := netip.ParseAddrPort(c.TCAddr); err != nil || !ap.Addr().IsLoopback() || ap.Port() != 7001 {
		t.Errorf("localhost:7001 is %s", c.TCAddr)
	}
	got := []string{c.SIPAddr, c.DefaultAddr, c.ClusterAddr, c.GossipAddr, c.HTTPAddr, c.TLSAddr, c.WSAddr, c.WSSAddr}
	want := []string{"0.0.0.0:5060", "0.0.0.0:7000", "0.0.0.0:7002", "0.0.0.0:7003", "0.0.0.0:7080", "", "", ""}
	if !slices.Equal(got, want) {
		t.Errorf("addresses %q, want %q", got, want)
	}
}

// Each address is told as what it is, with its port.
func TestConfig_WhatOthersAreTold(t *testing.T) {
	for _, bind := range []string{"10.1.2.3", ""} {
		c := Config{Name: "sip1", Site: "dc1", DataDir: "d", Bind: bind}
		if err := c.complete(); err != nil {
			t.Fatal(err)
		}
		n, err := c.self(t.Context(), "id", nil)
		if err != nil {
			t.Fatal(err)
		}
		host, _, _ := net.SplitHostPort(n.GetSipAddr())
		if bind != "" && host != bind {
			t.Errorf("told is %s", n.GetSipAddr())
		}
		want := &configpb.Node{Id: "id", Name: "sip1", Site: "dc1", SipAddr: host + ":5060", DefaultAddr: host + ":7000", TcAddr: host + ":7001",
			ClusterAddr: host + ":7002", GossipAddr: host + ":7003", HttpAddr: host + ":7080"}
		if !proto.Equal(n, want) {
			t.Errorf("told is %v, want %v", n, want)
		}
	}
}

func TestConfig_WhatIsAdvertised(t *testing.T) {
	for _, x := range []struct {
		say  []string
		want [3]string // SIP, cluster, HTTP
	}{
		{nil, [3]string{"10.0.0.7:5060", "10.0.0.7:7002", "10.0.0.7:7080"}},
		{[]string{"192.0.2.1"}, [3]string{"192.0.2.1:5060", "192.0.2.1:7002", "192.0.2.1:7080"}},
		{[]string{"cluster=192.0.2.2:17002", "192.0.2.1", "sip=[2001:db8::1]"}, [3]string{"[2001:db8::1]:5060", "192.0.2.2:17002", "192.0.2.1:7080"}},
		{[]string{"sip=localhost:25060"}, [3]string{"127.0.0.1:25060", "10.0.0.7:7002", "10.0.0.7:7080"}},
	} {
		c := Config{Name: "n1", Site: "dc1", DataDir: "d", Bind: "10.0.0.7", Advertise: x.say}
		err := c.complete()
		if err != nil {
			t.Fatal(x.say, err)
		}
		n, err := c.self(t.Context(), "id", nil)
		if got := [3]string{n.GetSipAddr(), n.GetClusterAddr(), n.GetHttpAddr()}; err != nil || got != x.want {
			t.Errorf("%q: %v, %v", x.say, got, err)
		}
	}
	for _, bad := range [][]string{{"0.0.0.0"}, {"phone=10.0.0.1"}, {"10.0.0.1", "10.0.0.2"}, {"sip=10.0.0.1", "sip=10.0.0.2"}, {"sip=10.0.0.1:0"}, {"sip=10.0.0.1:x"}, {"fe80::1%eth0"}, {"sip=[fe80::1]"}, {"ff02::1"}} {
		c := Config{Name: "n1", Site: "dc1", DataDir: "d", Bind: "10.0.0.7", Advertise: bad}
		if err := c.complete(); err == nil || !strings.Contains(err.Error(), "--advertise") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestConfig_WhatIsToldIsNeverUnspecified(t *testing.T) {
	c := Config{Name: "sip1", Site: "dc1", DataDir: "d"}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	self, err := c.self(t.Context(), "id", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{self.GetSipAddr(), self.GetTcAddr(), self.GetClusterAddr(), self.GetGossipAddr()} {
		if ap, err := netip.ParseAddrPort(a); err != nil || ap.Addr().IsUnspecified() {
			t.Errorf("others are told to dial %s", a)
		}
	}
}

func TestConfig_SaysWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"name":             {func(c *Config) { c.Name = "Sip_1" }, "node name"},
		"no site":          {func(c *Config) { c.Site = "" }, "site"},
		"bad site":         {func(c *Config) { c.Site = "a b" }, "site"},
		"realm":            {func(c *Config) { c.Realm = "bad realm" }, "domain name"},
		"no dir":           {func(c *Config) { c.DataDir = "" }, "--data-dir"},
		"both":             {func(c *Config) { c.Bootstrap, c.Join = true, []string{"a:1"} }, "only one"},
		"bind":             {func(c *Config) { c.Bind = "localhost" }, "IP address"},
		"address":          {func(c *Config) { c.SIPAddr = "5060" }, "HOST:PORT"},
		"bad port":         {func(c *Config) { c.SIPAddr = ":sip" }, "SIP address"},
		"ws":               {func(c *Config) { c.WSAddr = "5066" }, "SIP WebSocket address"},
		"no cert":          {func(c *Config) { c.WSSAddr, c.KeyFile = ":5067", "k" }, "--sip-tls-cert"},
		"no web key":       {func(c *Config) { c.HTTPCertFile = "c" }, "--http-tls-key"},
		"web key in clear": {func(c *Config) { c.HTTPCertFile, c.HTTPKeyFile, c.Insecure = "c", "k", true }, "speaks in clear"},
		"no key":           {func(c *Config) { c.TLSAddr, c.CertFile = ":5061", "c" }, "--sip-tls-key"},
		"a link's address": {func(c *Config) { c.TCAddr = "[fe80::1%lo]:7001" }, "link-local"},
		"a link's, bound":  {func(c *Config) { c.Bind = "fe80::1" }, "link-local"},
		"a group's":        {func(c *Config) { c.SIPAddr = "[ff02::1]:5060" }, "link-local"},
		"no host":          {func(c *Config) { c.TCAddr = "nowhere.invalid:7001" }, "TCport address"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Config{Name: "sip1", Site: "dc1", DataDir: "d"}
			tc.change(&c)
			if err := c.complete(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want a word about %q", err, tc.want)
			}
		})
	}
}
