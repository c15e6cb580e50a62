package wire

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/sip/source"
)

// TestSocket_Sifts most of what a source sends, and of no other one, until that is over.
func TestSocket_Sifts(t *testing.T) {
	const many = 400
	for _, x := range []struct{ bind, sifted, other string }{
		{"127.0.0.1:0", "127.0.0.2", "127.0.0.3"},
		{":0", "127.0.0.2", "127.0.0.3"}, {":0", "::1", "127.0.0.3"}, {":0", "127.0.0.2", "::1"},
	} {
		t.Run(x.bind+" "+x.sifted, func(t *testing.T) {
			s, err := openSocket(x.bind)
			if err != nil {
				t.Skip(err)
			}
			defer s.close()
			send := func(from string, text string, n int) {
				a, to := netip.MustParseAddr(from), netip.MustParseAddr("127.0.0.1")
				if a.Is6() {
					to = a
				}
				c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, uint16(s.local.Port))))
				if err != nil {
					t.Skip(err)
				}
				defer c.Close()
				for range n {
					if _, err := c.Write([]byte(text)); err != nil {
						t.Fatal(err)
					}
				}
			}
			come := func() (n map[netip.Addr]int) { // up to a datagram that says so
				n = map[netip.Addr]int{}
				bufs, sizes, sources := [][]byte{make([]byte, 16)}, make([]int, 1), make([]netip.AddrPort, 1)
				for {
					if _, err := s.read(bufs, sizes, sources); err != nil {
						t.Fatal(err)
					}
					if string(bufs[0][:sizes[0]]) == "end" {
						return n
					}
					n[sources[0].Addr()]++
				}
			}
			sifted, other := netip.MustParseAddr(x.sifted), netip.MustParseAddr(x.other)
			// Several are sifted; what is asked for last counts.
			for _, list := range [][]netip.Addr{{source.Of(other)}, {netip.MustParseAddr("192.0.2.1"), source.Of(sifted), source.Of(netip.MustParseAddr("2001:db8::1"))}} {
				if err := s.sift(list); err != nil {
					t.Fatal(err)
				}
			}
			send(x.sifted, "flood", many)
			send(x.other, "hello", many)
			send(x.other, "end", 1)
			if n := come(); n[sifted] == 0 || n[sifted] > many/4 || n[other] != many {
				t.Errorf("of %d each %v came", many, n)
			}
			for range 2 {
				if err := s.sift(nil); err != nil {
					t.Fatal(err)
				}
			}
			send(x.sifted, "flood", many)
			send(x.other, "end", 1)
			if n := come(); n[sifted] != many {
				t.Errorf("when it is over %v came", n)
			}
		})
	}
}

// sifter remembers what is sifted.
type sifter struct {
	packetIO
	from []netip.Addr
	err  error
}

func (s *sifter) sift(from []netip.Addr) error {
	s.from = slices.Clone(from)
	return s.err
}

func TestSieve_StaysAsLongAsTheFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b shed
		var s sieve
		var to sifter
		read := func(lost uint32, counts ...int) {
			<-time.After(time.Millisecond)
			sources := crowdOf(counts...)
			b.look(sources, true)
			s.look(&to, &b, sources, lost, true)
		}
		for range 200 {
			read(100, batch)
		}
		if len(to.from) != 0 {
			t.Fatalf("%v are sifted though there is nobody else", to.from)
		}
		s.look(&to, &b, nil, 0, false)
		for range 200 {
			read(0, 40, 2)
		}
		if len(to.from) != 0 {
			t.Fatalf("%v are sifted, of which 40,000 a second come", to.from)
		}
		one, two := netip.MustParseAddr("192.0.2.0"), netip.MustParseAddr("192.0.2.1")
		for _, x := range []struct {
			what   string
			times  int // each a millisecond
			lost   uint32
			counts []int // of what comes
			want   []netip.Addr
		}{
			{"a flood, and one that many call by", 200, 100, []int{batch - 12, 2, 10}, []netip.Addr{one}},
			{"it goes on", 2000, 0, []int{8, 2, 10}, []netip.Addr{one}},
			{"another one begins", 2000, 0, []int{4, batch - 6, 2}, []netip.Addr{one, two}},
			{"the first one ends", 2000, 0, []int{0, 8, 10}, []netip.Addr{two}},
			{"there is less of it", 2000, 0, []int{1, 1, 10}, nil}, // 26,000 a second in all
		} {
			for range x.times {
				read(x.lost, x.counts...)
			}
			if !slices.Equal(to.from, x.want) {
				t.Fatalf("%s: %v are sifted, want %v", x.what, to.from, x.want)
			}
			if is := len(x.want) > 0; is && !s.dropped() || !is && (!s.dropped() || s.dropped()) {
				t.Errorf("%s: what the kernel drops is taken for another's", x.what)
			}
		}
	})
}

// TestSieve_ABurstIsNoFlood though it is a large part of the batch in which it comes, at whatever
// time that is.
func TestSieve_ABurstIsNoFlood(t *testing.T) {
	const each = 10 // of so many batches one has a burst
	one := netip.MustParseAddr("192.0.2.0")
	for at := range each {
		synctest.Test(t, func(t *testing.T) {
			var b shed
			var s sieve
			var to sifter
			for i := range 1500 {
				<-time.After(time.Millisecond)
				flood, burst := batch-1, 1
				if len(to.from) > 0 {
					flood = flood / sieveShare
				}
				if i%each == at {
					flood, burst = flood/2, batch/2
				}
				sources := crowdOf(flood, burst)
				b.look(sources, true)
				s.look(&to, &b, sources, 0, true)
				if slices.ContainsFunc(to.from, func(a netip.Addr) bool { return a != one }) {
					t.Fatalf("%v are sifted after %d batches", to.from, i)
				}
			}
			if len(to.from) == 0 {
				t.Error("the flood is not sifted")
			}
		})
	}
}

// TestSieve_WhoHasNone goes on without.
func TestSieve_WhoHasNone(t *testing.T) {
	to, s := sifter{err: errors.ErrUnsupported}, sieve{}
	s.set(&to, []netip.Addr{netip.MustParseAddr("192.0.2.1")})
	if !s.cannot || len(s.from) != 0 || to.from != nil {
		t.Error("it believes to have a sieve")
	}
}
