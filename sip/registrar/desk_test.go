package registrar

import (
	"context"
	"hash/maphash"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/location"
)

// desk is a registrar with everything real around it but the wire.
type desk struct {
	t         *testing.T
	machine   *fsm.Machine
	index     uint64
	table     *dn.Table
	store     *location.Store
	draining  atomic.Bool
	drained   atomic.Bool
	registrar *Registrar
}

// newDesk knows the DNs as phones.
func newDesk(t *testing.T, numbers ...string) *desk {
	t.Helper()
	return newDeskAt(t, "n1", numbers...)
}

// newDeskAt is at another node.
func newDeskAt(t *testing.T, self dn.Node, numbers ...string) *desk {
	t.Helper()
	w := &desk{t: t, table: dn.New(dn.Config{Self: self, Incarnation: 1})}
	dir := t.TempDir()
	var err error
	if w.machine, err = fsm.Open(fsm.Config{Path: filepath.Join(dir, "config.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.machine.Close() })
	if w.store, err = location.Open(location.Config{Dir: filepath.Join(dir, "location"), Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	w.apply(&peerpb.Command{Version: 1, NewEpoch: "e1", Level: fsm.Program().Known})
	var all []*configpb.Mutation
	for _, n := range numbers {
		d := &configpb.DN{Number: n, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("0", 32)}
		all = append(all, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
	}
	w.apply(&peerpb.Command{Version: 1, Mutations: all})
	w.registrar = New(Config{Machine: w.machine, Table: w.table, Store: w.store, Stats: &answer.Counters{},
		Draining: w.draining.Load, Drained: w.drained.Load, Now: time.Now, TagSeed: maphash.MakeSeed(), Log: slog.New(slog.DiscardHandler)})
	return w
}

func (w *desk) apply(c *peerpb.Command) {
	w.t.Helper()
	data, err := proto.Marshal(c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.index++
	if res := w.machine.Apply(&raft.Log{Index: w.index, Type: raft.LogCommand, Data: data}).(fsm.Result); res.Err != nil {
		w.t.Fatal(res.Err)
	}
}

// run keeps the registrar until the test ends.
func (w *desk) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.registrar.Run(ctx, func() {}) }()
	w.t.Cleanup(func() {
		cancel()
		_ = patience.Receive(w.t, "the end of run", done)
	})
}

// update serves a REGISTER of 1001 that was admitted under the configuration v.
func (w *desk) update(v *fsm.View, r *Request) *answer.Answer {
	a := &answer.Answer{}
	w.registrar.update(r, v, v.DN("1001"), a)
	return a
}

func (w *desk) state(n dn.Number) dn.Status {
	st, _ := w.table.Get(n)
	return st
}
