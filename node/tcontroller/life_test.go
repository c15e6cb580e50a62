package tcontroller

import (
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// A link that does not come to anything is opened anew, in time, and its peer is
// not heard.
func TestFollower_EndsALinkThatIsNone(t *testing.T) {
	events := &peerpb.FollowResponse{Body: &peerpb.FollowResponse_CallEvents{CallEvents: &peerpb.CallEvents{}}}
	for name, tc := range map[string]struct {
		says  []*peerpb.FollowResponse
		after time.Duration
	}{
		"without a hello":              {nil, helloTimeout},
		"with another word first":      {[]*peerpb.FollowResponse{records(0)}, 0},
		"with calls first":             {[]*peerpb.FollowResponse{callsHello(false), hello("a", 7, false)}, 0},
		"of another node":              {[]*peerpb.FollowResponse{hello("c", 7, false)}, 0},
		"of calls without their hello": {[]*peerpb.FollowResponse{hello("a", 7, false), events}, 0},
		"whose table stands still":     {[]*peerpb.FollowResponse{hello("a", 7, false), records(0)}, hungAfter},
	} {
		t.Run(name, func(t *testing.T) {
			withPeer(t, standard, func(t *testing.T, s *scripted) {
				l := s.link()
				if tc.says == nil {
					l.hush(true)
				}
				for _, m := range tc.says {
					l.says(m)
				}
				within(t, "opened again", s.link().opened.Sub(l.opened), tc.after, tc.after+2*backoffMax)
				if p := s.peer(); p.Heard || p.Reason != "connecting" || p.Losses != 0 {
					t.Errorf("%v, lost %d times", p, p.Losses)
				}
			})
		})
	}
}

// What a follower says of itself and of where it was, at first and after a break.
func TestFollower_SaysWhereItWas(t *testing.T) {
	withPeer(t, standard, func(t *testing.T, s *scripted) {
		l := s.heard()
		if h := l.hello; h.GetClusterId() != "c1" || h.GetFollower() != "b" || h.GetPublisher() != "a" || h.GetResumeIncarnation() != 0 || h.GetResumeSeq() != 0 || h.GetResumeCallSeq() != 0 {
			t.Errorf("it says %v", h)
		}
		l.says(records(8, dn.Record{Number: "2", ClaimTime: time.Now().UnixNano(), State: dn.InSrv, Reason: dn.Registered, Since: 1}))
		synctest.Wait()
		broke := time.Now()
		l.over <- status.Error(codes.Unavailable, "broken")
		l = s.link()
		within(t, "dialled again", l.opened.Sub(broke), 0, 0)
		if h := l.hello; h.GetResumeIncarnation() != 7 || h.GetResumeSeq() != 8 || h.GetResumeCallIncarnation() != 7 || h.GetResumeCallSeq() != 6 {
			t.Errorf("it says %v", h)
		}
		l.says(hello("a", 7, true))
		l.says(synced(8))
		passes(time.Second)
		if p := s.peer(); !p.Heard || p.Losses != 0 || s.table.Counts().InSrv != 2 {
			t.Errorf("%v, lost %d times, %d in service", p, p.Losses, s.table.Counts().InSrv)
		}
	})
}

func TestFollower_PingsAllTheTime(t *testing.T) {
	withPeer(t, standard, func(t *testing.T, s *scripted) {
		l := s.heard()
		passes(10*time.Second + pingEvery/2)
		pings := l.pinged()
		if len(pings) != 101 {
			t.Errorf("%d pings in 10 s", len(pings))
		}
		for i := range pings[1:] {
			mono, wall := pings[i+1].GetSentMono()-pings[i].GetSentMono(), pings[i+1].GetSentWall()-pings[i].GetSentWall()
			if mono != int64(pingEvery) || wall != int64(pingEvery) {
				t.Fatalf("ping %d comes %v and by the wall clock %v behind the one before", i+1, time.Duration(mono), time.Duration(wall))
			}
		}
	})
}

// The pings of all links come at one time, and where both nodes ping each other one in four is
// answered: the others are a sign of life.
func TestFollower_PingsThatNeedNoAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		signs bool // the peer pings, too
		trip  time.Duration
		quiet bool
	}{
		"near":                    {true, 0, true},
		"far":                     {true, gossipReach + ms, false},
		"near, and does not ping": {false, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			withPeer(t, standard, func(t *testing.T, s *scripted) {
				passes(37 * ms) // the link opens at any time
				l := s.heard()
				l.away(c.trip)
				for range 100 {
					if c.signs {
						s.mesh.Pinged("a", 5)
					}
					passes(pingEvery)
				}
				quiet, pings := 0, l.pinged()
				for i, p := range pings {
					if p.GetQuiet() {
						quiet++
					}
					if i > 0 && p.GetSentWall()%int64(pingEvery) != 0 {
						t.Fatalf("ping %d comes %v off the beat", i, time.Duration(p.GetSentWall()%int64(pingEvery)))
					}
				}
				if want := map[bool]int{true: len(pings)*3/4 - 4}[c.quiet]; quiet < want || quiet > want+2 || quiet > 0 != c.quiet {
					t.Errorf("%d of %d pings need no answer, want %d", quiet, len(pings), want)
				}
			})
		})
	}
}

