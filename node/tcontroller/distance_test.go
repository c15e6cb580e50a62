package tcontroller

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

const usual = 750 * time.Millisecond

// TestDistance_EveryBoundFollowsTheRoundTrip up to 400 ms; beyond that a cut is seen within
// 2.7 s all the same.
func TestDistance_EveryBoundFollowsTheRoundTrip(t *testing.T) {
	for trip := time.Duration(0); trip <= 2*time.Second; trip += 10 * ms {
		kernel, quiet := userTimeout(trip), silence(usual, trip)
		if seen := quiet + trip/2; trip <= 400*ms && seen > usual+3*trip || quiet > 2700*ms {
			t.Errorf("%v: a cut is seen after %v", trip, seen)
		}
		if kernel+redialGrace > quiet {
			t.Errorf("%v: the link ends after %v, too late for the redial before %v", trip, kernel, quiet)
		}
		if most := 400 * ms; trip <= most && kernel < UserTimeout+2*trip {
			t.Errorf("%v: the kernel waits %v, less than what is repeated takes", trip, kernel)
		}
	}
	if got := silence(time.Hour, 250*ms); got != time.Hour {
		t.Errorf("a time-out that was asked for became %v", got)
	}
	if userTimeout(0) != 400*ms || silence(usual, 0) != usual {
		t.Errorf("near: %v, %v", userTimeout(0), silence(usual, 0))
	}
}

// TestTrips_FarIsWhatMostTake: neither what a lost packet held up counts, nor what a machine
// without time did, and a change of the way shows within two seconds.
func TestTrips_FarIsWhatMostTake(t *testing.T) {
	var ts trips
	if ts.far() != 0 {
		t.Error("far, and nothing was measured")
	}
	add := func(count int, took func(i int) time.Duration) {
		for i := range count {
			ts = ts.add(path(time.Duration(len(ts)+i)*time.Second, took(i)/2, took(i)/2, 0))
		}
	}
	add(64, func(i int) time.Duration {
		if i%5 == 0 {
			return 700 * ms
		}
		return time.Duration(220+i%7*10) * ms
	})
	if far := ts.far(); far < 220*ms || far > 240*ms {
		t.Errorf("220 to 280 ms, and some lost, is %v", far)
	}
	add(18, func(int) time.Duration { return 400 * ms })
	if far := ts.far(); far != 400*ms {
		t.Errorf("1.8 s behind a change to 400 ms it is %v", far)
	}
}

// TestTimed_TheKernelsTimeIsThatOfThePeer.
func TestTimed_TheKernelsTimeIsThatOfThePeer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	tcp, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Timed(tcp, tcp.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := tcp.(*net.TCPConn).SyscallConn()
	set := func(ms int) {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, ms) })
	}
	get := func() (ms int) {
		_ = raw.Control(func(fd uintptr) { ms, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) })
		return ms
	}
	if got := get(); got < 400 || got > 500 {
		t.Errorf("%d ms to this machine", got)
	}
	set(9000)
	if due := time.Duration(conn.(*timed).next.Load()) - time.Since(epoch); due <= 0 || due > retimeEvery {
		t.Errorf("it is looked at again in %v", due)
	}
	conn.(*timed).next.Store(int64(time.Since(epoch) + time.Hour))
	if _, err := conn.Write([]byte("x")); err != nil || get() != 9000 {
		t.Errorf("it was looked at again at once: %d ms, %v", get(), err)
	}
	conn.(*timed).next.Store(0)
	if _, err := conn.Write([]byte("x")); err != nil || get() > 500 {
		t.Errorf("it was not looked at again: %d ms, %v", get(), err)
	}
	_ = conn.Close()
	if _, err := Timed(tcp, tcp.(*net.TCPConn)); err == nil {
		t.Error("a closed connection was timed")
	}
}

// Gossip, which is slow by itself, is asked about a near peer as soon as its link is
// silent or down, and never about one that is too far for its probes.
func TestFollower_HasGossipAskAboutASilentPeer(t *testing.T) {
	for name, c := range map[string]struct {
		trip time.Duration
		do   func(*scripted, *played)
		want time.Duration // 0: never
	}{
		"answers":     {0, func(*scripted, *played) {}, 0},
		"silent":      {0, func(_ *scripted, l *played) { l.hush(true) }, doubtAfter + pingEvery},
		"down":        {0, func(s *scripted, l *played) { s.away(errFarAway); l.over <- errFarAway }, ms},
		"far, silent": {150 * ms, func(_ *scripted, l *played) { l.hush(true) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var doubted atomic.Int64
			change := func(cfg *Config) {
				cfg.Doubt = func(dn.Node) { doubted.CompareAndSwap(0, time.Now().UnixNano()) }
			}
			withPeer(t, change, func(t *testing.T, s *scripted) {
				l := s.heard()
				l.away(c.trip)
				passes(5 * time.Second)
				doubted.Store(0)
				began := time.Now().UnixNano()
				c.do(s, l)
				passes(3 * time.Second)
				if at := doubted.Load(); (at == 0) != (c.want == 0) || at > began+int64(c.want) {
					t.Errorf("doubted after %v, want %v", time.Duration(at-began), c.want)
				}
			})
		})
	}
}

