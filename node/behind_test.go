package node

import (
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// A phone whose password was changed while its node was down is not told that it is
// wrong: it is served when the node knows. A node that finds no leader goes by what it has.
func TestNode_RefusesNobodyBeforeItKnowsTheConfiguration(t *testing.T) {
	a, b := twoNodes(t, nil)
	c := run(t, config(t, "n3", func(c *Config) { c.Join = []string{a.cfg.ClusterAddr} }))
	whole(t, a, b, c)
	a.write(t, []*member{a, b, c}, phoneDN("1001"), phoneDN("1003"))
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	other := phoneDN("1001").GetPutDn()
	other.Ha1 = phoneDN("1002").GetPutDn().GetHa1()
	a.write(t, []*member{a, b}, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: other}})
	a.phone(t, "1003")
	c = bind(t, c.cfg)
	if at := a.table.MaxClaim(); c.table.MaxClaim() < at {
		t.Error("what registers at it is behind what registered elsewhere, if its clock is")
	}
	if !c.mayLag.Load() {
		t.Error("it refuses phones before it has asked the leader")
	}
	c.start(t)
	await(t, "n3 knows the configuration", func() bool { return !c.mayLag.Load() })
	if got := c.machine.View().DN("1001").GetHa1(); got != other.Ha1 {
		t.Errorf("it goes by %s, not by %s", got, other.Ha1)
	}
	for _, m := range []*member{a, b, c} {
		if err := m.stop(); err != nil {
			t.Fatal(err)
		}
	}
	c = run(t, c.cfg)
	u, err := siptest.NewUA(siptest.Config{DN: "1001", Password: "pw", Domain: realm, Server: c.cfg.SIPAddr, Local: "127.0.0.1", Repeats: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	if r := registers(t, u); r.Code != 401 || c.mayLag.Load() {
		t.Errorf("a node that is alone answers %d to another password", r.Code)
	}
}