// A peer's pings on its own link are a sign of life as long as something gets to it.
func TestMesh_ThePeersOwnPingsCount(t *testing.T) {
	withPeer(t, standard, func(t *testing.T, s *scripted) {
		l := s.heard()
		l.hush(true)
		for range 100 {
			passes(pingEvery)
			s.mesh.Pinged("a", 0)
		}
		if p := s.peer(); !p.Heard || p.Losses > 0 {
			t.Fatalf("the peer pings: %v", p)
		}
		s.away(errFarAway)
		l.over <- errFarAway
		began := time.Now()
		for s.peer().Heard && time.Since(began) < time.Minute {
			passes(pingEvery)
			s.mesh.Pinged("a", 0)
		}
		within(t, "lost, since nothing gets to it", time.Since(began), usual-2*pingEvery, usual+2*pingEvery)
	})
}

// Each answer to a ping says how far the peer has applied the configuration.
func TestFollower_HearsHowFarThePeerIs(t *testing.T) {
	var told atomic.Uint64
	withPeer(t, func(c *Config) {
		standard(c)
		c.Applied = func(peer dn.Node, index uint64) {
			if peer == "a" {
				told.Store(index)
			}
		}
	}, func(t *testing.T, s *scripted) {
		l := s.heard()
		l.hush(true)
		passes(time.Second)
		l.says(&peerpb.FollowResponse{Body: &peerpb.FollowResponse_Pong{Pong: &peerpb.Pong{SentMono: 1, SentWall: 1, Applied: 42}}})
		synctest.Wait()
		if told.Load() != 42 {
			t.Errorf("the peer said 42, this node hears %d", told.Load())
		}
	})
}

// An answer to a ping that was never sent measures nothing.
func TestFollower_MeasuresItsOwnPingsAlone(t *testing.T) {
	withPeer(t, standard, func(t *testing.T, s *scripted) {
		l := s.heard()
		passes(time.Second)
		l.hush(true)
		synctest.Wait()
		before := s.peer().Delay
		for _, mono := range []int64{-1, -1 << 62, 1 << 62} {
			l.says(&peerpb.FollowResponse{Body: &peerpb.FollowResponse_Pong{Pong: &peerpb.Pong{SentMono: mono, SentWall: 1}}})
			synctest.Wait()
			if got := s.peer().Delay; got != before {
				t.Errorf("a ping of %d: %+v, was %+v", mono, got, before)
			}
		}
	})
}

