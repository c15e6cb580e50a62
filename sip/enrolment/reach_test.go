package enrolment

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// TestChosen_OfThoseThatDoNotPass: in any order, and of all when each passes.
func TestChosen_OfThoseThatDoNotPass(t *testing.T) {
	nodes := []dn.Node{"a", "b", "c", "d"}
	turned := slices.Clone(nodes)
	slices.Reverse(turned)
	for _, n := range []dn.Number{"gw1", "gw2", "gw3", "gw4", "gw5", "gw6", "gw7"} {
		for set := range 1 << len(nodes) {
			passes := func(x dn.Node) bool { return set>>slices.Index(nodes, x)&1 == 1 }
			left := slices.DeleteFunc(slices.Clone(nodes), passes)
			if len(left) == 0 {
				left = nodes
			}
			want := Chosen(n, left, nobody)
			if one, other := Chosen(n, nodes, passes), Chosen(n, turned, passes); one != want || other != want {
				t.Errorf("%s, passes %04b: %s, in another order %s, want %s", n, set, one, other, want)
			}
		}
	}
}

func TestReach_WhatComesAndGoesMovesNothing(t *testing.T) {
	began := time.Now()
	var r reach
	for _, step := range []struct {
		at        time.Duration
		addresses int
		passes    bool
	}{
		{0, 2, false},
		{time.Second, 0, false},
		{10 * time.Second, 0, false},
		{11 * time.Second, 0, true}, // for passAfter
		{12 * time.Second, 1, true},
		{60 * time.Second, 0, true}, // not for backAfter
		{61 * time.Second, 1, true},
		{120 * time.Second, 1, true},
		{121 * time.Second, 1, false},
		{122 * time.Second, 0, false},
		{123 * time.Second, 1, false},
		{133 * time.Second, 0, false},
	} {
		at := r.seen(step.addresses, began.Add(step.at))
		if r.passes() != step.passes || !at.IsZero() && !at.After(began.Add(step.at)) {
			t.Errorf("at %v: passes %v, again at %v", step.at, r.passes(), at.Sub(began))
		}
	}
}

func TestReach_WhoseREGISTERsAreLost(t *testing.T) {
	var r reach
	r.seen(4, time.Now())
	for i := range 4 {
		if r.passes() {
			t.Errorf("passes after %d", i)
		}
		r.answered(Answer{})
	}
	if !r.passes() {
		t.Error("each address was tried, and it goes on")
	}
	if r.answered(Answer{Code: 403}); r.passes() {
		t.Error("somebody is there")
	}
}

// TestKeeper_WhoDoesNotReachTheCarrierPassesItsTurnOn, and has it again when it does for a
// while; the carrier has a contact all the time then. Where nobody reaches it, or on each side
// of a cut, it is as if all did.
func TestKeeper_WhoDoesNotReachTheCarrierPassesItsTurnOn(t *testing.T) {
	for _, asked := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) { passOn(t, asked) })
	}
}

// passOn: asked tells whether the carrier is asked by OPTIONS; otherwise a REGISTER alone
// tells that it is out of reach.
func passOn(t *testing.T, asked bool) {
	r := &registrar{answer: accepts}
	names := []dn.Node{"a", "b", "c"}
	x := newNodes(t, r, names...)
	// a round of three REGISTERs takes less, with the waits between
	const noticed = 2 * time.Minute
	x.trunk(&configpb.TrunkRegistration{ExpiresS: 60})
	one := Chosen("gw", names, nobody)
	two := Chosen("gw", names, func(n dn.Node) bool { return n == one })
	lost := x.far
	if !asked {
		lost = x.mute
	}
	has := func(what string, want ...dn.Node) {
		t.Helper()
		var contacts []string
		for _, n := range want {
			contacts = append(contacts, contactOf(n))
		}
		slices.Sort(contacts)
		if got := r.has(); !slices.Equal(got, contacts) {
			t.Errorf("asked %v, %s: registered are %v, want %v", asked, what, got, contacts)
		}
	}
	passes(firstWait)
	has("at first", one)
	x.change(func() { lost[one] = true })
	passes(noticed + time.Minute)
	has("out of reach", two)
	for _, n := range names {
		if s, _ := x.keepers[n].Status("gw"); s.Node != two || n == one && s.Error == "" {
			t.Errorf("asked %v: %s says %+v", asked, n, s)
		}
	}
	before := len(r.since(0))
	passes(10 * time.Minute)
	for _, q := range r.since(before) {
		if q.Contact != contactOf(two) || q.Expires == 0 {
			t.Errorf("asked %v: meanwhile %+v", asked, q)
		}
	}
	x.change(func() { lost[one] = false })
	for range 6 * 60 * 5 {
		if passes(200 * time.Millisecond); len(r.has()) == 0 {
			t.Fatalf("asked %v: nobody is registered when the turn goes back", asked)
		}
	}
	has("in reach again", one)
	x.change(func() { lost[one], x.cut[one] = true, true })
	passes(noticed + time.Minute)
	has("cut off from all", two)
	x.change(func() { lost[one] = false })
	passes(6 * time.Minute)
	has("alone on its side", one, two)
	x.change(func() { x.cut[one] = false })
	passes(time.Second)
	has("healed", one)
	x.change(func() {
		for _, n := range names {
			lost[n] = true
		}
	})
	passes(10 * time.Minute)
	has("out of everybody's reach")
	x.change(func() {
		for _, n := range names {
			lost[n] = false
		}
	})
	passes(lastWait + time.Second)
	has("the carrier is back", one)
	passes(10 * time.Minute)
	has("it stays", one)
}
