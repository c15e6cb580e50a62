package registrar

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// inFlight1001 is a REGISTER of 1001 that was admitted and authenticated.
func inFlight1001() *Request {
	return &Request{CallID: []byte("c"), CSeq: 1, Expires: 600, Source: netip.MustParseAddrPort("127.0.0.1:5999"),
		contacts: []contact{{uri: []byte("sip:1001@127.0.0.1:5999"), expires: -1}}}
}

// withdrawals of the DN 1001: it is deleted, disabled, or no phone's any more.
func withdrawals() map[string]*configpb.Mutation {
	off := &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("0", 32), Disabled: true}
	pstn := &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+4930123"}
	return map[string]*configpb.Mutation{
		"deleted":  {Op: &configpb.Mutation_DeleteDn{DeleteDn: "1001"}},
		"disabled": {Op: &configpb.Mutation_PutDn{PutDn: off}},
		"pstn":     {Op: &configpb.Mutation_PutDn{PutDn: pstn}},
	}
}

// TestRegistrar_AWithdrawnDNLosesItsPhones.
func TestRegistrar_AWithdrawnDNLosesItsPhones(t *testing.T) {
	for name, withdraw := range withdrawals() {
		t.Run(name, func(t *testing.T) {
			w := newDesk(t, "1001")
			w.run()
			if a := w.update(w.machine.View(), inFlight1001()); a.Code != 200 {
				t.Fatalf("%d %s", a.Code, a.Reason)
			}
			w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{withdraw}})
			patience.Until(t, "1001 to be out of service and without phones", func() bool {
				e := w.store.Get("1001")
				return (e == nil || len(e.Bindings) == 0) && w.state("1001").State != dn.InSrv && w.registrar.cfg.Stats.Bindings.Load() == 0
			})
		})
	}
}

// TestRegistrar_ADNThatIsBackHasNobodysPhones: one that was withdrawn and is there again may
// be somebody else's, however fast that went; who registers behind that stays.
func TestRegistrar_ADNThatIsBackHasNobodysPhones(t *testing.T) {
	back := &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("1", 32)}}}
	for name, withdraw := range withdrawals() {
		for _, starting := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, starting: %v", name, starting), func(t *testing.T) {
				w := newDesk(t, "1001", "1002", "1003")
				for _, n := range []dn.Number{"1001", "1002", "1003"} {
					w.binds(n, time.Hour)
				}
				if w.registrar.Restore(); !starting {
					w.run()
				}
				w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{withdraw, back}})
				if starting { // as a node that was down meanwhile
					w.run()
				}
				has := func(n dn.Number) bool { e := w.store.Get(n); return e != nil && len(e.Bindings) > 0 }
				patience.Until(t, "1001 to be out of service and without phones", func() bool { return !has("1001") && w.state("1001").State != dn.InSrv })
				w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{withdraw, back}})
				if a := w.update(w.machine.View(), inFlight1001()); a.Code != 200 {
					t.Fatalf("%d %s", a.Code, a.Reason)
				}
				for _, n := range []dn.Number{"1002", "1003"} { // when these are gone all of before was looked at
					w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_DeleteDn{DeleteDn: string(n)}}}})
					patience.Until(t, "the next change", func() bool { return !has(n) })
				}
				if !has("1001") || w.state("1001").State != dn.InSrv {
					t.Error("who registered behind that is gone")
				}
			})
		}
	}
}

// TestRegistrar_EndBeforeLeavesWhoCameBehind, however late it comes, unless the claim can not
// say when that was.
func TestRegistrar_EndBeforeLeavesWhoCameBehind(t *testing.T) {
	w := newDesk(t, "1001")
	at := time.Now().UnixNano()
	w.update(w.machine.View(), inFlight1001())
	if w.registrar.endBefore("1001", fsm.Withdrawal{At: at}); w.state("1001").State != dn.InSrv {
		t.Error("who came behind that is gone")
	}
	if w.registrar.endBefore("1001", fsm.Withdrawal{At: time.Now().UnixNano() + 1}); w.state("1001").State == dn.InSrv {
		t.Error("who came before is there still")
	}
	ahead := inFlight1001()
	ahead.CSeq = 2
	w.update(w.machine.View(), ahead)
	w.registrar.cfg.Now = func() time.Time { return time.Unix(0, at) } // it was set back
	if w.registrar.endBefore("1001", fsm.Withdrawal{At: at}); w.state("1001").State == dn.InSrv {
		t.Error("who came before the clock was set back is there still")
	}
}

