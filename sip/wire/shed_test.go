package wire

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// crowdOf is a batch: so many datagrams of each source, whose ports differ.
func crowdOf(counts ...int) (batch []netip.AddrPort) {
	for i, n := range counts {
		for j := range n {
			batch = append(batch, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), uint16(1000+j)))
		}
	}
	return batch
}

// served counts by source what of a batch is looked at.
func (s *shed) served(sources []netip.AddrPort) (counts [4]int, begins bool) {
	begins = s.look(sources, true)
	for _, a := range slices.Backward(sources) {
		if s.serves(a) {
			counts[a.Addr().As4()[3]]++
		}
	}
	return counts, begins
}

func TestShed_WhoSendsMostGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shed
		flood, mixed := crowdOf(batch), crowdOf(batch-2, 2)
		for step, x := range []struct {
			after  time.Duration
			came   []netip.AddrPort
			want   [4]int
			begins bool
		}{
			{0, mixed, [4]int{62, 2}, false},                                  // a burst
			{overloadedAfter - 1, mixed, [4]int{62, 2}, false},                // that goes on
			{0, crowdOf(60, 2), [4]int{60, 2}, false},                         // and ends
			{overloadedAfter, mixed, [4]int{62, 2}, false},                    // another one
			{overloadedAfter, mixed, [4]int{32, 2}, true},                     // it is none
			{0, mixed, [4]int{16, 2}, false}, {0, flood, [4]int{8, 0}, false}, // still more come than are served
			{0, crowdOf(20, 20, 20, 4), [4]int{4, 4, 4, 4}, false},           // of several sources
			{0, flood, [4]int{2, 0}, false}, {0, flood, [4]int{1, 0}, false}, // at the least one
			{0, flood, [4]int{1, 0}, false}, {0, crowdOf(9, 9), [4]int{2, 2}, false}, // room again
			{0, crowdOf(9, 9), [4]int{3, 3}, false}, {0, crowdOf(2, 1), [4]int{2, 1}, false},
		} {
			<-time.After(x.after)
			if got, begins := s.served(x.came); got != x.want || begins != x.begins {
				t.Errorf("step %d: %v, %v, want %v, %v", step, got, begins, x.want, x.begins)
			}
		}
		for range batch {
			s.served(crowdOf(9, 9))
		}
		if got, _ := s.served(mixed); got != [4]int{62, 2} {
			t.Errorf("when all is over: %v", got)
		}
	})
}

// TestShed_TheOnlySourceIsServed as fast as that goes.
func TestShed_TheOnlySourceIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shed
		s.look(crowdOf(batch-1, 1), true)
		<-time.After(othersFor)
		for range 1000 {
			<-time.After(time.Millisecond)
			if got, begins := s.served(crowdOf(batch)); got[0] != batch || begins {
				t.Fatalf("%v, %v", got, begins)
			}
		}
	})
}

// TestShed_ANetworkIsOneSource as everywhere: who sends by several addresses of it leaves room
// for nobody else by that.
func TestShed_ANetworkIsOneSource(t *testing.T) {
	var s shed
	for _, x := range []struct {
		one, other string
		mixed      bool
	}{
		{"2001:db8::1", "2001:db8::2", false}, {"2001:db8::1", "2001:db8:0:1::1", true},
		{"192.0.2.1", "::ffff:192.0.2.1", false}, {"192.0.2.1", "192.0.2.2", true},
	} {
		var sources []netip.AddrPort
		for _, a := range []string{x.one, x.one, x.other} {
			sources = append(sources, netip.AddrPortFrom(netip.MustParseAddr(a), 5060))
		}
		if got := s.mixed(sources); got != x.mixed {
			t.Errorf("%s and %s: %v", x.one, x.other, got)
		}
	}
}
