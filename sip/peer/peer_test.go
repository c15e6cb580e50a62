package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// over runs a test over each kind of connection.
func over(t *testing.T, f func(t *testing.T, s *site)) {
	for name, pair := range map[string]func() (ours, theirs net.Conn, err error){"in clear": loopback, "sealed": sealed(t), "of others": dialled, "in memory": memory} {
		t.Run(name, func(t *testing.T) { f(t, newSite(t, pair)) })
	}
}

// TestPair_AllArrivesInOrder: of any length, both ways, in the order of each slot.
func TestPair_AllArrivesInOrder(t *testing.T) {
	over(t, func(t *testing.T, s *site) {
		a, b := two(s)
		var want [Streams][]string
		for i := range 60 {
			for slot := range uint16(Streams) {
				length := (i * 37) % 3000
				if i == 30 {
					length = 12000
				}
				m := fmt.Sprintf("%d.%d.%s", slot, i, strings.Repeat("x", length))
				want[slot] = append(want[slot], m)
				a.says("b", slot, m)
				b.says("a", slot, m)
			}
		}
		for _, way := range []struct {
			to   *node
			from dn.Node
		}{{b, "a"}, {a, "b"}} {
			patience.Until(t, "all have arrived", func() bool { return len(way.to.from(way.from)) == 60*Streams })
			var got [Streams][]string
			for _, m := range way.to.from(way.from) {
				var slot int
				if _, err := fmt.Sscanf(m, "%d.", &slot); err != nil {
					t.Fatalf("%.40q: %v", m, err)
				}
				got[slot] = append(got[slot], m)
			}
			for slot := range got {
				if !slices.Equal(got[slot], want[slot]) {
					t.Errorf("slot %d from %s: another order, or other texts", slot, way.from)
				}
			}
		}
	})
}

func TestPair_ALongMessagePasses(t *testing.T) {
	over(t, func(t *testing.T, s *site) {
		a, b := two(s)
		long := strings.Repeat("a", MaxMessage)
		a.says("b", 3, "before")
		a.says("b", 3, long)
		a.says("b", 3, "behind")
		b.gets("a", "before", long, "behind")
		if err := a.Send("b", 3, []byte(long+"x")); !errors.Is(err, errTooLong) {
			t.Error(err)
		}
	})
}

// TestPair_AStalledStreamHoldsUpNoOther: who sends is told when it is full, and never waits;
// what was taken arrives when it goes on.
func TestPair_AStalledStreamHoldsUpNoOther(t *testing.T) {
	over(t, func(t *testing.T, s *site) {
		b := s.node("b", "a")
		var lines, served [Streams]net.Conn
		for slot := range lines {
			ours, theirs, err := s.pair()
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			go b.Serve(theirs, "")
			if err := (greeting{uint8(slot), "a", "b"}).dialled(ours); err != nil {
				t.Fatal(err)
			}
			lines[slot], served[slot] = ours, theirs
		}
		b.stands("a", Streams)
		for _, c := range served {
			patient(t, c)
		}
		message, sent := strings.Repeat("s", 8000), 0
		var err error
		patience.Ended("the sender is told that the stream is full", func() {
			for err = b.Send("a", 5, []byte(message)); err == nil; err = b.Send("a", 5, []byte(message)) {
				sent++
			}
		})
		if q := b.Queued(); q > MaxQueued || !errors.Is(err, errFull) {
			t.Errorf("%d bytes wait, %v", q, err)
		}
		var others []string
		for group := range uint16(Streams) {
			if group != 5 {
				others = append(others, fmt.Sprintf("by %d", group))
				b.says("a", group, others[len(others)-1])
			}
		}
		far := &far{goOn: make(chan struct{}), stalls: message}
		for _, c := range lines {
			go far.read(c)
		}
		patience.Until(t, "the others arrive", func() bool { return far.has(others, 0) })
		close(far.goOn)
		b.says("a", 5, "and goes on")
		patience.Until(t, "all arrives", func() bool { return far.has(append(others, "and goes on"), sent) && b.Queued() == 0 })
	})
}

// patient has the kernel wait as long as the test for an end that takes nothing.
func patient(t *testing.T, c net.Conn) {
	t.Helper()
	s := below(c)
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0); err != nil {
		t.Fatal(err)
	}
}

// far is the other end of some connections.
type far struct {
	stalls string // a connection where this comes is not read until goOn is closed
	goOn   chan struct{}

	mu   sync.Mutex
	got  []string
	many int // of those that stall
}

func (f *far) read(c net.Conn) {
	for head := make([]byte, frameHead); ; {
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		text := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(c, text); err != nil {
			return
		}
		if string(text) == f.stalls {
			<-f.goOn
			f.mu.Lock()
			f.many++
		} else {
			f.mu.Lock()
			f.got = append(f.got, string(text))
		}
		f.mu.Unlock()
	}
}

// has tells what has arrived, but for the order.
func (f *far) has(want []string, many int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := slices.Clone(f.got)
	slices.Sort(got)
	want = slices.Clone(want)
	slices.Sort(want)
	return f.many == many && slices.Equal(got, want)
}

