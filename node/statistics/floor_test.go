package statistics

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// floor is a node's tables: node n1 at dc1, whose peer is n2 at dc2.
type floor struct {
	t       testing.TB
	machine *fsm.Machine
	table   *dn.Table
	calls   *call.Table
	peer    *dn.Copy
	said    uint64
	fold    *Fold
	// later is how much the table's clock is before ours, ns.
	later atomic.Int64
	// sticks is a DN that is busy whatever the calls say; nil for none.
	sticks atomic.Pointer[dn.Number]
}

func newFloor(t testing.TB) *floor { return newFloorOf(t, 64) }

func newFloorOf(t testing.TB, history int) *floor {
	t.Helper()
	leftover.Check(t)
	f := &floor{t: t}
	var err error
	if f.machine, err = fsm.Open(fsm.Config{Path: filepath.Join(t.TempDir(), "config.db")}); err != nil {
		t.Fatal(err)
	}
	f.command(&peerpb.Command{Version: 1, NewEpoch: "e1"})
	f.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Realm: "example.org"}}},
		node("a", "n1", "dc1"), node("b", "n2", "dc2"),
		group("sales", false), group("desk", true))
	f.calls = call.New(call.Config{Self: "a", Incarnation: 1, History: history})
	f.table = dn.New(dn.Config{Self: "a", Incarnation: 1, Busy: f.busy, History: history, Now: func() time.Time { return time.Now().Add(time.Duration(f.later.Load())) }})
	if f.peer, err = f.table.Sync("b", 1, false); err != nil {
		t.Fatal(err)
	}
	if err := f.peer.Synced(1); err != nil || !f.table.SetHeard("b", true) {
		t.Fatal("n2 is not heard", err)
	}
	f.said = 1
	f.fold = New(Config{Table: f.table, Calls: f.calls, Machine: f.machine})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = f.fold.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		patience.Receive(t, "the end of the fold", done)
		if err := f.machine.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func node(id, name, site string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: id, Name: name, Site: site, ClusterAddr: id + ":7002"}}}
}

func group(name string, login bool) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: name, LoginRequired: login}}}
}

func phone(n string, groups ...string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: n, Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567", Groups: groups}}}
}

func (f *floor) write(m ...*configpb.Mutation) {
	f.t.Helper()
	f.command(&peerpb.Command{Version: 1, Mutations: m})
}

func (f *floor) command(c *peerpb.Command) {
	f.t.Helper()
	if r := f.machine.ApplyCommand(c); r.Err != nil {
		f.t.Fatal(r.Err)
	}
}

// says has the peer say something.
func (f *floor) says(r dn.Record) {
	f.t.Helper()
	f.said++
	if bad, err := f.peer.Apply([]dn.Record{r}, f.said); bad > 0 || err != nil {
		f.t.Fatal(bad, err)
	}
}

// uses tells the table which DNs became busy or free, as a node does.
func (f *floor) uses(numbers ...dn.Number) {
	of := map[dn.Number]struct{}{}
	for _, n := range numbers {
		of[n] = struct{}{}
	}
	f.table.Touch(of)
}

func (f *floor) busy(n dn.Number) bool {
	sticks := f.sticks.Load()
	return f.calls.Busy(n) || sticks != nil && *sticks == n
}

func all(string) bool { return true }

func (f *floor) rows() []Row {
	f.t.Helper()
	rows, _, err := f.fold.Rows(f.t.Context(), all)
	if err != nil {
		f.t.Fatal(err)
	}
	return rows
}

// afresh is what a fold says that sees everything for the first time.
func (f *floor) afresh() []Row {
	g := New(f.fold.cfg)
	g.lookAtAll()
	for _, c := range f.calls.Up() {
		g.lookAtCall(c.ID)
	}
	return g.sums.rows(all)
}

func byKey(rows []Row) map[key]Row {
	m := map[key]Row{}
	for _, r := range rows {
		m[key{r.Group, r.Site}] = r
	}
	return m
}
