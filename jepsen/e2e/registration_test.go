package e2e_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

func TestRegister_DNIsInServiceAtEveryNodeWithItsOwner(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "1001", "1002")
	expectSeen(t, soon, nobody, ph, c.Nodes()...)

	register(t, c.Node(1), ph[0])
	register(t, c.Node(2), ph[1].at(c.Node(2)))

	expectSeen(t, soon, inServiceAt(c.Node(1)), ph[:1], c.Nodes()...)
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:], c.Nodes()...)
	for _, n := range c.Nodes() {
		d, err := n.Availability().GetDN(t.Context(), &tcpb.GetDNStatusRequest{Dn: "1002"})
		if err != nil {
			t.Fatal(err)
		}
		if d.GetSite() != "dc2" || !d.GetRoutable() || d.GetKind() != configpb.DNKind_DN_KIND_SIP || d.GetReason() != tcpb.Reason_REASON_REGISTERED {
			t.Errorf("%s: %v; want site dc2, routable, kind sip, reason registered", n.Name(), d)
		}
	}
}

func TestRegister_RefreshIsSilentAndUnregisterTakesTheDNOutEverywhere(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(2), "1011")
	register(t, c.Node(2), ph...)
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph, c.Nodes()...)
	watches := []*observer{observe(t, c.Node(1)), observe(t, c.Node(2)), observe(t, c.Node(3))}

	register(t, c.Node(2), ph...)
	unregister(t, c.Node(2), ph...)

	for _, o := range watches {
		o.waitSeen(t, soon, nobody, ph...)
		if told := o.told("1011"); len(told) != 1 {
			t.Errorf("%s told %q; want only that the DN is out of service", o.node, told)
		}
	}
	d, err := c.Node(3).Availability().GetDN(t.Context(), &tcpb.GetDNStatusRequest{Dn: "1011"})
	if err != nil || d.GetReason() != tcpb.Reason_REASON_UNREGISTERED {
		t.Errorf("n3: %v %v; want reason unregistered", d, err)
	}
}

func TestRegister_UnregisterOfAnOldContactLeavesTheNewOne(t *testing.T) {
	c := threeNodes(t)
	old := phones(t, c.Node(1), "1021")
	fresh := old[0]
	fresh.port += 100
	register(t, c.Node(1), old...)
	register(t, c.Node(1), fresh)
	expectSeen(t, soon, inServiceAt(c.Node(1)), old, c.Nodes()...)
	o := observe(t, c.Node(2))

	unregister(t, c.Node(1), old...)
	o.expectSilence(t, old...)
	unregister(t, c.Node(1), fresh)
	o.waitSeen(t, soon, nobody, fresh)
}

func TestRegister_AtAnotherNodeMovesTheDNWithoutAFlap(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "1031")
	register(t, c.Node(1), ph...)
	expectSeen(t, soon, inServiceAt(c.Node(1)), ph, c.Nodes()...)
	watches := []*observer{observe(t, c.Node(1)), observe(t, c.Node(2)), observe(t, c.Node(3))}

	register(t, c.Node(3), ph[0].at(c.Node(3)))

	for _, o := range watches {
		o.waitSeen(t, soon, inServiceAt(c.Node(3)), ph...)
		if told := o.told("1031"); len(told) != 1 {
			t.Errorf("%s told %q; want one change of the owner", o.node, told)
		}
	}
	// The first phone's un-REGISTER comes to a node that no longer owns the DN.
	unregister(t, c.Node(1), ph...)
	expectNow(t, inServiceAt(c.Node(3)), ph, c.Nodes()...)
}

func TestRegister_IsRefusedWithAReason(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "1041", "1042", "1043")
	wrong := ph[0]
	wrong.password = "guess"
	ghost := ph[0]
	ghost.dn = "999999"
	disabled := cluster.SIPDN("1043", ph[2].realm, ph[2].password)
	disabled.Disabled = true
	write := &configpb.WriteRequest{Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutDn{PutDn: disabled}}}}
	if _, err := c.Node(1).Configuration().Write(t.Context(), write); err != nil {
		t.Fatal(err)
	}

	sipp(t, "unknown", c.Node(1), "u1", 60, ghost)
	sipp(t, "refused", c.Node(1), "u1", 60, ph[2])
	if err := runSIPP(t, "register", c.Node(1), "u1", 60, wrong); err == nil {
		t.Error("a wrong password was accepted")
	}
	expectNow(t, nobody, ph, c.Nodes()...)
}

func TestRegister_ManyPhonesAtOnceAreAllThere(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(2), numbers(20000, 300)...)
	for i := range ph {
		ph[i].port = 10000 + i
	}
	o := observe(t, c.Node(3))
	register(t, c.Node(2), ph...)
	o.waitSeen(t, soon, inServiceAt(c.Node(2)), ph...)
	expectEqualTables(t, soon, c.Nodes()...)
	unregister(t, c.Node(2), ph...)
	o.waitSeen(t, soon, nobody, ph...)
}

