package trace

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// text is a message of a call.
func text(start, callID, cseq string) []byte {
	return []byte(start + "\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=a\r\nTo: <sip:b@h>\r\n" +
		"Call-ID: " + callID + "\r\nCSeq: " + cseq + "\r\nProxy-Authorization: Digest username=\"a\", response=\"geheim\"\r\nContent-Length: 6\r\n\r\nsecret")
}

func parsed(t testing.TB, b []byte) *message.Message {
	t.Helper()
	m := &message.Message{}
	if err := m.Parse(b, true); err != nil {
		t.Fatal(err)
	}
	return m
}

// clock tells a time that is one millisecond later each time.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Millisecond)
	return c.at
}

func newLog() *Log {
	return New(Least, (&clock{at: time.Unix(1000, 0)}).now)
}

var phone = Way{Transport: location.TLS, Addr: netip.MustParseAddrPort("[2001:db8::1]:5061")}

func TestLog_WhatWentThrough(t *testing.T) {
	l := newLog()
	gateway := Way{Transport: location.UDP, Addr: netip.MustParseAddrPort("192.0.2.9:5060")}
	invite := text("INVITE sip:7000:pass@example.org;user=phone SIP/2.0", "one@h", "7 INVITE")
	l.Received(parsed(t, invite), gateway)
	l.Name([]byte("one@h"), "00000000000000aa")
	l.Sent(text("SIP/2.0 100 Trying", "one@h", "7 INVITE"), gateway)
	l.Sent(text("INVITE sip:1001@10.0.0.1:5061;ob SIP/2.0", "other@h", "7 INVITE"), phone)
	l.Sent(text("INVITE sip:1001@n2 SIP/2.0", "one@h", "7 INVITE"), Way{Peer: "n2"})
	l.Received(parsed(t, text("SIP/2.0 486 Busy \xff Here", "one@h", "7 INVITE")), Way{Peer: "n2"})
	l.Sent(text("ACK sip:1001@n2 SIP/2.0", "one@h", "7 ACK"), Way{Peer: "n2"})

	ms := func(n int64) int64 { return time.Unix(1000, n*1e6).UnixNano() }
	want := Trace{CallID: "one@h", Conn: "00000000000000aa", Entries: []Entry{
		{Time: ms(1), Way: gateway, Method: "INVITE", CSeq: 7, URI: "sip:7000@example.org", Size: len(invite)},
		{Time: ms(3), Sent: true, Way: gateway, Method: "INVITE", CSeq: 7, Code: 100, Reason: "Trying", Size: len(text("SIP/2.0 100 Trying", "one@h", "7 INVITE"))},
		{Time: ms(5), Sent: true, Way: Way{Peer: "n2"}, Method: "INVITE", CSeq: 7, URI: "sip:1001@n2", Size: len(text("INVITE sip:1001@n2 SIP/2.0", "one@h", "7 INVITE"))},
		{Time: ms(6), Way: Way{Peer: "n2"}, Method: "INVITE", CSeq: 7, Code: 486, Reason: "Busy \uFFFD Here", Size: len(text("SIP/2.0 486 Busy \xff Here", "one@h", "7 INVITE"))},
		{Time: ms(7), Sent: true, Way: Way{Peer: "n2"}, Method: "ACK", CSeq: 7, URI: "sip:1001@n2", Size: len(text("ACK sip:1001@n2 SIP/2.0", "one@h", "7 ACK"))},
	}}
	for _, call := range []string{"one@h", "00000000000000aa"} {
		if got := l.Of(call); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v, want\n%+v", call, got, want)
		}
	}
	if got := l.Of("other@h"); len(got.Entries) != 1 || got.Entries[0].Way != phone || got.Conn != "" {
		t.Errorf("the other call: %+v", got)
	}
	if got := l.Of("nobody"); got.Entries != nil || got.CallID != "" || got.Since != 0 {
		t.Errorf("nobody's call: %+v", got)
	}
}

