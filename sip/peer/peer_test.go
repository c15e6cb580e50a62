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
	"sync/atomic"
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

// TestPort_WhoLeavesTheRosterLosesItsStreams at once.
func TestPort_WhoLeavesTheRosterLosesItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := two(newSite(t, memory))
		a.SetPeers(nil)
		synctest.Wait()
		if n := b.Standing()["a"]; n != 0 {
			t.Errorf("%d streams stand", n)
		}
		if err := a.Send("b", 0, []byte("x")); !errors.Is(err, errNone) {
			t.Error(err)
		}
		<-time.After(time.Minute)
		if n := b.Standing()["a"]; n != 0 || len(a.Peers()) != 0 {
			t.Errorf("%d streams stand again", n)
		}
	})
}

// TestPort_EachIsAnswered: who said something is known, among several.
func TestPort_EachIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memory)
		nodes := map[dn.Node]*node{"a": s.node("a", "b", "c"), "b": s.node("b", "a", "c"), "c": s.node("c", "a", "b")}
		<-time.After(time.Second)
		synctest.Wait()
		for id, n := range nodes {
			for other := range nodes {
				if other != id {
					n.says(other, 7, string(id+" to "+other))
				}
			}
		}
		synctest.Wait()
		for id, n := range nodes {
			for other := range nodes {
				if other != id {
					n.gets(other, string(other+" to "+id))
				}
			}
		}
	})
}

// TestPort_HoldGathers: one write a stream, when the last lets go.
func TestPort_HoldGathers(t *testing.T) {
	s := newSite(t, loopback)
	var writes atomic.Int64
	s.pair = func() (net.Conn, net.Conn, error) {
		ours, theirs, err := loopback()
		return &counting{Conn: ours, n: &writes}, theirs, err
	}
	a, b := two(s)
	before := writes.Load()
	a.Hold()
	a.Hold()
	var want []string
	for i := range 30 {
		m := fmt.Sprint(i)
		want = append(want, m)
		a.says("b", uint16(i%3), m)
	}
	a.Release()
	if len(b.from("a")) > 0 || writes.Load() != before {
		t.Error("it did not wait for the other")
	}
	a.Release()
	b.gets("a", want...)
	if n := writes.Load() - before; n != 3 { // of as many groups, where nobody knows what has arrived
		t.Errorf("%d writes", n)
	}
	a.says("b", 0, "alone")
	b.gets("a", append(want, "alone")...)
}

// counting counts the writes of a connection that says nothing of what is below.
type counting struct {
	net.Conn
	n *atomic.Int64
}

// Write implements net.Conn.
func (c *counting) Write(b []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(b)
}

// TestPort_ManySendAtATime, and hold while they do.
func TestPort_ManySendAtATime(t *testing.T) {
	over(t, func(t *testing.T, s *site) {
		a, b := two(s)
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				for i := range 200 {
					a.Hold()
					if err := a.Send("b", uint16(g*7+i), []byte("m")); err != nil {
						t.Error(err)
					}
					a.Release()
				}
			})
		}
		patience.Ended("all have sent", all.Wait)
		patience.Until(t, "all have arrived", func() bool { return len(b.from("a")) == 1600 })
	})
}