func TestRegister_DeletedDNIsOutOfServiceEverywhere(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "1051")
	register(t, c.Node(1), ph...)
	watches := []*observer{observe(t, c.Node(1)), observe(t, c.Node(3))}
	watches[1].waitSeen(t, soon, inServiceAt(c.Node(1)), ph...)

	res, err := c.Node(2).CLI(t.Context(), "dn", "delete", "1051")
	if err != nil || res.Code != 0 {
		t.Fatalf("dn delete: %v %+v", err, res)
	}

	for _, o := range watches {
		o.wait(t, soon, "the DN is out of service", func() bool { return o.state["1051"].state == oos })
	}
	eventually(t, soon, "no node lists the DN as routable", func(ctx context.Context) error {
		for _, n := range c.Nodes() {
			if all, err := table(ctx, n); err != nil || all["1051"].state == inSrv {
				return fmt.Errorf("%s: %v %w", n.Name(), all["1051"], err)
			}
		}
		return nil
	})
}

func TestBaresip_IsInServiceOverUDPAndTCP(t *testing.T) {
	c := threeNodes(t)
	need(t, "baresip")
	for i, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			p := phones(t, c.Node(1), fmt.Sprint(1061+i))
			baresip(t, c.Node(1), p[0], transport)
			expectSeen(t, soon, inServiceAt(c.Node(1)), p, c.Nodes()...)
		})
	}
}

func TestTCPPhone_GoneWithItsConnectionIsOutOfService(t *testing.T) {
	c := threeNodes(t)
	need(t, "baresip")
	p := phones(t, c.Node(2), "1071", "1072")
	stop := baresip(t, c.Node(2), p[0], "tcp")
	held := sippCommand(t, "hold", c.Node(2), "t1", 600, p[1])
	if err := p[1].from.Start(held); err != nil {
		t.Fatal(err)
	}
	o := observe(t, c.Node(3))
	o.waitSeen(t, soon, inServiceAt(c.Node(2)), p...)

	stop()
	_ = held.Process.Kill()
	_ = held.Wait()
	o.waitSeen(t, soon, nobody, p...)
}

func TestSipsak_RegistersAndPings(t *testing.T) {
	c := threeNodes(t)
	need(t, "sipsak")
	p := phones(t, c.Node(3), "1081")[0]
	// sipsak asks the DNS for the domain; there is none here.
	proxy := c.Node(3).Addr(cluster.SIP).String()
	if _, err := p.from.Exec(t.Context(), "sipsak", "-U", "-s", "sip:"+p.dn+"@"+proxy,
		"-u", p.dn, "-a", p.password, "-C", p.contact(), "-x", "300"); err != nil {
		t.Fatal(err)
	}
	expectSeen(t, soon, inServiceAt(c.Node(3)), []phone{p}, c.Nodes()...)
	if _, err := p.from.Exec(t.Context(), "sipsak", "-s", "sip:"+proxy); err != nil { // OPTIONS
		t.Fatal(err)
	}
}

func TestRegister_NotRefreshedExpires(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "1091", "1092")
	shortest(t, c.Node(1), 1)
	t.Cleanup(func() { shortest(t, c.Node(1), 60) })
	o := observe(t, c.Node(3))
	eventually(t, soon, "the shorter lifetime holds at n2", func(context.Context) error {
		return runSIPP(t, "register", c.Node(2), "u1", 2, ph[0].at(c.Node(2)), ph[1].at(c.Node(2)))
	})
	o.waitSeen(t, soon, inServiceAt(c.Node(2)), ph...)
	// Moved: what expires at n2 is no longer what counts.
	register(t, c.Node(1), ph[1])
	o.waitSeen(t, soon, nobody, ph[0])
	expectNow(t, inServiceAt(c.Node(1)), ph[1:], c.Nodes()...)
	d, err := c.Node(1).Availability().GetDN(t.Context(), &tcpb.GetDNStatusRequest{Dn: "1091"})
	if err != nil || d.GetReason() != tcpb.Reason_REASON_EXPIRED {
		t.Errorf("n1: %v %v; want reason expired", d, err)
	}
}

// shortest sets the shortest lifetime of a registration that the cluster accepts.
func shortest(t *testing.T, n *cluster.Node, seconds uint32) {
	ctx, cancel := context.WithTimeout(context.Background(), soon) // also after the test
	defer cancel()
	if err := n.ChangeOptions(ctx, func(o *configpb.Options) { o.MinExpiresS = seconds }); err != nil {
		t.Errorf("options: %v", err)
	}
}