func TestLog_IsNotForWhatIsNoCall(t *testing.T) {
	l := newLog()
	for _, method := range []string{"OPTIONS", "REGISTER", "SUBSCRIBE", "PUBLISH"} {
		l.Received(parsed(t, text(method+" sip:h SIP/2.0", "x", "1 "+method)), phone)
		l.Sent(text("SIP/2.0 200 OK", "x", "1 "+method), phone)
	}
	if got := l.Of("x"); len(got.Entries) > 0 || l.Size() != 0 {
		t.Errorf("%d bytes, %+v", l.Size(), got)
	}
	var none *Log
	none.Received(parsed(t, text("BYE sip:h SIP/2.0", "x", "1 BYE")), phone)
	none.Sent(text("BYE sip:h SIP/2.0", "x", "1 BYE"), phone)
	none.Name([]byte("x"), "c")
	if got := none.Of("x"); got.Entries != nil || none.Size() != 0 {
		t.Errorf("without a log: %+v", got)
	}
}

// Whatever the call sends, its messages fit, and none of its secrets is in what is kept.
func TestLog_KeepsNoSecretAndNoMoreThanFits(t *testing.T) {
	l := newLog()
	long := strings.Repeat("x", 3000)
	for _, start := range []string{
		"INVITE sip:a:geheim@h SIP/2.0", "INVITE sip:" + long + ":geheim@" + long + " SIP/2.0", "INVITE sip:a@h;token=geheim SIP/2.0", "INVITE sip:a@h?Authorization=geheim SIP/2.0",
		"INVITE sips:a?x:geheim@h SIP/2.0", "INVITE tel:+1;geheim SIP/2.0", strings.ToUpper(long) + " sip:h SIP/2.0", "SIP/2.0 486 " + long,
	} {
		for _, id := range []string{"i", long} {
			b := text(start, id, "4294967295 INVITE")
			l.Sent(b, Way{Peer: "a-node-with-a-long-name"})
			l.Name([]byte(id), "00000000000000ab")
			l.Received(parsed(t, b), phone)
		}
	}
	for i := range l.rings {
		for _, p := range l.rings[i].pages {
			if strings.Contains(string(p), "geheim") || strings.Contains(string(p), "secret") {
				t.Errorf("a secret is kept: %q", p)
			}
		}
	}
	if got := l.Of(long); len(got.Entries) == 0 || got.CallID != long[:maxText] {
		t.Errorf("%+v", got)
	}
}

// What the log tells of a call is the end of what was told it, whatever went through
// meanwhile, and Since is the time from which on that is all.
func TestLog_OldestMakeRoom(t *testing.T) {
	l := newLog()
	told := map[string][]Entry{}
	at := time.Unix(1000, 0)
	for range 60_000 {
		id := fmt.Sprint("call-", rand.IntN(40))
		method := "INFO"
		if rand.IntN(3) == 0 {
			method = "REFER" + strings.Repeat("x", rand.IntN(20))
		}
		l.Sent(text(method+" sip:"+strings.Repeat("u", rand.IntN(100))+"@h SIP/2.0", id, "1 "+method), phone)
		at = at.Add(time.Millisecond)
		told[id] = append(told[id], Entry{Time: at.UnixNano(), Method: method})
	}
	if size := l.Size(); size > Least {
		t.Errorf("%d bytes, %d may be", size, Least)
	}
	dropped := false
	for id, all := range told {
		got := l.Of(id)
		n := len(got.Entries)
		dropped = dropped || n < len(all)
		if n == 0 || n > len(all) {
			t.Fatalf("%s: %d of %d", id, n, len(all))
		}
		for i, e := range all[len(all)-n:] {
			if g := got.Entries[i]; g.Time != e.Time || g.Method != e.Method {
				t.Fatalf("%s, entry %d: %+v, want %+v", id, i, g, e)
			}
		}
		for _, e := range all[:len(all)-n] {
			if e.Time >= got.Since {
				t.Fatalf("%s: all from %d is there, but not %d", id, got.Since, e.Time)
			}
		}
	}
	if !dropped {
		t.Fatal("nothing made room")
	}
}