// Each loss of a peer has its time and its name, and ends when the peer talks.
func TestFollower_LosesAPeer(t *testing.T) {
	broken := status.Error(codes.Unavailable, "broken")
	goodbye := &peerpb.FollowResponse{Body: &peerpb.FollowResponse_Goodbye{Goodbye: &peerpb.Goodbye{}}}
	for name, tc := range map[string]struct {
		timeout     time.Duration
		happens     func(*scripted, *played)
		reason      string
		least, most time.Duration
	}{
		"that hangs": {0, func(_ *scripted, l *played) { l.hush(true) }, "hung", hungAlone - pingEvery, hungAlone},
		"that hangs, as gossip says": {0, func(s *scripted, l *played) {
			l.hush(true)
			s.mesh.Gossip("a", false, 7, "")
		}, "hung", hungAfter - pingEvery, hungAfter},
		"whose link broke": {0, func(s *scripted, l *played) {
			s.away(errFarAway)
			l.over <- broken
		}, "link cut", 750*time.Millisecond - pingEvery, 750 * time.Millisecond},
		"whose link broke, by a longer time-out": {2 * time.Second, func(s *scripted, l *played) {
			s.away(errFarAway)
			l.over <- broken
		}, "link cut", 2*time.Second - pingEvery, 2 * time.Second},
		"whose link broke, by a short time-out": {50 * time.Millisecond, func(s *scripted, l *played) {
			s.away(errFarAway)
			l.over <- broken
		}, "link cut", redialGrace, redialGrace},
		"that is cut off, as gossip says": {0, func(s *scripted, l *played) {
			s.away(errFarAway)
			s.mesh.Gossip("a", false, 7, "")
			l.over <- broken
		}, "cut", 0, 0},
		"whose process died": {0, func(s *scripted, l *played) {
			s.away(fmt.Errorf("dialling: %w", syscall.ECONNREFUSED))
			l.over <- broken
		}, "process died", 0, 0},
		"that leaves":                         {0, func(_ *scripted, l *played) { l.says(goodbye) }, "left", 0, 0},
		"that has begun anew, as gossip says": {0, func(s *scripted, _ *played) { s.mesh.Gossip("a", true, 8, "") }, "restarted", 0, pingEvery},
	} {
		t.Run(name, func(t *testing.T) {
			withPeer(t, func(c *Config) { c.LinkTimeout = tc.timeout }, func(t *testing.T, s *scripted) {
				l := s.heard()
				passes(5*time.Second + pingEvery/2)
				began := time.Now()
				tc.happens(s, l)
				synctest.Wait()
				after, reason := s.lost()
				within(t, "lost", after, tc.least, tc.most+time.Millisecond)
				p := s.peer()
				if reason != tc.reason || p.Losses != 1 || p.Since.Before(began) || p.Since.After(time.Now()) {
					t.Errorf("%v, want %s; lost %d times, last at %v", p, tc.reason, p.Losses, p.Since)
				}
				if st, _ := s.table.Get("1"); st.State != dn.OOS || st.Reason != dn.PeerLost {
					t.Errorf("its DN is %v, %v", st.State, st.Reason)
				}
				if tc.reason == "hung" { // it talks again
					l.hush(false)
					passes(2 * pingEvery)
				} else {
					s.away(nil)
					s.mesh.Gossip("a", true, 8, "")
					for len(s.links) > 1 {
						<-s.links
					}
					again := s.link()
					again.says(hello("a", 8, false))
					again.says(synced(1))
					synctest.Wait()
				}
				if p := s.peer(); !p.Heard || p.Reason != "" || p.Losses != 1 {
					t.Errorf("back: %v, lost %d times", p, p.Losses)
				}
			})
		})
	}
}