// TestFollower_JudgesAFarPeerByItsDistance, whatever gossip says of it.
func TestFollower_JudgesAFarPeerByItsDistance(t *testing.T) {
	for _, trip := range []time.Duration{20 * ms, 150 * ms, 250 * ms, 400 * ms} {
		t.Run(trip.String(), func(t *testing.T) {
			withPeer(t, standard, func(t *testing.T, s *scripted) {
				l := s.heard()
				l.away(trip)
				passes(5*time.Second + pingEvery/2)
				s.mesh.Gossip("a", false, 7, "")
				passes(time.Second)
				if p := s.peer(); !p.Heard || (p.Vetoes == 0) != (trip > gossipReach) {
					t.Errorf("%v, gossip was overruled %d times", p, p.Vetoes)
				}
				s.mesh.Gossip("a", trip <= gossipReach, 7, "")
				s.away(errFarAway)
				began := time.Now()
				l.over <- errFarAway
				after, reason := s.lost()
				within(t, "lost", after, usual+2*trip-pingEvery, usual+3*trip)
				if reason != "link cut" {
					t.Errorf("%s after %v", reason, time.Since(began))
				}
			})
		})
	}
}

// away has the peer's answers to pings come later from now on.
func (l *played) away(trip time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trip = trip
}

// wire is a line to a peer, and what the two of them do, in steps of virtual time.
type wire struct {
	trip   func(at time.Duration) time.Duration
	jitter time.Duration
	loss   float64
	ends   time.Duration // how often a connection ends for no reason; 0: never
	cut    time.Duration // when nothing arrives any more; 0: never
	pair   bool          // gossip goes round a cut
	chance *rand.Rand
}

const step = 10 * time.Millisecond

// seen is when something sent at t arrives, repeated until it does; 0 is never.
func (w *wire) seen(t time.Duration) (at time.Duration, repeated bool) {
	for {
		trip := w.trip(t)
		at = t + trip/2 + time.Duration(w.chance.Int64N(int64(w.jitter+1))) - w.jitter/2
		if w.cut > 0 && at >= w.cut {
			return 0, repeated
		}
		if w.chance.Float64() >= w.loss {
			return at, repeated
		}
		t, repeated = t+trip*5/4+10*ms, true
	}
}

// judged is the verdict of a node on the peer over that time: when it was lost first; 0: never.
func (w *wire) judged(length time.Duration) time.Duration {
	var (
		ts                          trips
		far                         time.Duration
		pongs                       []trip // by when they come: sent + rtt
		kernel                      = w.trip(0)
		lastSeen, lastPong          time.Duration
		acks                        []time.Duration
		lastAck                     time.Duration
		up, downAt, back, lastFrame = true, time.Duration(0), time.Duration(0), time.Duration(0)
	)
	for now := time.Duration(0); now < length; now += step {
		if now%pingEvery == 0 && up {
			if at, _ := w.seen(now); at > 0 {
				lastSeen = max(lastSeen, at) // in order
				if ack, again := w.seen(at); ack > 0 && !again {
					acks = append(acks, ack)
				}
				if answer, _ := w.seen(lastSeen); answer > 0 {
					lastPong = max(lastPong, answer)
					pongs = append(pongs, trip{sent: int64(now), answered: int64(now + (lastPong-now)/2), rtt: lastPong - now})
				}
			}
		}
		for len(pongs) > 0 && time.Duration(pongs[0].sent)+pongs[0].rtt <= now {
			ts, lastFrame = ts.add(pongs[0]), now
			far = ts.far()
			kernel += (w.trip(now) - kernel) / 8 // as RFC 6298 smooths it
			pongs = pongs[1:]
		}
		acks = slices.DeleteFunc(acks, func(at time.Duration) bool {
			if at <= now {
				lastAck = max(lastAck, at)
			}
			return at <= now
		})
		quiet := now-lastAck >= max(userTimeout(kernel), kernel+200*ms)
		if up && (quiet || w.ends > 0 && now%w.ends == w.ends-step) {
			up, downAt, pongs, acks = false, now, nil, nil
			back = now + 4*w.trip(now) + 10*ms // TCP, TLS, hello, and what it says first
		}
		if !up && now >= back && (w.cut == 0 || now < w.cut) {
			up, lastAck, lastFrame = true, now, now
			lastSeen, lastPong = now, now
		}
		if e := w.evidence(far, now-lastFrame, now-downAt, up, now); !e.lasts() {
			return now
		}
	}
	return 0
}

