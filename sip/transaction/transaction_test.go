package transaction

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

// wire notes what is sent, and when.
type wire struct {
	reliable bool
	resent   bool // over streams of which one may end
	start    time.Time

	mu   sync.Mutex
	sent []string // "ms first-line"
	fail error
}

func (w *wire) Reliable() bool { return w.reliable }

// Resent implements Sender.
func (w *wire) Resent() bool { return w.resent || !w.reliable }

func (w *wire) Send(b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	line, _, _ := strings.Cut(string(b), "\r\n")
	w.sent = append(w.sent, fmt.Sprintf("%d %s", time.Since(w.start).Milliseconds(), strings.Fields(line)[0]+" "+strings.Fields(line)[1]))
	return w.fail
}

func (w *wire) want(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.sent, want) {
		t.Errorf("sent %q, want %q", w.sent, want)
	}
	w.sent = nil
}

func request(method string) []byte {
	return []byte(method + " sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@b>\r\nCall-ID: c\r\nCSeq: 1 " + method + "\r\nContent-Length: 0\r\n\r\n")
}

func response(t *testing.T, code int, method string) *message.Message {
	t.Helper()
	var m message.Message
	text := fmt.Sprintf("SIP/2.0 %d X\r\nVia: SIP/2.0/UDP p;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n", code, method)
	if err := m.Parse([]byte(text), true); err != nil || m.Fault != nil {
		t.Fatal(err, m.Fault)
	}
	return &m
}

// heard are the codes a client was told, and "timeout".
type heard struct {
	mu    sync.Mutex
	codes []string
}

func (h *heard) on(res *message.Message, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case errors.Is(err, ErrTimeout):
		h.codes = append(h.codes, "timeout")
	case err != nil:
		h.codes = append(h.codes, "unsent")
	default:
		h.codes = append(h.codes, fmt.Sprint(res.Status))
	}
}

func (h *heard) want(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.codes, want) {
		t.Errorf("heard %q, want %q", h.codes, want)
	}
}

// run gives a test a layer, locked, whose transactions have all ended afterwards.
func run(t *testing.T, reliable bool, f func(t *testing.T, l *Layer, w *wire)) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLayers(2, Timers{}, func(x any) { panic(x) })[1]
		l.Lock()
		defer l.Unlock()
		f(t, l, &wire{reliable: reliable, start: time.Now()})
		wait(l, 2*time.Minute)
		if n := l.Len(); n != 0 {
			t.Errorf("%d transactions are left", n)
		}
	})
}

// wait leaves the layer alone for that time.
func wait(l *Layer, d time.Duration) {
	l.Unlock()
	<-time.After(d) // of the bubble
	synctest.Wait()
	l.Lock()
}

func send(t *testing.T, l *Layer, w *wire, method string, h *heard) *Client {
	t.Helper()
	c, err := l.Send("z9hG4bKa", method, w, request(method), h.on)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClient_AnINVITEThatNobodyAnswers(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		var h heard
		send(t, l, w, "INVITE", &h)
		wait(l, 40*time.Second)
		w.want(t, "0 INVITE sip:x@h", "500 INVITE sip:x@h", "1500 INVITE sip:x@h", "3500 INVITE sip:x@h", "7500 INVITE sip:x@h", "15500 INVITE sip:x@h", "31500 INVITE sip:x@h")
		h.want(t, "timeout")
	})
}

func TestClient_AnINVITEThatIsRefused(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		var h heard
		send(t, l, w, "INVITE", &h)
		for _, code := range []int{100, 180, 486, 486} {
			l.Response([]byte("z9hG4bKa"), response(t, code, "INVITE"))
		}
		w.want(t, "0 INVITE sip:x@h", "0 ACK sip:x@h", "0 ACK sip:x@h")
		h.want(t, "100", "180", "486")
	})
}

func TestClient_Each2xxIsTold(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		var h heard
		send(t, l, w, "INVITE", &h)
		for _, code := range []int{200, 200, 486, 180} {
			l.Response([]byte("z9hG4bKa"), response(t, code, "INVITE"))
		}
		w.want(t, "0 INVITE sip:x@h")
		h.want(t, "200", "200")
	})
}

