package registrar

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// anew makes 1001 somebody else's.
var anew = &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("1", 32)}}}

func (w *desk) has(n dn.Number) bool { e := w.store.Get(n); return e != nil && len(e.Bindings) > 0 }

// flushes runs the registrar until the test ends, and tells when it flushes what has 1001
// no more.
func (w *desk) flushes() <-chan struct{} {
	flushed, ended := make(chan struct{}, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- w.registrar.Run(ctx, func() {
			if !w.has("1001") {
				select {
				case flushed <- struct{}{}:
				default:
				}
			}
		})
	}()
	w.t.Cleanup(func() { cancel(); _ = patience.Receive(w.t, "the end of Run", ended) })
	return flushed
}

// TestRegistrar_WhatMovedIsDurablyGone: killed right behind the move the node does not bring
// the phone of before back, though the one that has the DN is lost.
func TestRegistrar_WhatMovedIsDurablyGone(t *testing.T) {
	w := newDesk(t, "1001")
	w.binds("1001", time.Hour)
	flushed := w.flushes()
	link, err := w.table.Sync("n2", 1, false)
	if err == nil {
		err = link.Synced(1)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := link.Apply([]dn.Record{{Number: "1001", ClaimTime: time.Now().Add(time.Hour).UnixNano(), State: dn.InSrv, Reason: dn.Registered}}, 2); err != nil {
		t.Fatal(err)
	}
	_ = patience.Receive(t, "a flush without 1001", flushed)
}

// TestRegistrar_AWithdrawnDNIsDurablyWithoutPhones: the process may be killed right behind
// the change, and the next one reads only that the DN is there.
func TestRegistrar_AWithdrawnDNIsDurablyWithoutPhones(t *testing.T) {
	for name, withdraw := range withdrawals() {
		t.Run(name, func(t *testing.T) {
			w := newDesk(t, "1001")
			w.binds("1001", time.Hour)
			flushed := w.flushes()
			w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{withdraw, anew}})
			_ = patience.Receive(t, "a flush without 1001", flushed)
		})
	}
}

// TestRestore_ADNThatIsBackBeforeRunHasNobodysPhones: it was withdrawn in the configuration
// that the start read, and came back by the log before anybody looked.
func TestRestore_ADNThatIsBackBeforeRunHasNobodysPhones(t *testing.T) {
	for name, withdraw := range withdrawals() {
		t.Run(name, func(t *testing.T) {
			w := newDesk(t, "1001", "1002")
			w.binds("1001", time.Hour)
			w.binds("1002", time.Hour)
			w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{withdraw}})
			w.registrar.Restore()
			w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{anew}})
			w.run()
			patience.Until(t, "1001 to be out of service and without phones", func() bool { return !w.has("1001") && w.state("1001").State != dn.InSrv })
			if !w.has("1002") {
				t.Error("1002 was never withdrawn and is gone")
			}
			if _, known := w.table.Own("1001"); known != (name != "deleted") {
				t.Errorf("known: %v", known)
			}
		})
	}
}

// TestRestore_WhatAPartialConfigurationLacksIsNotWithdrawn: it was lost or damaged, and what
// came later comes by the log, withdrawals of long ago too. When all is there it counts.
func TestRestore_WhatAPartialConfigurationLacksIsNotWithdrawn(t *testing.T) {
	w := newDesk(t) // without DNs
	for _, n := range []dn.Number{"1001", "1002", "1003"} {
		w.binds(n, time.Hour)
	}
	var behind atomic.Bool
	behind.Store(true)
	w.registrar.cfg.Behind, w.registrar.cfg.Partial = behind.Load, func() bool { return true }
	w.registrar.Restore()
	w.run()
	sip := func(n string) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: n, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("1", 32)}}}
	}
	for _, m := range []*configpb.Mutation{sip("1001"), {Op: &configpb.Mutation_DeleteDn{DeleteDn: "1001"}}, sip("1001"), sip("1002")} {
		w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{m}})
	}
	behind.Store(false)
	patience.Until(t, "1003, which there is not, to be without phones", func() bool { return !w.has("1003") })
	for _, n := range []dn.Number{"1001", "1002"} {
		if !w.has(n) || w.state(n).State != dn.InSrv {
			t.Errorf("%s is gone", n)
		}
	}
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_DeleteDn{DeleteDn: "1001"}}, anew}})
	patience.Until(t, "1001 to be without phones", func() bool { return !w.has("1001") })
	if !w.has("1002") {
		t.Error("1002 is gone")
	}
}