func (e evidence) lasts() bool {
	heard, _, _ := e.verdict()
	return heard
}

// evidence is that of a follower; gossip that can't hear the peer doubts it all the time.
func (w *wire) evidence(far, quiet, down time.Duration, up bool, now time.Duration) evidence {
	gossip := w.trip(now) > gossipReach || w.cut > 0 && !w.pair && now > w.cut+650*ms
	f := follower{cfg: &Config{LinkTimeout: usual}, trip: far}
	e := f.weigh(gossip)
	e.heard, e.up, e.synced, e.silence = true, up, up, quiet
	if !up {
		e.down = down
	}
	return e
}

// TestDistance_NoFalseLossAndEveryCutInTime is thirty minutes at each distance, in which
// connections end for no reason and the route changes, and cuts at any moment.
func TestDistance_NoFalseLossAndEveryCutInTime(t *testing.T) {
	steady := func(trip time.Duration) func(time.Duration) time.Duration {
		return func(time.Duration) time.Duration { return trip }
	}
	for _, c := range []struct {
		trip, jitter time.Duration
		loss         float64
	}{{0, 0, 0}, {20 * ms, 2 * ms, 0.02}, {150 * ms, 10 * ms, 0}, {250 * ms, 30 * ms, 0}, {250 * ms, 30 * ms, 0.02}, {400 * ms, 50 * ms, 0}, {400 * ms, 50 * ms, 0.02}} {
		t.Run(fmt.Sprint(c.trip, c.jitter, c.loss), func(t *testing.T) {
			chance := rand.New(rand.NewPCG(uint64(c.trip), uint64(c.jitter))) // what lost packets can do is the same each time
			w := &wire{trip: steady(c.trip), jitter: c.jitter, loss: c.loss, chance: chance}
			if c.loss == 0 && c.trip <= 250*ms { // otherwise it may not be back in time
				w.ends = 20 * time.Second
			}
			if lost := w.judged(30 * time.Minute); lost > 0 {
				t.Errorf("lost after %v, and nothing was cut", lost)
			}
			late := 0
			for range 15 {
				cut := 10*time.Second + time.Duration(chance.Int64N(int64(time.Second)))
				for _, pair := range []bool{false, true} {
					most := usual + 3*c.trip
					if pair {
						most = time.Second + 4*c.trip
					}
					w := &wire{trip: steady(c.trip), jitter: c.jitter, loss: c.loss, cut: cut, pair: pair, chance: chance}
					lost, grain := w.judged(15*time.Second), c.jitter+2*step
					if lost < cut || lost-cut > 2700*ms+grain {
						t.Errorf("cut at %v (of a pair: %v): lost %v later, want 2.7 s at the most", cut, pair, lost-cut)
					}
					if lost-cut > most+grain {
						late++
						t.Logf("cut at %v (of a pair: %v): lost %v later, want %v", cut, pair, lost-cut, most)
					}
				}
			}
			// One cut in some thousands follows so many lost packets that all trips seem long.
			if late > 1 || late > 0 && c.loss == 0 {
				t.Errorf("%d of 30 cuts were seen too late", late)
			}
		})
	}
	jumps := func(at time.Duration) time.Duration {
		if at/(10*time.Second)%2 == 1 {
			return 300 * ms
		}
		return 20 * ms
	}
	w := &wire{trip: jumps, jitter: 5 * ms, chance: rand.New(rand.NewPCG(1, 2))}
	if lost := w.judged(30 * time.Minute); lost > 0 {
		t.Errorf("lost after %v, when the round trip jumped", lost)
	}
}

// pongAfter answers a ping as the peer would from where it is.
func (l *played) pongAfter(trip time.Duration, ping *peerpb.Ping) {
	answer := &peerpb.FollowResponse{Body: &peerpb.FollowResponse_Pong{Pong: &peerpb.Pong{
		SentMono: ping.GetSentMono(), SentWall: ping.GetSentWall(), PublisherWall: ping.GetSentWall() + int64(trip/2),
	}}}
	if trip == 0 {
		l.says(answer)
		return
	}
	time.AfterFunc(trip, func() { l.says(answer) })
}
