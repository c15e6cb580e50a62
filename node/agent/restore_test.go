package agent

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

func TestRegistry_AgentsComeBackAfterARestart(t *testing.T) {
	view, dir := twoNodes(t), t.TempDir()
	a := openNode(t, "a", dir, view).run(t)
	a.table.Register("1000", dn.Registered)
	a.table.Register("1001", dn.Registered)
	a.does(t, "1000", Change{Request: login, AgentID: "7"})
	was := a.does(t, "1000", Change{Request: ready, Mode: 2, Reasons: []dn.KeyValue{{Key: "z"}, {Key: "b", Value: "c"}}})
	a.does(t, "1001", Change{Request: login, AgentID: "8"})
	kept, _ := a.table.Own("1001")
	a.end(t)

	a = openNode(t, "a", dir, view)
	a.table.Restore(dn.Record{Number: "1001", ClaimTime: kept.ClaimTime, State: dn.InSrv, Reason: dn.Registered, Since: 3}) // as the SIP side does
	a.agents.Restore()
	a.run(t)
	got, _ := a.table.Own("1000")
	if !got.Agent.Equal(was.Agent) || got.State != dn.OOS || got.Reason != dn.DesktopLost || got.ClaimTime != was.Version.Claim.Time || got.Seq <= was.Version.Seq {
		t.Errorf("the desktop's DN: %+v, want agent %+v", got, was.Agent)
	}
	got, _ = a.table.Own("1001")
	if got.Agent == nil || got.Agent.ID != "8" || got.State != dn.InSrv || got.Since != 3 || got.Seq <= kept.Seq {
		t.Errorf("the phone's DN: %+v", got)
	}
	a.table.Register("1000", dn.Registered)
	if s, _ := a.table.Get("1000"); s.State != dn.InSrv || !s.Agent.Equal(was.Agent) {
		t.Errorf("after the desktop came back: %+v", s)
	}
}

// The process was killed: Close is never called. What was answered is there.
func TestRegistry_WhatWasAnsweredSurvivesTheProcess(t *testing.T) {
	view, dir := twoNodes(t), t.TempDir()
	a := openNode(t, "a", dir, view).run(t)
	a.table.Register("1000", dn.Registered)
	a.does(t, "1000", Change{Request: login, AgentID: "7"})
	copied := copyDir(t, dir)
	b := openNode(t, "a", copied, view)
	b.agents.Restore()
	if got, _ := b.table.Own("1000"); got.Agent == nil || got.Agent.ID != "7" {
		t.Errorf("restored %+v", got)
	}
}

