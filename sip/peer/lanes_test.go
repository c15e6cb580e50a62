package peer

import (
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"testing/synctest"
	"time"
)

// wires are what lanes deal out to: streams of a line of some length, where what was lost
// comes late, and all behind it.
type wires struct {
	trip    time.Duration // there and back
	lanes   lanes
	round   uint64
	way     [Streams][]time.Time      // when each message of a stream arrives
	last    map[uint16]came           // of each group
	order   int                       // messages that came before one of their group, or may have
	streams map[uint8]int             // messages by stream
	still   func(time.Time) time.Time // when a node that stands still goes on; nil for one that does not
	answers []time.Time               // that are on their way, when they come
	heard   time.Duration             // the last one that has come
}

// came is when a message of a group is served, and by which stream it came.
type came struct {
	served time.Time
	slot   uint8
}

func newWires(trip time.Duration) *wires {
	w := &wires{trip: trip, last: map[uint16]came{}, streams: map[uint8]int{}}
	w.lanes.began = time.Now()
	w.lanes.look = func(slot uint8) (uint32, bool) {
		n := sort.Search(len(w.way[slot]), func(i int) bool { return w.way[slot][i].Add(trip / 2).After(time.Now()) })
		return uint32(n), true
	}
	w.lanes.heard = func() time.Duration {
		w.answers = slices.DeleteFunc(w.answers, func(at time.Time) bool {
			if at.After(time.Now()) {
				return false
			}
			w.heard = max(w.heard, at.Sub(w.lanes.began))
			return true
		})
		return w.heard
	}
	return w
}

// send sends a message; late is what a loss adds to its way. held tells that others did.
func (w *wires) send(group uint16, late time.Duration) (slot uint8, held bool) {
	slot = w.lanes.way(group, w.round)
	w.lanes.goes(group, slot)
	arrives := time.Now().Add(w.trip/2 + late)
	if way := w.way[slot]; len(way) > 0 && way[len(way)-1].After(arrives) {
		arrives, held = way[len(way)-1], true
	}
	w.way[slot] = append(w.way[slot], arrives)
	served := arrives
	if w.still != nil {
		served = w.still(arrives)
	}
	if last := w.last[group]; last.served.After(served) || last.slot != slot && w.still != nil && last.served.Equal(served) {
		w.order++ // it finds both, and knows no order
	}
	w.last[group] = came{served, slot}
	w.answers = append(w.answers, served.Add(w.trip/2))
	w.streams[slot]++
	return slot, held
}

func TestLanes_WhatIsSentTogetherTakesOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(time.Millisecond)
		for range 3 {
			w.round++
			clear(w.streams)
			for range together {
				w.send(uint16(rand.N(groups)), 0)
			}
			if len(w.streams) != 1 {
				t.Errorf("by stream: %v", w.streams)
			}
			<-time.After(2 * settled)
			w.answers = append(w.answers, time.Now())
		}
		w.round++
		clear(w.streams)
		for group := range uint16(4 * together) {
			w.send(group, 0)
		}
		if len(w.streams) != 4 {
			t.Errorf("more of them by stream: %v", w.streams)
		}
	})
}

// TestLanes_WithoutAFreeStreamEachHasAsManyGroups, which stay there.
func TestLanes_WithoutAFreeStreamEachHasAsManyGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(time.Second)
		w.lanes.look = func(uint8) (uint32, bool) { return 0, false }
		first := map[uint16]uint8{}
		for range 2 {
			clear(w.streams)
			for group := range uint16(10 * Streams) {
				w.round++
				slot, _ := w.send(group, 0)
				if at, known := first[group]; known && at != slot {
					t.Errorf("group %d by stream %d, then %d", group, at, slot)
				}
				first[group] = slot
			}
			for slot := range uint8(Streams) {
				if w.streams[slot] != 10 {
					t.Errorf("by stream: %v", w.streams)
				}
			}
			<-time.After(time.Minute)
		}
	})
}

// TestLanes_AGroupStaysInOrder, on lines of every length, and where packets are lost.
func TestLanes_AGroupStaysInOrder(t *testing.T) {
	for _, trip := range []time.Duration{0, 100 * time.Microsecond, 10 * time.Millisecond, 250 * time.Millisecond} {
		t.Run(trip.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWires(trip)
				for range 20000 {
					if rand.N(2) == 0 {
						w.round++
						<-time.After(rand.N(2 * time.Millisecond))
					}
					late := time.Duration(0)
					if rand.N(50) == 0 {
						late = 200*time.Millisecond + 5*trip/4
					}
					w.send(uint16(rand.N(64)), late)
				}
				if w.order > 0 {
					t.Errorf("%d messages came too early", w.order)
				}
			})
		})
	}
}

// TestLanes_ANodeThatStandsStill, while its kernel takes what comes, finds the messages of a
// group in order, on lines of less than settled.
func TestLanes_ANodeThatStandsStill(t *testing.T) {
	for _, trip := range []time.Duration{100 * time.Microsecond, 10 * time.Millisecond, 40 * time.Millisecond} {
		t.Run(trip.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWires(trip)
				const every, long = 2 * time.Second, 300 * time.Millisecond
				w.still = func(at time.Time) time.Time {
					if into := at.Sub(w.lanes.began) % every; into > every-long {
						return at.Add(every - into)
					}
					return at
				}
				for range 20000 {
					w.round++
					<-time.After(rand.N(5 * time.Millisecond))
					w.send(uint16(rand.N(512)), 0)
				}
				if w.order > 0 {
					t.Errorf("%d messages came too early", w.order)
				}
			})
		})
	}
}

// TestLanes_ALostPacketHoldsUpFewCalls: at 250 ms and 2 % no loss delays more than an eighth
// of the calls that send something until it is made good.
func TestLanes_ALostPacketHoldsUpFewCalls(t *testing.T) {
	for _, rate := range []int{50, 500} {
		synctest.Test(t, func(t *testing.T) {
			const trip, again = 250 * time.Millisecond, 250 * time.Millisecond * 5 / 4
			w := newWires(trip)
			type loss struct {
				until     time.Time
				all, held map[uint16]bool
			}
			losses := map[uint8]*loss{}
			worst, count := 0.0, 0
			call := 0
			for end := time.Now().Add(time.Minute); time.Now().Before(end); {
				<-time.After(time.Second / time.Duration(3*rate))
				w.round++
				if call++; call%3 == 0 && rand.N(4) == 0 {
					<-time.After(5 * time.Millisecond)
				}
				group := Group([]byte{byte(call), byte(call >> 8), byte(rand.N(4))})
				late := time.Duration(0)
				if rand.N(50) == 0 {
					late = again
				}
				slot, held := w.send(group, late)
				if late > 0 && losses[slot] == nil {
					losses[slot] = &loss{time.Now().Add(again), map[uint16]bool{}, map[uint16]bool{}}
				}
				for at, l := range losses {
					l.all[group] = true
					if at == slot && (held || late > 0) {
						l.held[group] = true
					}
					if time.Now().After(l.until) {
						share := float64(len(l.held)) / float64(len(l.all))
						worst, count = max(worst, share), count+1
						delete(losses, at)
					}
				}
			}
			if worst > 1.0/8 || count < 10 {
				t.Errorf("%d calls/s: %d losses, the worst held up %.1f %% of the calls", rate, count, 100*worst)
			}
			t.Logf("%d calls/s: %d losses, the worst held up %.1f %% of the calls; by stream %v", rate, count, 100*worst, w.streams)
		})
	}
}