// Gossip that holds a peer dead whose link is fresh is told so, once for each word.
func TestFollower_HasGossipLookAgain(t *testing.T) {
	withPeer(t, standard, func(t *testing.T, s *scripted) {
		s.heard()
		for n := 1; n <= 2; n++ {
			s.mesh.Gossip("a", false, 7, "")
			passes(time.Second)
			s.mu.Lock()
			if fmt.Sprint(s.rejoined) != fmt.Sprint(slices.Repeat([]dn.Node{"a"}, n)) {
				t.Errorf("rejoined %v", s.rejoined)
			}
			s.mu.Unlock()
			if p := s.peer(); p.Vetoes != uint64(n) || p.GossipAlive || !p.Heard {
				t.Errorf("%v, %d vetoes, alive by gossip: %v", p, p.Vetoes, p.GossipAlive)
			}
		}
		s.mesh.Gossip("a", true, 7, "")
		if p := s.peer(); !p.GossipAlive || p.Name != "sip1" || p.ID != "a" || p.Addr != "roster:1" {
			t.Errorf("%+v", p.Peer)
		}
	})
}

// A peer is dialled where it says it is, or else where the roster says; who comes
// back, or moves, at once.
func TestFollower_DialsWhereThePeerIs(t *testing.T) {
	withPeer(t, standard, func(t *testing.T, s *scripted) {
		s.away(syscall.ECONNREFUSED)
		passes(10 * time.Second)
		dialed := func(what, addr string, at time.Duration) {
			t.Helper()
			if passes(at); s.lastDialed() != addr {
				t.Errorf("%s: dialled at %s, want %s", what, s.lastDialed(), addr)
			}
		}
		dialed("at first", "roster:1", 0)
		s.mesh.Gossip("a", true, 7, "gossip:2")
		dialed("gossip knows better", "gossip:2", backoffMax)
		s.mesh.Gossip("a", false, 7, "gossip:2")
		dialed("gossip lost it", "roster:1", backoffMax)
		before := s.dials()
		s.mesh.Gossip("a", true, 7, "gossip:3")
		dialed("it is back", "gossip:3", 0)
		if s.dials() == before {
			t.Error("it is back and nobody dials at once")
		}
		s.mesh.Gossip("a", true, 7, "")
		s.mesh.SetPeers([]Peer{{ID: "a", Name: "sip1", Addr: "roster:4"}})
		dialed("it moved", "roster:4", 0)
	})
}

// What gossip told of a node before the roster named it counts from the start.
func TestFollower_KnowsWhatGossipToldBefore(t *testing.T) {
	withPeer(t, standard, func(t *testing.T, s *scripted) {
		s.heard()
		s.away(syscall.ECONNREFUSED)
		s.mesh.Gossip("c", true, 3, "gossip:9")
		s.mesh.SetPeers([]Peer{{ID: "a", Name: "sip1", Addr: "roster:1"}, {ID: "c", Name: "sip0", Addr: "roster:5"}})
		passes(time.Second)
		s.mu.Lock()
		defer s.mu.Unlock()
		if got := slices.Compact(slices.Sorted(slices.Values(s.dialed))); !slices.Equal(got, []string{"gossip:9", "roster:1"}) {
			t.Errorf("dialled %v", got)
		}
		if all := s.mesh.Status(); len(all) != 2 || all[0].Name != "sip0" || all[1].Name != "sip1" {
			t.Errorf("the peers are %v", all)
		}
	})
}

// Dials that are refused are repeated more and more rarely, those without an
// answer are several at once.
func TestFollower_DialsPatiently(t *testing.T) {
	for name, tc := range map[string]struct {
		err         error
		least, most int
	}{
		"refused":   {fmt.Errorf("dialling: %w", syscall.ECONNREFUSED), 50, 60},
		"no answer": {errFarAway, 110, 150},
	} {
		t.Run(name, func(t *testing.T) {
			withPeer(t, standard, func(t *testing.T, s *scripted) {
				s.away(tc.err)
				passes(time.Second)
				before := s.dials()
				passes(10 * time.Second)
				if n := s.dials() - before; n < tc.least || n > tc.most {
					t.Errorf("%d dials in 10 s, want %d to %d", n, tc.least, tc.most)
				}
			})
		})
	}
}
