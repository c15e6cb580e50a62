package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// joins tries to join and returns what became of it.
func joins(t *testing.T, to *member, name, file string, patience time.Duration) error {
	t.Helper()
	n, err := New(t.Context(), config(t, name, func(c *Config) {
		secured(c)
		c.Join, c.InviteFile, c.JoinTimeout = []string{to.cfg.ClusterAddr}, file, patience
	}))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*soon) // one that is let in would run on
	defer cancel()
	return n.Run(ctx)
}

func invitesCountOnce(t *testing.T, all []*member) {
	a, b := all[0], all[1]
	used := a.invited(t, a, "", time.Hour)
	line, err := os.ReadFile(used)
	if err != nil {
		t.Fatal(err)
	}
	i, err := identity.ParseInvite(string(line))
	if err != nil {
		t.Fatal(err)
	}
	file := func(i identity.Invite) string {
		path := filepath.Join(t.TempDir(), "invite")
		if err := os.WriteFile(path, []byte(i.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	otherSecret, otherCA := i, i
	otherSecret.Secret = make([]byte, 32)
	otherCA.Authority[0]++
	wide := file(i)
	if err := os.Chmod(wide, 0o640); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ node, file, says string }{
		"no invite":                 {"n7", "", "--invite-file"},
		"for another node":          {"n7", a.invited(t, a, "n8", time.Hour), "is for node n8"},
		"another secret":            {"n7", file(otherSecret), "not known"},
		"of another cluster":        {"n7", file(otherCA), "not a node of the cluster that the invite is from"},
		"a name that is taken":      {"n2", a.invited(t, a, "n2", time.Hour), "called n2"},
		"a file that others read":   {"n7", wide, "chmod 600"},
		"what is no invite at all":  {"n7", filepath.Join(a.cfg.DataDir, adminFile), "not an invite"},
		"an invite that is expired": {"n7", expired(t, a), "expired"},
	} {
		join := func(wait time.Duration) error { return joins(t, b, c.node, c.file, wait) }
		var err error
		if name == "of another cluster" { // who joins asks again
			err = givesUp(c.says, join)
		} else { // what a member says ends it at once
			err = join(soon)
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
	conn, err := a.dialEntrance(t.Context(), b.cfg.ClusterAddr, a.who.Learning(b.id.ID))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := peerpb.NewEntranceClient(conn).Enter(t.Context(), &peerpb.EnterRequest{Invite: strings.Repeat("i", 99)}); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "invite has 99 bytes") {
		t.Errorf("a long invite: %v", err)
	}
	before := a.machine.View().Index()
	for range 20 {
		if _, err := peerpb.NewEntranceClient(conn).Enter(t.Context(), &peerpb.EnterRequest{Node: &configpb.Node{Id: "x", Name: "x"}, Invite: "abcdefgh0123"}); status.Code(err) != codes.PermissionDenied {
			t.Errorf("without an invite: %v", err)
		}
	}
	if grown := a.machine.View().Index() - before; grown >= 20 { // nodes write of their own, too
		t.Errorf("a stranger made %d entries of the log", grown)
	}
	if got := len(a.machine.View().Nodes()); got != 3 {
		t.Fatalf("%d nodes are on the roster", got)
	}
	guest := run(a.home, config(a.home, "n9", func(c *Config) { secured(c); c.Join, c.InviteFile = []string{b.cfg.ClusterAddr}, used }))
	if err := joins(t, b, "n7", used, soon); err == nil || !strings.Contains(err.Error(), "used") {
		t.Errorf("used twice: %v", err)
	}
	a.removes(t, a, "n9")
	if err := guest.wait(); !errors.Is(err, ErrRemoved) {
		t.Errorf("the guest: %v", err)
	}
}

// givesUp is why a join failed that asks again until its time is over, with as much of
// it as a busy machine needs to ask at all.
func givesUp(says string, join func(wait time.Duration) error) (err error) {
	for wait := 500 * time.Millisecond; wait < soon; wait *= 4 {
		if err = join(wait); err == nil || strings.Contains(err.Error(), says) {
			break
		}
	}
	return err
}

// A node without a key at a cluster that asks for one, and the other way round.
func otherWay(t *testing.T, all []*member) {
	home := all[0].home
	plain := run(home, config(home, "p1", func(c *Config) { c.Bootstrap, c.ClusterKey = true, nil }))
	for _, c := range []struct {
		to    *member
		guest func(*Config)
		says  string
	}{
		{all[0], func(c *Config) { c.ClusterKey = nil }, "without --insecure"},
		{plain, func(c *Config) { secured(c); c.InviteFile = all[0].invited(t, all[0], "n7", time.Hour) }, "with --insecure too"},
	} {
		err := givesUp(c.says, func(wait time.Duration) error {
			n, err := New(t.Context(), config(t, "n7", func(o *Config) {
				c.guest(o)
				o.Join, o.JoinTimeout = []string{c.to.cfg.ClusterAddr}, wait
			}))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*soon)
			defer cancel()
			return n.Run(ctx)
		})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v; want %q", err, c.says)
		}
	}
	if err := plain.stop(); err != nil {
		t.Error(err)
	}
	plain.stop = func() error { return nil }
}

// expired is an invite whose time is over.
func expired(t *testing.T, a *member) string {
	t.Helper()
	file := a.invited(t, a, "n7", time.Second)
	line, _ := os.ReadFile(file)
	i, err := identity.ParseInvite(string(line))
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the invite's end", func() bool {
		return uint64(time.Now().UnixMilli()) > a.machine.View().Invite(i.ID).GetExpiresMs()
	})
	return file
}

func (m *member) removes(t *testing.T, first *member, name string) {
	t.Helper()
	removes(t, tcpb.NewClusterClient(m.admin(t, first)), name)
}

func removes(t *testing.T, client tcpb.ClusterClient, name string) {
	t.Helper()
	written(t, func() error {
		_, err := client.RemoveNode(t.Context(), &tcpb.RemoveNodeRequest{Name: name})
		if status.Code(err) == codes.NotFound {
			return nil // by the time before, of which no answer came
		}
		return err
	})
}