// TestRegistrar_ADNThatWasDeletedKeepsNothing, as who is logged in there.
func TestRegistrar_ADNThatWasDeletedKeepsNothing(t *testing.T) {
	back := &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("1", 32)}}}
	for name, withdraw := range withdrawals() {
		w := newDesk(t, "1001")
		w.binds("1001", time.Hour)
		w.registrar.Restore()
		w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{withdraw, back, withdraw, back}})
		w.run()
		patience.Until(t, "1001 to be without phones", func() bool { e := w.store.Get("1001"); return e == nil || len(e.Bindings) == 0 })
		patience.Until(t, name, func() bool {
			_, known := w.table.Own("1001")
			return known == (name != "deleted") && (w.store.Get("1001") != nil) == known
		})
	}
}

// TestRegistrar_WhereASnapshotHidesItWhoHasAnotherPasswordIsSomebodyElse.
func TestRegistrar_WhereASnapshotHidesItWhoHasAnotherPasswordIsSomebodyElse(t *testing.T) {
	w, ahead := newDesk(t, "1001", "1002", "1003", "1005", "1006"), newDesk(t, "1001", "1002", "1003", "1004", "1005", "1006")
	for _, n := range []dn.Number{"1001", "1002", "1003", "1004"} { // of 1004 its configuration does not know
		w.binds(n, time.Hour)
	}
	w.registrar.Restore()
	w.registrar.start.unserved = nil // as when that begins anew
	w.run()
	for _, n := range []dn.Number{"1005", "1006"} { // which a peer has taken
		w.binds(n, time.Hour)
		w.registrar.aside.put(superseded{w.store.Get(n), time.Now().Add(asideFor)})
		w.store.Delete(n)
	}
	for _, n := range []string{"1001", "1002", "1005", "1006"} {
		again := &configpb.DN{Number: n, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat(map[string]string{"1001": "1", "1002": "0", "1005": "1", "1006": "0"}[n], 32)}
		ahead.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{
			{Op: &configpb.Mutation_DeleteDn{DeleteDn: n}}, {Op: &configpb.Mutation_PutDn{PutDn: again}}}})
	}
	ahead.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_DeleteDn{DeleteDn: "1003"}}}})
	var snapshot bytes.Buffer
	if _, err := ahead.machine.View().WriteTo(&snapshot); err != nil {
		t.Fatal(err)
	}
	if err := w.machine.Restore(io.NopCloser(&snapshot)); err != nil {
		t.Fatal(err)
	}
	has := func(n dn.Number) bool { e := w.store.Get(n); return e != nil && len(e.Bindings) > 0 }
	patience.Until(t, "1001 and 1003 to be without phones", func() bool {
		return !has("1001") && !has("1003") && w.state("1001").State != dn.InSrv && w.state("1003").State != dn.InSrv
	})
	if _, known := w.table.Own("1001"); known {
		t.Error("1001 keeps something of before, as who is logged in there")
	}
	patience.Until(t, "1005, which a peer has taken, to be forgotten as well", func() bool {
		return slices.Equal(w.registrar.aside.numbers(), []dn.Number{"1006"})
	})
	for _, n := range []dn.Number{"1002", "1004"} {
		if !has(n) || w.state(n).State != dn.InSrv {
			t.Errorf("%s has the password of before, or none before, and is gone", n)
		}
	}
	if a := w.update(w.machine.View(), inFlight1001()); a.Code != 200 || !has("1001") {
		t.Errorf("%d %s", a.Code, a.Reason)
	}
}

// TestRestore_ADNWithdrawnSinceLosesItsPhones: while its node was down, or while that starts.
func TestRestore_ADNWithdrawnSinceLosesItsPhones(t *testing.T) {
	for name, withdraw := range withdrawals() {
		for _, starting := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, starting: %v", name, starting), func(t *testing.T) {
				w := newDesk(t, "1001", "1002")
				w.binds("1001", time.Hour)
				w.binds("1002", time.Hour)
				w.table = dn.New(dn.Config{Self: "n1", Incarnation: 2})
				w.registrar.cfg.Table = w.table
				w.registrar.cfg.Stats = &answer.Counters{}
				if starting {
					w.registrar.Restore()
				}
				w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{withdraw}})
				if !starting {
					w.registrar.Restore()
				}
				w.run()
				patience.Until(t, "1001 to be out of service and without phones", func() bool {
					e := w.store.Get("1001")
					return (e == nil || len(e.Bindings) == 0) && w.state("1001").State != dn.InSrv
				})
				if st := w.state("1002"); st.State != dn.InSrv || w.registrar.cfg.Stats.Bindings.Load() != 1 {
					t.Errorf("the other one: %+v", st)
				}
			})
		}
	}
}

