package wire

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/message"
)

// callsOf serves messages of calls slowly enough that all hands take part, and looks after
// their order.
type callsOf struct {
	noHandler
	t     *testing.T
	hands sync.WaitGroup // that have not begun

	mu     sync.Mutex
	begun  map[int]bool
	busy   map[string]bool
	served map[string][]string
}

func (c *callsOf) Serve(in *Arrival) {
	id, all := string(message.CallIDOf(in.Data)), string(in.Data)
	c.mu.Lock()
	first := !c.begun[in.Hand]
	c.begun[in.Hand] = true
	if c.busy[id] {
		c.t.Errorf("two hands serve call %s at a time", id)
	}
	c.busy[id] = true
	c.served[id] = append(c.served[id], strings.Fields(all)[0])
	c.mu.Unlock()
	if first {
		c.hands.Done()
	}
	c.hands.Wait() // for the others: each takes a part before any goes on
	in.Reply, in.ReplyTo = append(in.Reply, in.Data...), in.Source
	in.Durable = strings.HasPrefix(all, "REGISTER")
	c.mu.Lock()
	c.busy[id] = false
	c.mu.Unlock()
}

// All hands serve a batch at a time, each Call-ID in its order; then comes one flush, and then
// all answers.
func TestDatagrams_HandsServeABatchTogether(t *testing.T) {
	const hands = 4
	for _, header := range []string{"Call-ID: ", "i:", "call-id :\t"} {
		t.Run(header, func(t *testing.T) {
			b := &batchOf{}
			want := map[string][]string{}
			for i := range batch {
				id, name := fmt.Sprint("c", i%16), fmt.Sprint("M", i)
				if i%9 == 0 {
					name = fmt.Sprint("REGISTER", i)
				}
				b.came = append(b.came, fmt.Sprintf("%s sip:x SIP/2.0\r\nVia: x\r\nContact: y\r\n%s%s\r\n\r\n", name, header, id))
				want[id] = append(want[id], name)
			}
			came := slices.Clone(b.came)
			c := &callsOf{t: t, begun: map[int]bool{}, busy: map[string]bool{}, served: map[string][]string{}}
			c.hands.Add(hands)
			flushed := 0
			d := newDatagrams(b, hands, c, func(func()) bool {
				if flushed++; len(b.sent) > 0 {
					t.Error("an answer went before the flush")
				}
				return true
			}, nil)
			ended := make(chan error, 1)
			go func() { _, _, err := d.ReadFrom(make([]byte, 10)); ended <- err }()
			_ = patience.Receive(t, "the end of the port", ended)
			if flushed != 1 {
				t.Errorf("%d times flushed", flushed)
			}
			for id, list := range want {
				if !slices.Equal(c.served[id], list) {
					t.Errorf("of call %s %q was served, want %q", id, c.served[id], list)
				}
			}
			slices.Sort(came)
			slices.Sort(b.sent)
			if !slices.Equal(b.sent, came) {
				t.Errorf("%d of %d were answered", len(b.sent), len(came))
			}
		})
	}
}

// What has no Call-ID is served, too; and few datagrams are served by the reader.
func TestDatagrams_FewAndBrokenOnesAreServed(t *testing.T) {
	for _, n := range []int{1, leastDealt - 1, leastDealt, batch} {
		b := &batchOf{}
		for i := range n {
			b.came = append(b.came, fmt.Sprintf("x%d", i))
		}
		want := slices.Clone(b.came)
		d := newDatagrams(b, 3, echoes{}, func(func()) bool { return true }, nil)
		_, _, _ = d.ReadFrom(make([]byte, 10))
		if !slices.Equal(b.sent, want) {
			t.Errorf("of %d datagrams %d were answered: %q", n, len(b.sent), b.sent)
		}
	}
}

// wireOf keeps what is written to each destination.
type wireOf struct {
	batchOf
	mu  sync.Mutex
	got map[netip.AddrPort][]uint32
}

type wireOutlet struct {
	*wireOf
	used atomic.Bool
}

func (w *wireOf) outlet() outlet { return &wireOutlet{wireOf: w} }

func (w *wireOutlet) write(bufs [][]byte, to []netip.AddrPort) (int, error) {
	if w.used.Swap(true) {
		panic("two write by one outlet at a time")
	}
	defer w.used.Store(false)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, b := range bufs {
		w.got[to[i]] = append(w.got[to[i]], binary.BigEndian.Uint32(b))
	}
	return len(bufs), nil
}

