package routing

import (
	"context"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// office is a node with everything real but the network: node n1 at dc1, whose
// peer is n2 at dc2.
type office struct {
	t       testing.TB
	machine *fsm.Machine
	table   *dn.Table
	traffic *call.Table
	peer    *dn.Copy
	agents  *agent.Registry
	// dial reaches the peer; nil: it can't be reached.
	dial func() grpc.ClientConnInterface
}

func newOffice(t testing.TB) *office {
	t.Helper()
	leftover.Check(t)
	o := &office{t: t}
	dir := t.TempDir()
	var err error
	if o.machine, err = fsm.Open(fsm.Config{Path: filepath.Join(dir, "config.db")}); err != nil {
		t.Fatal(err)
	}
	o.command(&peerpb.Command{Version: 1, NewEpoch: "e1"})
	o.write(
		&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Realm: "example.org"}}},
		nodeOf("a", "n1", "dc1"), nodeOf("b", "n2", "dc2"),
		&configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "sales"}}},
		pstnDN("2001"), pstnDN("2002", "sales"), sipDN("1001"),
		&configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT}}},
	)
	o.traffic = call.New(call.Config{Self: "a", Incarnation: 1, History: 64})
	takes := func(n dn.Number) int { return o.machine.View().DN(string(n)).TakesCalls() }
	o.table = dn.New(dn.Config{
		Self: "a", Incarnation: 1, Uses: o.traffic.Uses, Takes: takes,
		Configured: func(n dn.Number) (dn.Class, []string) {
			return dn.Served, o.machine.View().DN(string(n)).GetGroups()
		},
		Level: func(n dn.Number, group string) uint32 { return o.machine.View().DN(string(n)).GetSkills()[group] },
		Busy:  func(n dn.Number) bool { return int(o.traffic.Uses(n).Calls) >= takes(n) },
		At: func(n dn.Number, holder string) bool {
			id, is := agent.CallOf(holder)
			return is && o.traffic.At(n, call.ID(id))
		},
	})
	agents, err := agent.Open(agent.Config{Table: o.table, View: o.machine.View, Dir: filepath.Join(dir, "agents"),
		Dial: func(dn.Node) (grpc.ClientConnInterface, error) {
			if o.dial == nil {
				return nil, io.ErrClosedPipe
			}
			return o.dial(), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	o.agents = agents
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = agents.Run(ctx) })
	running.Go(func() {
		for changed, err := o.traffic.UsesChanged(ctx); err == nil; changed, err = o.traffic.UsesChanged(ctx) {
			o.table.Touch(changed)
		}
	})
	t.Cleanup(func() {
		cancel()
		patience.Done(t, "the end of agents", running.Wait)
		if err := agents.Close(); err != nil {
			t.Error(err)
		}
		leftover.None(t, patience.Limit, leftover.But(agents, "reservations", "reservations_wanted"),
			leftover.But(o.traffic, "calls_own", "calls_known", "calls_up"), leftover.But(o.table, "dn_drops_untold"))
		if err := o.machine.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func nodeOf(id, name, where string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: id, Name: name, Site: where, ClusterAddr: id + ":7002"}}}
}

func putDN(d *configpb.DN) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}}
}

func pstnDN(number string, groups ...string) *configpb.Mutation {
	return putDN(&configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567", Groups: groups})
}

func sipDN(number string) *configpb.Mutation {
	return putDN(&configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: "0123456789abcdef0123456789abcdef"})
}

// member is a sip DN of the group sales.
func member(number string) *configpb.Mutation {
	d := sipDN(number)
	d.GetPutDn().Groups = []string{"sales"}
	return d
}

func (o *office) write(m ...*configpb.Mutation) {
	o.t.Helper()
	o.command(&peerpb.Command{Version: 1, Mutations: m})
	for _, x := range m {
		if d := x.GetPutDn(); d != nil && o.table != nil {
			o.table.Touch(map[dn.Number]struct{}{dn.Number(d.GetNumber()): {}})
		}
	}
}

func (o *office) command(c *peerpb.Command) {
	o.t.Helper()
	if r := o.machine.ApplyCommand(c); r.Err != nil {
		o.t.Fatal(r.Err)
	}
}

// says makes the peer n2 say something of its DNs.
func (o *office) says(records ...dn.Record) {
	o.t.Helper()
	if o.peer == nil {
		c, err := o.table.Sync("b", 1, false)
		if err != nil {
			o.t.Fatal(err)
		}
		if err := c.Synced(1); err != nil || !o.table.SetHeard("b", true) {
			o.t.Fatal("n2 is not heard", err)
		}
		o.peer = c
	}
	if bad, err := o.peer.Apply(records, 2); bad > 0 || err != nil {
		o.t.Fatal(bad, err)
	}
}

// lease is a peer's registration that beats every one of this node.
func lease(n dn.Number) dn.Record {
	return dn.Record{Number: n, ClaimTime: time.Now().Add(time.Hour).UnixNano(), State: dn.InSrv, Reason: dn.Registered, Since: time.Now().UnixNano()}
}

// await polls until the condition holds.
func (o *office) await(what string, cond func() bool) {
	o.t.Helper()
	patience.Until(o.t, what, cond)
}
