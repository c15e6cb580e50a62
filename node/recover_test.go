package node

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/node/consensus"
	"github.com/sipcluster/sipcluster/node/problem"
)

// survivors are the nodes of a cluster that has lost one: where they are started
// again, and as whom its administrator asks.
type survivors struct {
	admin credential.Context
	a, b  *member
}

// again starts a member that was stopped.
func again(t *testing.T, m *member, change func(*Config)) *member {
	t.Helper()
	c := m.cfg
	c.InviteFile, c.Bootstrap = "", false
	change(&c)
	return run(t, c)
}

func (s *survivors) puts(t *testing.T, at *member, number string) {
	t.Helper()
	client := configpb.NewConfigurationClient(at.adminBy(t, s.admin))
	written(t, func() error {
		_, err := client.Write(t.Context(), &configpb.WriteRequest{Mutations: []*configpb.Mutation{phoneDN(number)}})
		return err
	})
}

// stopped are the survivors of three after the first, which leads, was lost for good.
func stopped(t *testing.T) *survivors {
	t.Helper()
	all := threeSecured(t)
	s := &survivors{admin: adminContext(t, all[0]), a: all[1], b: all[2]}
	s.puts(t, all[0], "1000")
	s.puts(t, all[0], "1001")
	for _, m := range all {
		await(t, m.cfg.Name+" has the DNs", func() bool { return m.machine.View().DN("1001") != nil })
	}
	s.a.phone(t, "1000")
	s.b.phone(t, "1001")
	for _, m := range all {
		if err := m.stop(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// recovered makes a survivor the first again and starts it.
func recovered(t *testing.T, m *member) (*member, Recovered) {
	t.Helper()
	r, err := Recover(m.cfg.DataDir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m = again(t, m, func(*Config) {})
	await(t, m.cfg.Name+" leads", func() bool { return m.group.Status().State == "leader" })
	return m, r
}

func (m *member) hasProblem(code string) bool {
	for _, p := range m.problems.List() {
		if p.Code == code {
			return true
		}
	}
	return false
}

func tokenOf(t *testing.T, c credential.Context) string {
	t.Helper()
	token, err := credential.ParseToken(c.Token)
	if err != nil {
		t.Fatal(err)
	}
	return token.ID
}

// keeps tells whether a node has the one phone that it had.
func (m *member) keeps() bool { return m.table.OwnedBy(m.table.Self()) == 1 }

// The majority is lost: one survivor goes on with all that it knew and its phones;
// the other takes part by the recovery's name alone, and keeps its phones.
func TestRecover_OneOfThreeGoesOnAndTheOtherAcceptsIt(t *testing.T) {
	s := stopped(t)
	before := s.b.machine.View()
	b, r := recovered(t, s.b)
	view := b.machine.View()
	if view.Epoch() != before.Epoch() || view.Recovery() != r.Recovery || r.Recovery == "" || len(r.Others) != 2 || len(r.Aside) != 2 || len(r.Missing) != 0 {
		t.Fatalf("%+v: %s, before %s", r, view.Lineage(), before.Lineage())
	}
	if view.Token(tokenOf(t, s.admin)) == nil || len(view.Security().GetAuthorities()) != 1 || view.Index() <= before.Index() || !b.keeps() {
		t.Errorf("of what it knew something is gone: index %d, before %d", view.Index(), before.Index())
	}
	s.puts(t, b, "1002")

	a := again(t, s.a, func(c *Config) { c.Join, c.AcceptRecovery = []string{b.cfg.ClusterAddr}, "2-abcdef" })
	if !a.hasProblem("recovery-not-accepted") || a.machine.View().DN("1001") == nil || a.machine.View().Recovery() != "" || !a.keeps() {
		t.Fatalf("a name that is none: %s", a.machine.View().Lineage())
	}
	if aside, _ := filepath.Glob(filepath.Join(a.cfg.DataDir, "*.set-aside-*")); len(aside) != 0 {
		t.Errorf("set aside without being accepted: %s", aside)
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	a = again(t, s.a, func(c *Config) { c.Join, c.AcceptRecovery = []string{b.cfg.ClusterAddr}, r.Recovery })
	await(t, "the survivor has what came later", func() bool { return a.machine.View().DN("1002") != nil })
	await(t, "both hear each other", func() bool {
		return a.heard(b) && b.heard(a)
	})
	if !a.keeps() || a.hasProblem("recovery-not-accepted") || a.lineage() != b.lineage() {
		t.Errorf("%s beside %s", a.lineage(), b.lineage())
	}
	if aside, _ := filepath.Glob(filepath.Join(a.cfg.DataDir, "*.set-aside-*")); len(aside) != 2 {
		t.Errorf("set aside: %s", aside)
	}
	written(t, func() error { // both vote, or one of them is enough
		_, err := configpb.NewConfigurationClient(a.adminBy(t, s.admin)).Write(t.Context(), &configpb.WriteRequest{Mutations: []*configpb.Mutation{phoneDN("1003")}})
		return err
	})
}

// Two survivors that were both recovered are two clusters of one name: neither takes
// anything from the other, until one of them accepts the other's recovery.
func TestRecover_TwoRecoveredNeverMerge(t *testing.T) {
	s := stopped(t)
	a, ra := recovered(t, s.a)
	b, rb := recovered(t, s.b)
	if ra.Recovery == rb.Recovery {
		t.Fatalf("both are recovery %s", ra.Recovery)
	}
	for _, x := range [][2]*member{{a, b}, {b, a}} {
		await(t, "who is asked says that it is of another recovery", func() bool {
			return errors.Is(askLineage(t.Context(), x[0].port.Dialer, x[1].cfg.ClusterAddr, x[0].lineage()), consensus.ErrOtherRecovery)
		})
	}
	await(t, "the link is refused", func() bool { return b.log.has("this node is of cluster " + a.lineage()) })
	for _, x := range [][2]*member{{a, b}, {b, a}} {
		await(t, x[0].cfg.Name+" says whom it does not hear, and why", func() bool {
			return slices.ContainsFunc(x[0].problems.List(), func(p problem.Problem) bool {
				return p.Code == "another-recovery" && p.Subject == x[1].cfg.Name && strings.Contains(p.Text, ra.Recovery) && strings.Contains(p.Text, rb.Recovery)
			})
		})
	}
	s.puts(t, a, "2001")
	s.puts(t, b, "2002")
	if a.machine.View().DN("2002") != nil || b.machine.View().DN("2001") != nil || a.heard(b) || b.heard(a) {
		t.Fatal("they have merged")
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b = again(t, b, func(c *Config) { c.Join, c.AcceptRecovery = []string{a.cfg.ClusterAddr}, ra.Recovery })
	await(t, "the one that gave way has the other's configuration", func() bool { return b.machine.View().DN("2001") != nil })
	if b.machine.View().DN("2002") != nil || !b.keeps() {
		t.Error("it kept a configuration of its own, or lost its phones")
	}
}

// Who was recovered although the others lived comes back to them, and wipes nobody.
func TestRecover_AMinorityByMistake(t *testing.T) {
	all := threeSecured(t)
	c := all[2]
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	s := &survivors{admin: adminContext(t, all[0])}
	c, _ = recovered(t, c)
	s.puts(t, c, "3001")
	s.puts(t, all[0], "3002")
	if all[0].machine.View().DN("3001") != nil || all[1].machine.View().Recovery() != "" {
		t.Fatal("the majority took something from the recovered minority")
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	c = again(t, c, func(x *Config) { x.Join, x.AcceptRecovery = []string{all[0].cfg.ClusterAddr}, NoRecovery })
	await(t, "it has what the others have", func() bool { v := c.machine.View(); return v.DN("3002") != nil && v.DN("3001") == nil })
	hear(t, all[0], all[1], c)
	await(t, "it believes what the others say now, however much later what it knew was", func() bool {
		return c.who.Known().GetIndex() <= all[0].machine.View().Index()
	})
}

// Nothing is touched where nothing can be recovered.
func TestRecover_Refused(t *testing.T) {
	m := run(t, config(t, "n1", func(c *Config) { c.Bootstrap = true }))
	fresh := bind(t, config(t, "n2", func(c *Config) { c.Join = []string{"127.0.0.1:1"} }))
	for dir, want := range map[string]string{
		m.cfg.DataDir: "in use by another process", fresh.cfg.DataDir: "never belonged to a cluster", t.TempDir(): "is it that of a node",
	} {
		before, _ := os.ReadDir(dir)
		if _, err := Recover(dir, time.Now()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if after, _ := os.ReadDir(dir); len(after) != len(before) {
			t.Errorf("files were made or went: %v", after)
		}
	}
}

// One of the two copies of the configuration is enough, and the loss of the other is
// told.
func TestRecover_FromEitherCopy(t *testing.T) {
	for _, lost := range []string{configFile, raftDir, filepath.Join(raftDir, "raft.db")} {
		t.Run(lost, func(t *testing.T) {
			m := run(t, config(t, "n1", func(c *Config) { c.Bootstrap = true }))
			m.write(t, []*member{m}, phoneDN("1001"))
			want := m.machine.View()
			if err := m.stop(); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(m.cfg.DataDir, lost)); err != nil {
				t.Fatal(err)
			}
			b, r := recovered(t, m)
			if got := b.machine.View(); got.NumDNs() != want.NumDNs() || got.Epoch() != want.Epoch() || len(got.Nodes()) != 1 {
				t.Errorf("%d DNs, of %s; %+v", got.NumDNs(), got.Lineage(), r)
			}
			b.write(t, []*member{b}, phoneDN("1002"))
			if told := len(r.Missing) > 0; told != (lost != configFile) {
				t.Errorf("told: %q", r.Missing)
			}
		})
	}
}