// TestPair_AnotherStreamTakesThePlaceOfOneThatEnded, both sides are told, and the one that
// ended comes again.
func TestPair_AnotherStreamTakesThePlaceOfOneThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memory)
		a, b := two(s)
		<-time.After(time.Second)
		before := [2]int{a.told(), b.told()}
		s.end(3)
		synctest.Wait()
		var want []string
		for slot := range uint16(Streams) {
			m := fmt.Sprintf("by %d", slot)
			want = append(want, m)
			a.says("b", slot, m)
			b.says("a", slot, m)
		}
		synctest.Wait()
		if n := a.Standing()["b"]; n != Streams-3 {
			t.Errorf("%d streams stand", n)
		}
		b.gets("a", want...)
		a.gets("b", want...)
		<-time.After(togetherEnd)
		synctest.Wait()
		if now := [2]int{a.told(), b.told()}; now != [2]int{before[0] + 1, before[1] + 1} {
			t.Errorf("told %v times, before %v", now, before)
		}
		<-time.After(2 * minPause)
		synctest.Wait()
		if n := a.Standing()["b"]; n != Streams {
			t.Errorf("%d streams stand again", n)
		}
	})
}

// TestPair_WithoutAStream: refused at once, but for a moment after the peer was heard of.
func TestPair_WithoutAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memory)
		b := s.node("b", "a", "c")
		if b.says("a", 1, "early"); !b.Stands("a") {
			t.Error("nothing would wait")
		}
		<-time.After(hopeFor / 2)
		a := s.node("a", "b")
		synctest.Wait()
		a.gets("b", "early")
		<-time.After(hopeFor)
		synctest.Wait()
		told := b.told()
		if err := b.Send("c", 1, []byte("x")); !errors.Is(err, errNone) || b.Stands("c") {
			t.Errorf("who never came: %v", err)
		}
		a.stop()
		synctest.Wait()
		if err := b.Send("a", 1, []byte("x")); !errors.Is(err, errNone) || b.Stands("a") {
			t.Errorf("who left: %v", err)
		}
		if err := b.Send("d", 1, []byte("x")); !errors.Is(err, errNone) {
			t.Errorf("who is none: %v", err)
		}
		<-time.After(time.Second)
		if b.told() == told {
			t.Error("nobody was told")
		}
		b.Expect("a")
		b.says("a", 2, "in vain")
		told = b.told()
		<-time.After(hopeFor + 2*togetherEnd)
		synctest.Wait()
		if b.told() == told || b.Queued() != 0 {
			t.Errorf("what waited in vain: told %d times, %d bytes wait", b.told()-told, b.Queued())
		}
	})
}

// TestPair_WhatWaitsIsBounded.
func TestPair_WhatWaitsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSite(t, memory).node("b", "a")
		m := []byte(strings.Repeat("x", 1000))
		n := 0
		for b.Send("a", 1, m) == nil {
			n++
		}
		if n != MaxQueued/1000 || b.Queued() > MaxQueued {
			t.Errorf("%d messages wait, %d bytes", n, b.Queued())
		}
	})
}

// TestPair_APeerThatIsAwayIsDialledByOneOfTheStreams, and all are there soon after it is.
func TestPair_APeerThatIsAwayIsDialledByOneOfTheStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memory)
		a, b := two(s)
		b.stop()
		<-time.After(time.Second)
		s.mu.Lock()
		before := s.dials
		s.mu.Unlock()
		<-time.After(10 * maxPause)
		s.mu.Lock()
		dials := s.dials - before
		s.mu.Unlock()
		if dials < 9 || dials > 11 {
			t.Errorf("dialled %d times in %v", dials, 10*maxPause)
		}
		b = s.node("b", "a")
		a.Expect("b") // it is heard
		synctest.Wait()
		if n := b.Standing()["a"]; n != Streams {
			t.Errorf("%d streams stand at once", n)
		}
	})
}

// TestGroup_DealsCallsOut: about as many to each stream where none is free, and the same from
// either side.
func TestGroup_DealsCallsOut(t *testing.T) {
	var count [Streams]int
	const calls = 16000
	for i := range calls {
		id := fmt.Sprintf("%d-call@host", i)
		group := Group([]byte(id))
		if again := Group([]byte(id)); again != group {
			t.Fatalf("group %d, then %d", group, again)
		}
		count[group%Streams]++
	}
	if most := slices.Max(count[:]); most > calls/8 || slices.Min(count[:]) < calls/Streams/2 {
		t.Errorf("%v", count)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, []byte("a")), []byte("bc")), 3)
	f.Add([]byte("\xff\xff\xff\xff"), 2)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		whole, rest, _ := cutFrames(data, nil)
		var again []byte
		for _, m := range whole {
			again = appendFrame(again, m)
		}
		if string(again)+string(rest) != string(data) {
			t.Fatal("other bytes")
		}
		if at < 0 || at > len(data) {
			return
		}
		// In two pieces it is the same.
		first, left, _ := cutFrames(data[:at], nil)
		second, _, _ := cutFrames(append(slices.Clone(left), data[at:]...), nil)
		if len(first)+len(second) != len(whole) {
			t.Fatalf("%d and %d messages, of %d", len(first), len(second), len(whole))
		}
	})
}