func TestLog_ManyMessagesOfACall(t *testing.T) {
	l := New(64<<20, nil)
	for range MaxEntries + 1 {
		l.Sent(text("INFO sip:h SIP/2.0", "x", "1 INFO"), phone)
	}
	if got := l.Of("x"); len(got.Entries) != MaxEntries || !got.Cut {
		t.Errorf("%d, cut: %v", len(got.Entries), got.Cut)
	}
}

func TestLog_IsReadWhileItIsWritten(t *testing.T) {
	l := newLog()
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w := range 2 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					l.Sent(text("INFO sip:u@h SIP/2.0", fmt.Sprint("c", w, i%50), "1 INFO"), phone)
				}
			}
		})
	}
	for range 200 {
		for _, e := range l.Of("c07").Entries {
			if e.Method != "INFO" || e.URI != "sip:u@h" || e.Way != phone {
				t.Fatalf("%+v", e)
			}
		}
		l.Of("no-such-conn")
	}
	close(stop)
	all.Wait()
}

func TestGlance(t *testing.T) {
	for _, c := range []struct {
		b    string
		want string
	}{
		{"BYE sip:a@b SIP/2.0\r\nCSeq: 3 BYE\r\ni : x\r\n\r\n", "BYE sip:a@b 0 x 3 true"},
		{"BYE sip:a@b SIP/2.0\r\nContact: c\r\nCALL-id:x y\r\ncseq:\t3 BYE\r\n\r\nCall-ID: z", "BYE sip:a@b 0 x y 3 true"},
		{"SIP/2.0 180 \r\nCall-ID: x\r\nCSeq: 3 INVITE\r\n\r\n", "INVITE  180 x 3 true"},
		{"SIP/2.0 180\r\nCall-ID: x\r\nCSeq: 3 INVITE\r\n\r\n", "INVITE  180 x 3 true"},
		{"SIP/2.0 180 Ringing\r\nCall-ID: x\r\n\r\nCSeq: 3 INVITE", " Ringing 180 x 0 false"},
		{"BYE sip:a@b SIP/2.0\r\n\r\nCall-ID: z\r\nCSeq: 3 BYE", "BYE sip:a@b 0  0 false"},
		{"", "  0  0 false"}, {"\r\n\r\n", "  0  0 false"}, {"SIP/2.0 ", "SIP/2.0  0  0 false"},
	} {
		g, ok := glance([]byte(c.b))
		if got := fmt.Sprintf("%s %s %d %s %d %v", g.method, g.text, g.code, g.callID, g.cseq, ok); got != c.want {
			t.Errorf("%q: %q, want %q", c.b, got, c.want)
		}
	}
}

func BenchmarkLog(b *testing.B) {
	raw := text("INVITE sip:1001@192.0.2.7:5060;ob SIP/2.0", "a84b4c76e66710@pc33.example.org", "314159 INVITE")
	b.Run("sent", func(b *testing.B) {
		l := New(16<<20, nil)
		b.ReportAllocs()
		for b.Loop() {
			l.Sent(raw, phone)
		}
	})
	b.Run("received", func(b *testing.B) {
		l, m := New(16<<20, nil), parsed(b, raw)
		b.ReportAllocs()
		for b.Loop() {
			l.Received(m, phone)
		}
	})
	b.Run("look/16MiB", func(b *testing.B) {
		l := New(16<<20, nil)
		for i := range 300_000 {
			l.Sent(text("INVITE sip:1001@192.0.2.7 SIP/2.0", fmt.Sprint(i), "1 INVITE"), phone)
		}
		for b.Loop() {
			l.Of("00000000000000aa")
		}
	})
}
