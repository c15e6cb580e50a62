package node

import (
	"errors"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// TestHeld_ConnectionsToPeersEnd: of a node that moved, of one that left or was
// lost, of one that cannot be dialled, and all with the node.
func TestHeld_ConnectionsToPeersEnd(t *testing.T) {
	leftover.Check(t)
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(t.TempDir(), "config.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	epoch := "e"
	apply := func(ms ...*configpb.Mutation) {
		if r := m.ApplyCommand(&peerpb.Command{Version: fsm.Version, NewEpoch: epoch, Mutations: ms}); r.Err != nil {
			t.Fatal(r.Err)
		}
		epoch = ""
	}
	put := func(id, addr string) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: id, Name: id, ClusterAddr: addr}}}
	}
	apply(put("a", "10.0.0.1:7002"), put("b", "10.0.0.2:7002"), put("c", "nowhere:1"))
	var dialled []*grpc.ClientConn
	p := newPeers(m.View, func(id string) string { return m.View().Node(id).GetClusterAddr() }, func(_, addr string) (*grpc.ClientConn, error) {
		if addr == "nowhere:1" {
			return nil, errors.New("no address")
		}
		c, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		dialled = append(dialled, c)
		return c, err
	})
	expect := func(held int, asked ...dn.Node) {
		t.Helper()
		for _, id := range asked {
			_, err := p.conn(id)
			if fails := id == "c" || id == "d"; (err != nil) != fails {
				t.Errorf("%s: %v", id, err)
			}
		}
		open := 0
		for _, c := range dialled {
			if c.GetState() != connectivity.Shutdown {
				open++
			}
		}
		if len(p.conns) != held || open != held {
			t.Errorf("%d connections are held, %d open, want %d", len(p.conns), open, held)
		}
	}
	expect(2, "a", "b", "a", "b", "c", "d")
	apply(put("a", "10.0.0.9:7002"))
	expect(2, "a", "b")
	if to := p.conns["a"].conn.Target(); to != "passthrough:///10.0.0.9:7002" || len(dialled) != 3 {
		t.Errorf("a, which moved, is dialled at %s; %d connections were made", to, len(dialled))
	}
	apply(&configpb.Mutation{Op: &configpb.Mutation_DeleteNode{DeleteNode: "b"}})
	expect(1, "a")
	p.lost("a")
	p.lost("b")
	expect(0)
	expect(1, "a") // anew
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if _, err := p.conn("a"); err == nil || dialled[len(dialled)-1].GetState() != connectivity.Shutdown {
		t.Errorf("after the end: %v", err)
	}
}
