package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

func TestUnanswered_WhatBecomesOfWhom(t *testing.T) {
	const notReady, coolDown, none = configpb.NoAnswerAction_NO_ANSWER_ACTION_NOT_READY, configpb.NoAnswerAction_NO_ANSWER_ACTION_COOL_DOWN, configpb.NoAnswerAction_NO_ANSWER_ACTION_NONE
	ready, busyDesk := &dn.Agent{ID: "7", State: dn.Ready, Since: 1}, &dn.Agent{ID: "7", State: dn.NotReady, Since: 1}
	absent := &dn.Agent{ID: "7", State: dn.NotReady, Reasons: noAnswerReason, Since: 9}
	for what, c := range map[string]struct {
		has    *dn.Agent
		asked  string
		action configpb.NoAnswerAction
		agent  *dn.Agent
		cools  bool
	}{
		"a ready agent":                 {ready, "7", notReady, absent, false},
		"a ready agent, to be left":     {ready, "7", none, ready, false},
		"a ready agent, to cool down":   {ready, "7", coolDown, ready, true},
		"who has gone by himself":       {busyDesk, "7", notReady, busyDesk, false},
		"who came meanwhile":            {ready, "8", notReady, ready, false},
		"nobody now, somebody was":      {nil, "7", notReady, nil, false},
		"nobody":                        {nil, "", notReady, nil, true},
		"nobody, to be left":            {nil, "", none, nil, false},
		"somebody, of whom no one knew": {ready, "", notReady, absent, false},
	} {
		r := dn.Record{Number: "1", Agent: c.has}
		changed := unanswered(&r, c.asked, configpb.Rules{NoAnswer: c.action, CoolDown: time.Minute}, 9)
		if !r.Agent.Equal(c.agent) || (r.CoolLeft == int64(time.Minute)) != c.cools || changed != (c.cools || !r.Agent.Equal(c.has)) {
			t.Errorf("%s: %+v, cools down for %d, changed %v", what, r.Agent, r.CoolLeft, changed)
		}
	}
}

// A DN of another node that did not answer is left alone by every node, until the time is
// over or somebody logs in there; what was said outlives the keeper's process.
func TestUnanswered_EveryNodeLeavesItAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		view := twoNodes(t, &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Policy: &configpb.Policy{CoolDownS: proto.Uint32(3)}}}})
		a, b := pair(t, view)
		b.table.Register("1000", dn.Registered)
		a.sees(t, "1000", "b")
		tails := map[*node]*dn.Stream{a: a.table.Tail(), b: b.table.Tail()}
		if err := a.agents.Unanswered(t.Context(), "1000", ""); err != nil {
			t.Fatal(err)
		}
		for k := range tails {
			waitFor(t, "the cool-down is known", func() bool { s, _ := k.table.Get("1000"); return !s.Routable(false) })
		}
		for k, tail := range tails {
			ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
			for over := false; !over; {
				items, err := tail.Next(ctx, nil)
				if err != nil {
					t.Fatalf("nobody was told of the end at %s", k.id)
				}
				over = items[len(items)-1].Status.Routable(false)
			}
			cancel()
		}
	})
}

// Do not disturb and the cool-down come back with the keeper.
func TestRestore_WhatKeepsCallsAwayComesBack(t *testing.T) {
	dir, view := t.TempDir(), twoNodes(t)
	k := openNode(t, "a", dir, view).run(t)
	for _, n := range []dn.Number{"1000", "1001", "1002", "1003"} {
		k.table.Register(n, dn.Registered)
	}
	k.does(t, "1000", Change{Request: peerpb.AgentRequest_AGENT_REQUEST_DND_ON})
	k.does(t, "1000", Change{Request: peerpb.AgentRequest_AGENT_REQUEST_DND_ON}) // again
	k.does(t, "1001", Change{Request: peerpb.AgentRequest_AGENT_REQUEST_NO_ANSWER})
	k.does(t, "1002", Change{Request: peerpb.AgentRequest_AGENT_REQUEST_DND_ON})
	k.does(t, "1003", Change{Request: peerpb.AgentRequest_AGENT_REQUEST_DND_ON})
	k.does(t, "1002", Change{Request: peerpb.AgentRequest_AGENT_REQUEST_DND_OFF})
	k.stop()
	if err := k.agents.Close(); err != nil {
		t.Fatal(err)
	}
	again := openNode(t, "a", dir, view)
	for _, n := range []dn.Number{"1000", "1001"} { // as its phones come back, but for one
		r, _ := k.table.Own(n)
		again.table.Restore(dn.Record{Number: n, ClaimTime: r.ClaimTime, Seq: r.Seq, State: dn.InSrv, Reason: dn.Registered, Since: r.Since})
	}
	again.agents.Restore()
	again.run(t)
	for n, want := range map[dn.Number][2]bool{"1000": {true, false}, "1001": {false, true}, "1002": {}, "1003": {true, false}} {
		again.table.Register(n, dn.Registered)
		s, _ := again.table.Get(n)
		if got := [2]bool{s.DoNotDisturb, s.CoolUntil != 0}; got != want || s.Routable(false) != (want == [2]bool{}) {
			t.Errorf("%s: do not disturb and cool-down %v, want %v; %+v", n, got, want, s)
		}
	}
}

// The wrap-up ends by itself at the keeper, after a restart too, and before that when the
// agent says so.
func TestWrapUp_EndsByItselfOrByTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, view := t.TempDir(), twoNodes(t)
		k := openNode(t, "a", dir, view).run(t)
		for _, n := range []dn.Number{"1000", "1001"} {
			k.table.Register(n, dn.Registered)
			k.does(t, n, Change{Request: peerpb.AgentRequest_AGENT_REQUEST_LOGIN, AgentID: "7" + string(n)})
			k.does(t, n, Change{Request: peerpb.AgentRequest_AGENT_REQUEST_READY})
			k.table.WrapUp(n, time.Now().UnixNano(), 2*time.Second)
		}
		k.does(t, "1001", Change{Request: peerpb.AgentRequest_AGENT_REQUEST_READY})
		waitFor(t, "the wrap-up is stored", func() bool {
			k.agents.store.mu.Lock()
			defer k.agents.store.mu.Unlock()
			return !k.agents.store.words["1000"].ends.IsZero() && len(k.agents.store.dirty) == 0
		})
		if s, _ := k.table.Get("1001"); s.Agent.State != dn.Ready || s.AgentUntil != 0 {
			t.Errorf("ended by the agent: %+v until %d", s.Agent, s.AgentUntil)
		}
		k.stop()
		if err := k.agents.Close(); err != nil {
			t.Fatal(err)
		}
		again := openNode(t, "a", dir, view)
		again.agents.Restore()
		again.run(t)
		again.table.Register("1000", dn.Registered)
		if s, _ := again.table.Get("1000"); s.Agent.Mode != dn.AfterCallWork {
			t.Errorf("after the restart: %+v", s.Agent)
		}
		waitFor(t, "the end of the wrap-up", func() bool {
			s, _ := again.table.Get("1000")
			return s.Agent.State == dn.Ready && s.AgentUntil == 0
		})
	})
}