func TestClient_CANCELWaitsForAProvisionalResponse(t *testing.T) {
	run(t, true, func(t *testing.T, l *Layer, w *wire) {
		var h heard
		c := send(t, l, w, "INVITE", &h)
		c.Cancel()
		w.want(t, "0 INVITE sip:x@h")
		l.Response([]byte("z9hG4bKa"), response(t, 100, "INVITE"))
		c.Cancel()
		w.want(t, "0 CANCEL sip:x@h")
		l.Response([]byte("z9hG4bKa"), response(t, 200, "CANCEL"))
		l.Response([]byte("z9hG4bKa"), response(t, 487, "INVITE"))
		w.want(t, "0 ACK sip:x@h")
		h.want(t, "100", "487")
	})
}

func TestClient_ACANCELThatIsNotHeeded(t *testing.T) {
	run(t, true, func(t *testing.T, l *Layer, w *wire) {
		var h heard
		c := send(t, l, w, "INVITE", &h)
		l.Response([]byte("z9hG4bKa"), response(t, 180, "INVITE"))
		c.Cancel()
		wait(l, 33*time.Second)
		h.want(t, "180", "timeout")
	})
}

func TestClient_ABYEIsRepeatedEvenAfterAProvisionalResponse(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		var h heard
		send(t, l, w, "BYE", &h)
		l.Response([]byte("z9hG4bKa"), response(t, 100, "BYE"))
		wait(l, 5*time.Second)
		w.want(t, "0 BYE sip:x@h", "500 BYE sip:x@h", "4500 BYE sip:x@h")
		l.Response([]byte("z9hG4bKa"), response(t, 200, "BYE"))
		l.Response([]byte("z9hG4bKa"), response(t, 200, "BYE"))
		h.want(t, "100", "200")
	})
}

func TestClient_ANetworkThatRefusesLeavesNothing(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		w.fail = errors.New("no")
		if _, err := l.Send("b", "INVITE", w, request("INVITE"), nil); err == nil || l.Len() != 0 {
			t.Error(err, l.Len())
		}
	})
}

func TestServer_AFailureIsRepeatedUntilItsACK(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		s := l.Open(Key{1}, true, w, nil)
		if again, found := l.Find(Key{1}); !found || again != s {
			t.Fatal("the transaction is not found")
		}
		if err := s.Respond(486, []byte("SIP/2.0 486 X\r\n")); err != nil {
			t.Fatal(err)
		}
		wait(l, 2*time.Second)
		w.want(t, "0 SIP/2.0 486", "500 SIP/2.0 486", "1500 SIP/2.0 486")
		if first, again := s.Ack(), s.Ack(); !first || !again {
			t.Error("the ACK is not its")
		}
		wait(l, 10*time.Second)
		w.want(t)
	})
}

// What took a connection needs no repetition: timer G is for datagrams. A failure
// that is faster than the 100 leaves no alarm of that either.
func TestServer_AFailureOverAConnectionIsSentOnce(t *testing.T) {
	for _, after := range []time.Duration{0, trying100 / 2, 2 * trying100} {
		run(t, true, func(t *testing.T, l *Layer, w *wire) {
			s := l.Open(Key{1}, true, w, nil)
			wait(l, after)
			_ = s.Respond(488, []byte("SIP/2.0 488 X\r\n"))
			wait(l, 10*time.Second)
			w.want(t, fmt.Sprint(after.Milliseconds(), " SIP/2.0 488"))
			s.Terminate()
		})
	}
}

func TestServer_AnINVITEThatCameAgain(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		s := l.Open(Key{1}, true, w, nil)
		s.Repeat()
		_ = s.Respond(180, []byte("SIP/2.0 180 X\r\n"))
		s.Repeat()
		_ = s.Respond(200, []byte("SIP/2.0 200 X\r\n"))
		s.Repeat() // the proxy passes the phone's repetitions
		if s.Ack() || !s.Accepted() {
			t.Error("the ACK of a 2xx is end to end")
		}
		if err := s.Respond(200, []byte("SIP/2.0 200 X\r\n")); err != nil {
			t.Error(err)
		}
		if err := s.Respond(486, nil); !errors.Is(err, ErrOver) {
			t.Error(err)
		}
		w.want(t, "0 SIP/2.0 180", "0 SIP/2.0 180", "0 SIP/2.0 200", "0 SIP/2.0 200")
	})
}

// caller writes the 100 of its INVITE.
type caller struct{}

func (caller) Trying() []byte { return []byte("SIP/2.0 100 X\r\n") }