// TestRegistrar_ADNWithdrawnMeanwhileIsNotRegistered: that happens between the
// check of a REGISTER and its commit.
func TestRegistrar_ADNWithdrawnMeanwhileIsNotRegistered(t *testing.T) {
	for name, withdraw := range withdrawals() {
		t.Run(name, func(t *testing.T) {
			w := newDesk(t, "1001")
			before := w.machine.View()
			w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{withdraw}})
			if a := w.update(before, inFlight1001()); a.Code != 403 {
				t.Errorf("%d %s", a.Code, a.Reason)
			}
			if _, ok := w.table.Own("1001"); ok || w.store.Get("1001") != nil {
				t.Error("it is registered")
			}
		})
	}
}

// TestRegistrar_ADrainOvertakesARegister: the node begins to drain between the
// check of a REGISTER and its commit.
func TestRegistrar_ADrainOvertakesARegister(t *testing.T) {
	w := newDesk(t, "1001")
	if a := w.update(w.machine.View(), inFlight1001()); a.Code != 200 {
		t.Fatalf("%d %s", a.Code, a.Reason)
	}
	held, _ := w.table.Own("1001")
	w.draining.Store(true)
	next := inFlight1001()
	next.CSeq = 2
	a := w.update(w.machine.View(), next)
	if a.Code != 503 || !strings.HasPrefix(string(a.Lines), "Retry-After: ") {
		t.Errorf("a refresh: %d %s %s", a.Code, a.Reason, a.Lines)
	}
	if own, _ := w.table.Own("1001"); own != held {
		t.Errorf("%+v, before %+v", own, held)
	}
	next.CSeq, next.Expires = 3, 0
	if a = w.update(w.machine.View(), next); a.Code != 200 {
		t.Errorf("an un-REGISTER: %d %s", a.Code, a.Reason)
	}
}

// TestRegistrar_ABindingStoredBehindTheDeadlineIsOutOfService stores one behind the
// end of all others, as a REGISTER that was past all checks would.
func TestRegistrar_ABindingStoredBehindTheDeadlineIsOutOfService(t *testing.T) {
	w := newDesk(t, "1001", "1002")
	if a := w.update(w.machine.View(), inFlight1001()); a.Code != 200 {
		t.Fatalf("%d %s", a.Code, a.Reason)
	}
	w.draining.Store(true)
	w.drained.Store(true)
	w.run()
	patience.Until(t, "OOS at the deadline", func() bool { return w.state("1001").Reason == dn.Admin })
	dec := decision{claim: true, changed: true, bindings: []location.Binding{{Contact: "sip:x@y", CallID: "c", CSeq: 1, Expires: time.Now().Add(time.Hour)}}}
	mu := w.registrar.lock("1002")
	w.registrar.commit(inFlight1001(), "1002", &location.Entry{}, &dec, time.Now())
	mu.Unlock()
	patience.Until(t, "the late one OOS too", func() bool { return w.state("1002").Reason == dn.Admin })
	if st := w.registrar.cfg.Stats.Snapshot(); st.Bindings != 2 {
		t.Errorf("%+v: what a phone believes to have is kept", st)
	}
}

// TestRegistrar_AConnectionThatEndedMeanwhileCarriesNothing: it is gone when its
// REGISTER is stored.
func TestRegistrar_AConnectionThatEndedMeanwhileCarriesNothing(t *testing.T) {
	w := newDesk(t, "1001")
	w.registrar.cfg.Flows = wire.NewFlows(1)
	if a := w.update(w.machine.View(), inFlight1001()); a.Code != 200 {
		t.Fatalf("%d %s", a.Code, a.Reason)
	}
	late := inFlight1001()
	late.CallID, late.Transport, late.contacts[0].uri = []byte("d"), location.TCP, []byte("sip:1001@127.0.0.1:5998")
	w.update(w.machine.View(), late)
	if e := w.store.Get("1001"); e == nil || len(e.Bindings) != 1 || e.Bindings[0].CallID != "c" || w.state("1001").State != dn.InSrv {
		t.Errorf("%+v, %+v: want the binding by UDP alone", e, w.state("1001"))
	}
	gone := inFlight1001()
	gone.CSeq, gone.Expires = 2, 0
	w.update(w.machine.View(), gone)
	late.CSeq = 2
	w.update(w.machine.View(), late)
	if st := w.state("1001"); st.State != dn.OOS || st.Reason != dn.Expired {
		t.Errorf("%+v", st)
	}
}