// What several send at a time, some while others hold the batch, goes out to the last, and to
// each destination in its order.
func TestSendBatch_EachDestinationHasItsOrder(t *testing.T) {
	for _, lanes := range []int{1, 4} {
		const each = 3000
		w := &wireOf{got: map[netip.AddrPort][]uint32{}}
		m := newSendBatch(w, lanes)
		var all sync.WaitGroup
		for sender := range 8 {
			to := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(5060+sender))
			all.Go(func() {
				for i := range each {
					if i%7 == sender {
						m.Hold()
						runtime.Gosched()
						defer m.Release()
					}
					m.Send(binary.BigEndian.AppendUint32(nil, uint32(i)), to)
					if i%5 == 0 {
						m.Hold()
						m.Release()
					}
				}
			})
		}
		all.Wait()
		if n := m.waiting(); n != 0 {
			t.Fatalf("%d lanes: %d wait at the end", lanes, n)
		}
		for to, list := range w.got {
			if len(list) != each || !slices.IsSorted(list) {
				t.Errorf("%d lanes: %v got %d datagrams, in order: %v", lanes, to, len(list), slices.IsSorted(list))
			}
		}
	}
}

// Destinations are spread over the lanes: phones at one address by their ports, and those of a
// network.
func TestSendBatch_LanesAreUsedAlike(t *testing.T) {
	m := newSendBatch(&batchOf{}, 4)
	for name, to := range map[string]func(i int) netip.AddrPort{
		"ports":     func(i int) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i)) },
		"even ones": func(i int) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(2*i)) },
		"phones": func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5060)
		},
		"IPv6": func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 14: byte(i >> 8), 15: byte(i)}), 5060)
		},
	} {
		count := map[*sendLane]int{}
		for i := range 1000 {
			count[m.lane(to(i))]++
		}
		for i := range m.lanes {
			if n := count[&m.lanes[i]]; n < 150 || n > 350 {
				t.Errorf("%s: lane %d has %d of 1000", name, i, n)
			}
		}
	}
}

func TestHands(t *testing.T) {
	for processors, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 8: 4, 16: 8, 64: 8} {
		if got := handsFor(processors); got != want {
			t.Errorf("%d processors: %d hands, want %d", processors, got, want)
		}
	}
}

// work takes as long as a message of a call.
type work struct{ noHandler }

func (work) Serve(in *Arrival) {
	for range 12 {
		if in.Msg.Parse(in.Data, true) != nil {
			panic("it does not parse")
		}
	}
}

// full is a UDP port with so many batches.
type full struct {
	batchOf
	text [batch]string
	left int
}

func (f *full) outlet() outlet { return f }

func (f *full) read(bufs [][]byte, sizes []int, sources []netip.AddrPort) (int, error) {
	if f.left--; f.left < 0 {
		return 0, net.ErrClosed
	}
	f.came = f.text[:]
	return f.batchOf.read(bufs, sizes, sources)
}

// A node serves as many datagrams as its processors do: an operation is 64.
func BenchmarkDatagrams_Hands(b *testing.B) {
	for _, hands := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(hands), func(b *testing.B) {
			f := &full{left: b.N}
			for i := range f.text {
				f.text[i] = fmt.Sprintf("INVITE sip:1001@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\nFrom: <sip:1002@example.com>;tag=12345\r\nTo: <sip:1001@example.com>\r\nCall-ID: %d@192.0.2.1\r\nCSeq: 1 INVITE\r\nContact: <sip:1002@192.0.2.1>\r\nContent-Length: 0\r\n\r\n", i, i)
			}
			d := newDatagrams(f, hands, work{}, func(func()) bool { return true }, func(uint32, bool, netip.AddrPort) {})
			b.ResetTimer()
			_, _, _ = d.ReadFrom(make([]byte, 10))
		})
	}
}

func BenchmarkDealer(b *testing.B) {
	d := dealer{seed: maphash.MakeSeed()}
	text := []byte("INVITE sip:1001@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1234567\r\nMax-Forwards: 70\r\nFrom: <sip:1002@example.com>;tag=12345\r\nTo: <sip:1001@example.com>\r\nCall-ID: 12345678@192.0.2.1\r\nCSeq: 1 INVITE\r\n\r\n")
	for b.Loop() {
		d.begin()
		for i := range batch {
			d.put(i, text)
		}
	}
}