func TestServer_AnINVITEThatNothingComesBackOfIsAnswered100(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		s := l.Open(Key{1}, true, w, caller{})
		wait(l, 2*time.Second)
		s.Repeat()
		w.want(t, "200 SIP/2.0 100", "2000 SIP/2.0 100")
		_ = s.Respond(200, []byte("SIP/2.0 200 X\r\n"))
		quick := l.Open(Key{2}, true, w, caller{})
		_ = quick.Respond(180, []byte("SIP/2.0 180 X\r\n"))
		wait(l, time.Second)
		w.want(t, "2000 SIP/2.0 200", "2000 SIP/2.0 180")
		_ = quick.Respond(200, []byte("SIP/2.0 200 X\r\n"))
	})
}

func TestServer_ABYEThatCameAgain(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		s := l.Open(Key{1}, false, w, nil)
		_ = s.Respond(200, []byte("SIP/2.0 200 X\r\n"))
		s.Repeat()
		w.want(t, "0 SIP/2.0 200", "0 SIP/2.0 200")
	})
}

func TestKeyOf_ACKAndCANCELHaveTheKeyOfTheirINVITE(t *testing.T) {
	keys := map[Key]bool{}
	for _, method := range []string{"INVITE", "ACK", "CANCEL"} {
		var m message.Message
		if err := m.Parse(request(method), true); err != nil {
			t.Fatal(err)
		}
		keys[KeyOf(&m)] = true
	}
	if len(keys) != 1 {
		t.Error(keys)
	}
}

func TestClient_ANetworkThatRefusesLaterIsTold(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		var got error
		if _, err := l.Send("z9hG4bKa", "INVITE", w, request("INVITE"), func(_ *message.Message, err error) { got = err }); err != nil {
			t.Fatal(err)
		}
		l.Unsent([]byte("z9hG4bKa"), []byte("INVITE"))
		if !errors.Is(got, ErrUnsent) || l.Len() != 0 {
			t.Error(got, l.Len())
		}
	})
}

func TestLayer_AfterRunsUnlockedAndInOrder(t *testing.T) {
	l := NewLayers(1, Timers{}, func(x any) { panic(x) })[0]
	var got []int
	l.Lock()
	l.After(func() {
		l.Lock()
		l.After(func() { got = append(got, 3) })
		l.Unlock()
		got = append(got, 1)
	})
	l.After(func() { got = append(got, 2) })
	l.Unlock()
	if !slices.Equal(got, []int{1, 2, 3}) {
		t.Error(got)
	}
}

func TestLayer_APanicLeavesItUsable(t *testing.T) {
	l := NewLayers(1, Timers{}, func(x any) { panic(x) })[0]
	func() {
		defer func() { _ = recover() }()
		l.Lock()
		l.After(func() { panic("x") })
		l.Unlock()
	}()
	ran := false
	l.Lock()
	l.After(func() { ran = true })
	l.Unlock()
	if !ran {
		t.Error("it does not run what comes later")
	}
}

func TestAcked_A2xxThatWasAcknowledgedIsNotKeptForLong(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		var h heard
		c, s := send(t, l, w, "INVITE", &h), l.Open(Key{1}, true, w, nil)
		c.Acked() // of nothing yet
		s.Acked()
		l.Response([]byte("z9hG4bKa"), response(t, 200, "INVITE"))
		_ = s.Respond(200, []byte("SIP/2.0 200 X\r\n"))
		c.Acked()
		s.Acked()
		wait(l, 4*time.Second)
		l.Response([]byte("z9hG4bKa"), response(t, 200, "INVITE")) // the ACK was lost
		_ = s.Respond(200, []byte("SIP/2.0 200 X\r\n"))
		wait(l, 4*time.Second)
		if n := l.Len(); n != 2 {
			t.Errorf("%d are left, want 2", n)
		}
		wait(l, 2*time.Second)
		if n := l.Len(); n != 0 {
			t.Errorf("%d are left", n)
		}
		h.want(t, "200", "200")
	})
}

func TestClient_ARefusalBehindAResponseSaysNothing(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		var h heard
		c := send(t, l, w, "INVITE", &h)
		l.Response([]byte("z9hG4bKa"), response(t, 180, "INVITE"))
		l.Unsent([]byte("z9hG4bKa"), []byte("INVITE"))
		h.want(t, "180")
		c.Terminate()
	})
}
