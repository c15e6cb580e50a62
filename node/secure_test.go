package node

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/membership"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// secured is the config of a node that asks everybody who he is.
func secured(c *Config) { c.Insecure, c.ClusterKey = false, nil }

// admin are the requests of an administrator at a member of the cluster of which the
// first member's data directory has the context.
func (m *member) admin(t *testing.T, first *member) *grpc.ClientConn {
	t.Helper()
	return m.adminBy(t, adminContext(t, first))
}

// adminContext is the administrator's context as soon as it knows the present authorities,
// which a node writes a moment after it has them.
func adminContext(t *testing.T, first *member) (c credential.Context) {
	t.Helper()
	await(t, "the administrator's context", func() bool {
		b, err := credential.ReadSecret(filepath.Join(first.cfg.DataDir, adminFile))
		if err == nil {
			c, err = credential.ParseContext(b)
		}
		if err != nil {
			t.Fatal(err)
		}
		known := first.machine.View().Security().GetAuthorities()
		return len(c.Authorities) == len(known) && !slices.ContainsFunc(known, func(a *configpb.Authority) bool {
			return !slices.Contains(c.Authorities, identity.Fingerprint(a.GetCertificate()))
		})
	})
	return c
}

func (m *member) adminBy(t *testing.T, c credential.Context) *grpc.ClientConn {
	t.Helper()
	settings, err := c.TLS()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+m.cfg.TCAddr, credential.DialOptions(settings, c.Token)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// invited makes an invite and keeps it in a file.
func (m *member) invited(t *testing.T, first *member, name string, life time.Duration) (file string) {
	t.Helper()
	client, r := configpb.NewAccessClient(m.admin(t, first)), (*configpb.CreateInviteResponse)(nil)
	written(t, func() (err error) {
		r, err = client.CreateInvite(t.Context(), &configpb.CreateInviteRequest{NodeName: name, LifetimeS: uint64(life.Seconds())})
		return err
	})
	file = filepath.Join(t.TempDir(), "invite")
	if err := os.WriteFile(file, []byte(r.GetLine()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// written repeats a write while there is no quorum: all nodes stand still when the
// machine does.
func written(t *testing.T, write func() error) {
	t.Helper()
	var err error
	await(t, "a quorum", func() bool {
		err = write()
		return status.Code(err) != codes.Unavailable
	})
	if err != nil {
		t.Fatal(err)
	}
}

// hear waits until each hears all the others.
func hear(t *testing.T, all ...*member) {
	t.Helper()
	for _, m := range all {
		await(t, m.cfg.Name+" hears the others", func() bool {
			peers := m.mesh.Status()
			return len(peers) == len(all)-1 && !slices.ContainsFunc(peers, func(p tcontroller.PeerStatus) bool {
				alive, known := m.gossip.Alive(membership.NodeID(p.ID))
				return !p.Heard || !known || !alive
			})
		})
	}
}

// threeSecured is a whole cluster whose nodes have keys.
func threeSecured(t *testing.T) []*member {
	t.Helper()
	a := run(t, config(t, "n1", func(c *Config) { secured(c); c.Bootstrap = true }))
	all := []*member{a}
	for _, name := range []string{"n2", "n3"} {
		file := a.invited(t, a, name, time.Hour)
		all = append(all, run(t, config(t, name, func(c *Config) { secured(c); c.Join, c.InviteFile = []string{a.cfg.ClusterAddr}, file })))
	}
	hear(t, all...)
	vote(t, all...)
	return all
}

// One cluster whose nodes have keys of their own, through the doors that others use.
func TestSecured(t *testing.T) {
	all := threeSecured(t)
	for _, s := range []struct {
		name string
		test func(t *testing.T, all []*member)
	}{
		{"an invite lets one node in, once, and nobody else", invitesCountOnce},
		{"whoever has another node's files is not that node", filesOfAnother},
		{"who joins in the other way is told which word to change", otherWay},
		{"a node puts its own entry of the roster and nothing else", ownEntryOnly},
		{"every method at a port for clients has a row", everyMethodHasARow},
		{"calls go between nodes by streams under their keys", callsAcross},
		{"a revoked token ends at every node", revokedEverywhere},
		{"a client certificate is taken as a token is", byCertificate},
		{"metrics are for who comes over loopback or has a token", httpSecured},
		{"what gossip says in the name of a node loses nobody", gossipLies},
		{"both rings change, and nobody is lost", ringsChange},
		{"the authority changes, and nobody is lost", authorityChanges},
		{"a node's key changes, and nobody is lost", keyChanges},
		{"a node that was away through everything finds its way back by its key", wayBack},
		{"a node is distrusted here, at once", distrustedHere},
		{"every method at every port is refused to who may not call it", everyMethodRefused},
		{"a removed node's connections end, and it ends too", removedEnds},
	} {
		if !t.Run(s.name, func(t *testing.T) { s.test(t, all) }) {
			return
		}
	}
}