// TestServe_RefusesWhomItDoesNotExpect, with a word.
func TestServe_RefusesWhomItDoesNotExpect(t *testing.T) {
	for name, x := range map[string]struct {
		greeting string
		from     dn.Node // by the certificate
		want     string  // the answer; "" for none
	}{
		"welcome":                  {"\x01\x00\x01a\x01b", "", "\x00"},
		"by its certificate":       {"\x01\x00\x01a\x01b", "a", "\x00"},
		"another version":          {"\x02\x00", "", "\x01"},
		"for another node":         {"\x01\x00\x01a\x01c", "", "\x02"},
		"not in the roster":        {"\x01\x00\x01x\x01b", "", "\x03"},
		"another's certificate":    {"\x01\x00\x01a\x01b", "c", "\x03"},
		"who is to be dialled":     {"\x01\x00\x01c\x01b", "", "\x04"},
		"a slot that is none":      {"\x01\xff\x01a\x01b", "", "\x04"},
		"an id of no length":       {"\x01\x00\x00\x01b", "", ""},
		"an id that is too long":   {"\x01\x00\x41", "", ""},
		"half a greeting, no more": {"\x01\x00\x01", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSite(t, memory).node("b", "a", "c")
				ours, theirs := net.Pipe()
				defer ours.Close()
				go b.Serve(theirs, x.from)
				go func() { _, _ = ours.Write([]byte(x.greeting)) }()
				buf := make([]byte, 2)
				_ = ours.SetReadDeadline(time.Now().Add(2 * greetTime))
				n, err := ours.Read(buf)
				if string(buf[:n]) != x.want || (err != nil) != (x.want == "") {
					t.Fatalf("answered %q, %v", buf[:n], err)
				}
				synctest.Wait()
				if stands := b.Standing()["a"] == 1; stands != (x.want == "\x00") {
					t.Errorf("%v", b.Standing())
				}
			})
		})
	}
}

// TestServe_ALengthThatIsTooGreatEndsTheStream: nothing behind it can be found.
func TestServe_ALengthThatIsTooGreatEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSite(t, memory).node("b", "a")
		ours, theirs := net.Pipe()
		defer ours.Close()
		go b.Serve(theirs, "")
		if err := (greeting{0, "a", "b"}).dialled(ours); err != nil {
			t.Fatal(err)
		}
		frames := binary.BigEndian.AppendUint32(appendFrame(nil, []byte("good")), MaxMessage+1)
		if _, err := ours.Write(frames); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.gets("a", "good")
		if n := b.Standing()["a"]; n != 0 {
			t.Errorf("%d streams stand", n)
		}
	})
}

// TestServe_ANewStreamTakesTheSlotOfTheOld: who dials knows that that has ended.
func TestServe_ANewStreamTakesTheSlotOfTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSite(t, memory).node("b", "a")
		var last net.Conn
		for range 3 {
			ours, theirs := net.Pipe()
			defer ours.Close()
			go b.Serve(theirs, "")
			if err := (greeting{4, "a", "b"}).dialled(ours); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			last = ours
		}
		synctest.Wait()
		if n := b.Standing()["a"]; n != 1 {
			t.Errorf("%d streams stand", n)
		}
		b.says("a", 4, "to the new one")
		buf := make([]byte, 64)
		n, err := last.Read(buf)
		if err != nil || string(buf[frameHead:n]) != "to the new one" {
			t.Errorf("%q, %v", buf[:n], err)
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

// TestPort_RenewOpensEachStreamAnew, by either side, while others stand.
func TestPort_RenewOpensEachStreamAnew(t *testing.T) {
	for _, by := range []string{"who dials", "who is dialled"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, memory)
				a, b := two(s)
				renews := a
				if by == "who is dialled" {
					renews = b
				}
				dialled, done := len(s.open), make(chan struct{})
				go func() {
					defer close(done)
					renews.Renew(t.Context())
				}()
				for going := true; going; {
					select {
					case <-done:
						going = false
					case <-time.After(minPause / 10):
					}
					synctest.Wait() // who is dialled takes a stream in a moment later
					if x, y := a.Standing()["b"], b.Standing()["a"]; min(x, y) < Streams-1 {
						t.Fatalf("%d and %d streams stand meanwhile", x, y)
					}
				}
				synctest.Wait()
				if n := len(s.open) - dialled; n != Streams {
					t.Errorf("%d streams are new", n)
				}
				if n := a.Standing()["b"]; n != Streams {
					t.Errorf("%d streams stand in the end", n)
				}
			})
		})
	}
}