func TestRegistry_RestoresOnlyWhatIsStillConfigured(t *testing.T) {
	dir := t.TempDir()
	a := openNode(t, "a", dir, twoNodes(t)).run(t)
	a.table.Register("1000", dn.Registered)
	a.table.Register("1001", dn.Registered)
	a.does(t, "1000", Change{Request: login, AgentID: "7"})
	a.does(t, "1001", Change{Request: login, AgentID: "8"})
	a.end(t)

	lost := openNode(t, "a", dir, fsm.Empty()) // the configuration is, not its DNs
	lost.agents.Restore()
	for _, n := range []dn.Number{"1000", "1001"} {
		if r, _ := lost.table.Own(n); r.Agent == nil {
			t.Errorf("without a configuration %s is %+v", n, r)
		}
	}
	lost.end(t)
	view := founded(t, &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15550001001"})
	a = openNode(t, "a", dir, view)
	a.agents.Restore()
	if _, ok := a.table.Own("1000"); ok {
		t.Error("a deleted DN came back")
	}
	if r, ok := a.table.Own("1001"); !ok || r.Agent.ID != "8" {
		t.Errorf("1001: %+v", r)
	}
	a.run(t)
	waitFor(t, "the deleted DN leaves the store", func() bool { return len(a.agents.store.numbers()) == 1 })
	a.end(t)
	if got := openNode(t, "a", dir, view).agents.store.restored(); len(got) != 1 || got[0].Number != "1001" {
		t.Errorf("the store has %+v", got)
	}
}

// What came along with a move is stored here, and forgotten where it was.
func TestRegistry_StoreFollowsTheDN(t *testing.T) {
	a, b := pair(t, twoNodes(t))
	a.table.Register("1000", dn.Registered)
	a.does(t, "1000", Change{Request: login, AgentID: "7"})
	waitFor(t, "b hears of the agent", func() bool { s, _ := b.table.Get("1000"); return s.Agent != nil })
	b.table.Register("1000", dn.Registered)
	waitFor(t, "b stored it", func() bool { return len(b.agents.store.numbers()) == 1 })
	waitFor(t, "a forgot it", func() bool { return len(a.agents.store.numbers()) == 0 })
	b.end(t)
	b = openNode(t, "b", b.dir, b.view)
	b.agents.Restore()
	if r, _ := b.table.Own("1000"); r.Agent == nil || r.Agent.ID != "7" {
		t.Errorf("b restored %+v", r)
	}
	a.end(t)
	if got := openNode(t, "a", a.dir, a.view).agents.store.restored(); len(got) != 0 {
		t.Errorf("a still has %+v", got)
	}
}

// Agents change and DNs move, all at once: in the end each store has what its
// node keeps, and nothing else.
func TestRegistry_StoresAgreeWithTheTables(t *testing.T) {
	a, b := pair(t, twoNodes(t))
	var wg sync.WaitGroup
	for i := range 10 {
		n := dn.Number(fmt.Sprint(1000 + i))
		a.table.Register(n, dn.Registered)
		wg.Go(func() {
			for j := range 40 {
				k := []*node{a, b}[(i+j/7)%2]
				if j%7 == 6 {
					k.table.Register(n, dn.Registered)
				}
				_, err := k.agents.SetAgent(t.Context(), n, Change{Request: []peerpb.AgentRequest{login, ready, notReady, logout}[j%4], AgentID: "7"})
				codeOf(t, err)
			}
		})
	}
	patience.Done(t, "all requests are answered", wg.Wait)
	for i := range 10 {
		n := dn.Number(fmt.Sprint(1000 + i))
		waitFor(t, "both see the same", func() bool {
			at, _ := a.table.Get(n)
			bt, _ := b.table.Get(n)
			return at.Version == bt.Version
		})
	}
	for _, k := range []*node{a, b} {
		waitFor(t, "the store agrees", func() bool { return len(k.agents.store.numbers()) == k.table.OwnedBy(k.id) })
		k.end(t)
		got := openNode(t, k.id, k.dir, k.view).agents.store.restored()
		for _, r := range got {
			if own, ok := k.table.Own(r.Number); !ok || !own.Agent.Equal(r.Agent) {
				t.Errorf("%s stored %+v, and keeps %v %+v", k.id, r, ok, own)
			}
		}
		if want := k.table.OwnedBy(k.id); len(got) != want {
			t.Errorf("%s stored %d, and keeps %d", k.id, len(got), want)
		}
	}
}

func TestRegistry_ReservationOutlivesTheProcess(t *testing.T) {
	view, dir := twoNodes(t, collectFor(1)), t.TempDir()
	a := openNode(t, "a", dir, view).run(t)
	for n, holder := range map[dn.Number]string{"1000": "r1", "1001": HolderAt("a", "its session ends with the process")} {
		a.table.Register(n, dn.Registered)
		if err := a.agents.Reserve(t.Context(), n, Reservation{Holder: holder, Duration: time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	a.end(t)
	a = openNode(t, "a", dir, view)
	a.agents.Restore()
	a.run(t)
	a.table.Register("1000", dn.Registered)
	if r, _ := a.table.Own("1001"); r.Reserved.Holder != "" {
		t.Errorf("reserved for a session of the last process: %+v", r.Reserved)
	}
	err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r2", Duration: time.Minute})
	if codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED {
		t.Errorf("a second holder after the restart: %v", err)
	}
	if r, _ := a.table.Own("1000"); r.Reserved.Holder != "r1" || r.Reserved.Left > int64(time.Minute) || r.Reserved.Left < int64(30*time.Second) {
		t.Errorf("reserved %+v", r.Reserved)
	}
}
