package tcontroller

import (
	"fmt"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/internal/wake"
)

func TestVerdict(t *testing.T) {
	const ms = time.Millisecond
	timeout := 800 * ms
	for name, tc := range map[string]struct {
		e      evidence
		heard  bool
		reason string
		after  time.Duration
	}{
		"a peer is not heard before its table came over":              {evidence{up: true}, false, "", 0},
		"nor while gossip alone knows it":                             {evidence{}, false, "", 0},
		"then it is":                                                  {evidence{up: true, synced: true}, true, "", 3500 * time.Millisecond},
		"and stays so while a snapshot comes again":                   {evidence{heard: true, up: true}, true, "", 3500 * time.Millisecond},
		"a goodbye counts at once":                                    {evidence{heard: true, up: true, synced: true, bye: true}, false, "left", 0},
		"so does a closed port behind a broken link":                  {evidence{heard: true, refused: true}, false, "process died", 0},
		"a refusal from before says nothing about a link that stands": {evidence{heard: true, up: true, synced: true, refused: true}, true, "", 3500 * time.Millisecond},
		"two witnesses make a cut":                                    {evidence{heard: true, gossipDead: true, down: ms}, false, "cut", 0},
		"a broken link alone waits for the redial":                    {evidence{heard: true, silence: 500 * ms, down: 10 * ms}, true, "", 300 * ms},
		"a link that broke late has time to come back":                {evidence{heard: true, silence: 790 * ms, down: 100 * ms}, true, "", 150 * ms},
		"and counts as cut when it did not":                           {evidence{heard: true, silence: 850 * ms, down: 260 * ms}, false, "link cut", 0},
		"gossip alone is overruled by a fresh link":                   {evidence{heard: true, up: true, synced: true, gossipDead: true, silence: 100 * ms}, true, "", 2900 * ms},
		"but not by one that hangs":                                   {evidence{heard: true, up: true, synced: true, gossipDead: true, silence: 3 * time.Second}, false, "hung", 0},
		"gossip that takes its time does not save one that hangs":     {evidence{heard: true, up: true, synced: true, silence: 3500 * time.Millisecond}, false, "hung", 0},
		"nor brings it back":                                          {evidence{up: true, synced: true, silence: 3500 * time.Millisecond}, false, "", 0},
		"a hung peer does not come back by standing still":            {evidence{up: true, synced: true, gossipDead: true, silence: 4 * time.Second}, false, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			tc.e.linkTimeout = timeout
			heard, reason, after := tc.e.verdict()
			if heard != tc.heard || reason != tc.reason || after != tc.after {
				t.Errorf("got %v %q %v, want %v %q %v", heard, reason, after, tc.heard, tc.reason, tc.after)
			}
		})
	}
}

// The calls of a process that is no more are over; those of one that was only cut off go on.
func TestVerdict_WhoseCallsAreOver(t *testing.T) {
	for name, tc := range map[string]struct {
		e    evidence
		died bool
	}{
		"it said goodbye":                         {evidence{up: true, synced: true, bye: true}, true},
		"and its machine is off, so none refuses": {evidence{bye: true, gossipDead: true, down: time.Hour}, true},
		"its port is closed":                      {evidence{refused: true}, true},
		"it was refused before this link":         {evidence{up: true, synced: true, refused: true}, false},
		"it is cut off":                           {evidence{gossipDead: true, down: time.Hour, silence: time.Hour}, false},
		"it hangs":                                {evidence{up: true, synced: true, gossipDead: true, silence: time.Hour}, false},
	} {
		if died := tc.e.died(); died != tc.died {
			t.Errorf("%s: died is %v", name, died)
		}
	}
}

// Time never turns a loss back, and never takes a peer that talks.
func TestVerdict_TimeAloneOnlyLoses(t *testing.T) {
	for bits := range 1 << 6 {
		for silence := time.Duration(0); silence < 4*time.Second; silence += 50 * time.Millisecond {
			e := evidence{
				up: bits&1 != 0, synced: bits&2 != 0, refused: bits&4 != 0, bye: bits&8 != 0, gossipDead: bits&16 != 0,
				heard: bits&32 != 0, silence: silence, down: silence, linkTimeout: time.Second,
			}
			heard, reason, after := e.verdict()
			if heard && e.bye {
				t.Fatalf("%+v: heard after goodbye", e)
			}
			if heard != e.heard && !heard && reason == "" {
				t.Fatalf("%+v: lost without a reason", e)
			}
			if !heard && e.heard && e.up && !e.bye && silence < hungAfter {
				t.Fatalf("%+v: lost on a link that stands", e)
			}
			if after > 0 {
				e.silence, e.down = e.silence+after, e.down+after
				if h, _, again := e.verdict(); h && again > 0 {
					t.Fatalf("%+v: asked to look again after %v, and then again", e, after)
				}
			}
		}
	}
}

// A peer that hung and talks again is judged again, also when gossip says nothing.
func TestFollower_JudgesWhatEndsASilence(t *testing.T) {
	f := &follower{judge: wake.New()}
	f.link.lastFrame = time.Now().Add(-hungAfter)
	f.frame()
	if len(f.judge) != 1 {
		t.Fatal("nobody judges the peer that talks again")
	}
	patience.Receive(t, "the call to judge the peer", f.judge)
	if f.frame(); len(f.judge) != 0 {
		t.Error("every frame is judged")
	}
}

// Each time that gossip is wrong about a peer whose link is fresh, it is told so,
// and an operator sees how often that was.
func TestVerdict_GossipIsOverruledEachTime(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	b.follow(t, a)
	await(t, "the peer", func() bool { return b.table.Heard("a") })
	for n := uint64(1); n <= 3; n++ {
		b.mesh.Gossip("a", false, 1, "")
		await(t, fmt.Sprint("veto ", n), func() bool { return b.mesh.Status()[0].Vetoes == n })
		b.mesh.Gossip("a", true, 1, "")
	}
	if s := b.mesh.Status()[0]; !s.Heard || s.Losses != 0 {
		t.Errorf("%+v", s)
	}
}
