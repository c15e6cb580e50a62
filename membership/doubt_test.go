package membership

import (
	"testing"
	"testing/synctest"
	"time"
)

// Who heard nothing of a node on other ways knows at once whether it is dead: long before
// gossip finds out, which may then be slow and cheap.
func TestGossip_ADoubtedNodeThatDoesNotAnswerIsDead(t *testing.T) {
	a, b := start(t, "a", 1, nil), start(t, "b", 1, nil)
	meet(a, b)
	await(t, "they meet", func() bool { return a.sees("b").Alive && b.sees("a").Alive })
	lives := false
	for range 5 { // a busy machine's node may answer too late
		a.Doubt("b")
		await(t, "it is asked", func() bool { return !a.asks("b") })
		if lives = a.sees("b").Alive; lives {
			break
		}
		await(t, "it is back", func() bool { return a.sees("b").Alive })
	}
	if !lives {
		t.Fatal("it answered, and is dead")
	}
	for range 5 { // on a busy machine memberlist may be the first
		b.cut.Store(true)
		a.Doubt("b")
		await(t, "it is dead", func() bool { return !a.sees("b").Alive })
		asked := len(a.absent()) == 0
		b.cut.Store(false)
		await(t, "it is back, although nobody doubts it", func() bool { return a.sees("b").Alive })
		if asked {
			return
		}
	}
	t.Error("memberlist was first each time")
}

// asks tells whether a node is being asked; it waits until a doubt was taken up.
func (m *testMember) asks(id NodeID) bool {
	if len(m.doubts) > 0 {
		return true
	}
	m.Gossip.mu.Lock()
	defer m.Gossip.mu.Unlock()
	return m.asking[id]
}

// What a node that was asked did counts, but for a time after this process stood still.
func TestGossip_WhatADoubtFinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGossip(Config{ID: "a"})
		opinion := func(m *member, stalledFor time.Duration, answers ...bool) bool {
			m.ID = "b"
			g.members["b"], g.stalled = m, time.Now().Add(-stalledFor)
			for _, a := range answers {
				g.asked(m, a)
			}
			if m.silent == m.Alive && m.listed {
				t.Errorf("%+v", m)
			}
			return m.Alive
		}
		alive := func() *member { return &member{Member: Member{Alive: true}, listed: true} }
		if opinion(alive(), stallDoubt, false) || !opinion(alive(), stallDoubt, true) || !opinion(alive(), stallDoubt, false, true) {
			t.Error("it is not what it was found to be")
		}
		if !opinion(alive(), stallDoubt-1, false) {
			t.Error("this process stood still, and the other one is dead")
		}
		if opinion(&member{}, stallDoubt, true) {
			t.Error("it answers under its name, but is no member")
		}
	})
}
