package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// Shorthands for the states.
const (
	inSrv = tcpb.DNState_DN_STATE_IN_SRV
	oos   = tcpb.DNState_DN_STATE_OOS
)

// seen is what a test expects of a DN at a node.
type seen struct {
	state tcpb.DNState
	owner string // node name; "" is nobody
}

func (s seen) String() string {
	if s.state == inSrv {
		return fmt.Sprintf("InSrv at %s", s.owner)
	}
	return fmt.Sprintf("OOS, owner %q", s.owner)
}

func inServiceAt(n *cluster.Node) seen { return seen{inSrv, n.Name()} }
func lostWith(n *cluster.Node) seen    { return seen{oos, n.Name()} }

// nobody has the DN: it was never registered, or that ended.
var nobody = seen{oos, ""}

// expectSeen waits until every given node sees the DNs so.
func expectSeen(t *testing.T, within time.Duration, want seen, phones []phone, at ...*cluster.Node) {
	t.Helper()
	eventually(t, within, fmt.Sprintf("%d DNs are %v", len(phones), want), func(ctx context.Context) error {
		for _, n := range at {
			for _, p := range phones {
				if err := sees(ctx, n, p.dn, want); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// expectNow is expectSeen without waiting.
func expectNow(t *testing.T, want seen, phones []phone, at ...*cluster.Node) {
	t.Helper()
	for _, n := range at {
		for _, p := range phones {
			if err := sees(t.Context(), n, p.dn, want); err != nil {
				t.Error(err)
			}
		}
	}
}

func sees(ctx context.Context, n *cluster.Node, dn string, want seen) error {
	got, err := n.Availability().GetDN(ctx, &tcpb.GetDNStatusRequest{Dn: dn})
	if err != nil {
		return fmt.Errorf("%s: DN %s: %w", n.Name(), dn, err)
	}
	if is := (seen{got.GetState(), got.GetOwner()}); is != want {
		return fmt.Errorf("%s sees DN %s as %v (%v), want %v", n.Name(), dn, is, got.GetReason(), want)
	}
	return nil
}

// table is a node's whole table but for trunks: each node says for itself which it reaches.
func table(ctx context.Context, n *cluster.Node) (map[string]seen, error) {
	all := map[string]seen{}
	req := &tcpb.ListDNsRequest{}
	for {
		page, err := n.Availability().ListDNs(ctx, req)
		if err != nil {
			return nil, err
		}
		for _, d := range page.GetDns() {
			if d.GetKind() != configpb.DNKind_DN_KIND_TRUNK {
				all[d.GetDn()] = seen{d.GetState(), d.GetOwner()}
			}
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return all, nil
		}
	}
}

// expectEqualTables waits until all the nodes have the same table.
func expectEqualTables(t *testing.T, within time.Duration, nodes ...*cluster.Node) {
	t.Helper()
	eventually(t, within, "all tables are equal", func(ctx context.Context) error {
		first, err := table(ctx, nodes[0])
		if err != nil {
			return err
		}
		for _, n := range nodes[1:] {
			other, err := table(ctx, n)
			if err != nil {
				return err
			}
			if !maps.Equal(first, other) {
				return fmt.Errorf("%s and %s differ in %v", nodes[0].Name(), n.Name(), difference(first, other))
			}
		}
		return nil
	})
}

func difference(a, b map[string]seen) []string {
	var out []string
	for dn, s := range a {
		if b[dn] != s {
			out = append(out, fmt.Sprintf("%s: %v / %v", dn, s, b[dn]))
		}
	}
	for dn, s := range b {
		if _, both := a[dn]; !both {
			out = append(out, fmt.Sprintf("%s: none / %v", dn, s))
		}
	}
	slices.Sort(out)
	return out[:min(len(out), 5)]
}
