package transaction

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

var errAway = errors.New("no way")

// streams gives a test a layer, locked, and a way over streams of which one may end.
func streams(t *testing.T, f func(t *testing.T, l *Layer, w *wire)) {
	run(t, true, func(t *testing.T, l *Layer, w *wire) {
		w.resent = true
		f(t, l, w)
	})
}

func everybody(Sender) bool { return true }

// TestResend_WhatHasNoFinalAnswer is sent again when a stream or a connection has ended, by
// the request's state; by connections only once, and then it fails.
func TestResend_WhatHasNoFinalAnswer(t *testing.T) {
	for name, x := range map[string]struct {
		method string
		before []int // responses
		cancel bool
		want   []string
	}{
		"an INVITE without a word":            {method: "INVITE", want: []string{"INVITE"}},
		"an INVITE that rings":                {method: "INVITE", before: []int{100, 180}, want: []string{"INVITE"}},
		"an INVITE that was answered":         {method: "INVITE", before: []int{180, 200}},
		"an INVITE that was refused":          {method: "INVITE", before: []int{486}},
		"an INVITE that is canceled":          {method: "INVITE", before: []int{180}, cancel: true, want: []string{"CANCEL"}},
		"an INVITE to be canceled":            {method: "INVITE", cancel: true, want: []string{"INVITE"}},
		"a BYE without a word":                {method: "BYE", want: []string{"BYE"}},
		"a MESSAGE with a provisional answer": {method: "MESSAGE", before: []int{100}, want: []string{"MESSAGE"}},
		"a BYE that was answered":             {method: "BYE", before: []int{200}},
	} {
		t.Run(name, func(t *testing.T) {
			streams(t, func(t *testing.T, l *Layer, w *wire) {
				var h heard
				c := send(t, l, w, x.method, &h)
				for _, code := range x.before {
					l.Response([]byte("z9hG4bKa"), response(t, code, x.method))
				}
				if x.cancel {
					c.Cancel()
				}
				w.sent = nil
				wait(l, time.Second)
				w.want(t) // nothing is repeated by a timer
				l.Resend(func(Sender) bool { return false })
				w.want(t)
				l.Resend(everybody)
				var want []string
				for _, m := range x.want {
					want = append(want, "1000 "+m+" sip:x@h")
				}
				w.want(t, want...)
				told := slices.Clone(h.codes)
				l.Cut(func(Sender) bool { return false }, false)
				l.Cut(everybody, true)
				w.want(t, want...)
				h.want(t, told...)
				l.Cut(everybody, true)
				w.want(t)
				if len(x.want) > 0 && x.want[0] == x.method {
					told = append(told, "unsent")
				}
				h.want(t, told...)
				c.Terminate()
			})
		})
	}
}

// TestResend_WhereThereIsNoWay: what nobody has heard of fails, a call that rings waits
// for the verdict, and what ends something for the way to be back.
func TestResend_WhereThereIsNoWay(t *testing.T) {
	for name, x := range map[string]struct {
		method string
		before int
		away   bool // from the beginning
		open   bool // goes on
	}{
		"an INVITE without a word":  {method: "INVITE"},
		"an INVITE that rings":      {method: "INVITE", before: 180, open: true},
		"a MESSAGE":                 {method: "MESSAGE"},
		"a BYE":                     {method: "BYE", open: true},
		"a BYE from the beginning":  {method: "BYE", away: true, open: true},
		"a CANCEL":                  {method: "CANCEL", open: true},
		"a CANCEL in the beginning": {method: "CANCEL", away: true, open: true},
	} {
		t.Run(name, func(t *testing.T) {
			streams(t, func(t *testing.T, l *Layer, w *wire) {
				if x.away {
					w.fail = errAway
				}
				var got []error
				if _, err := l.Send("z9hG4bKa", x.method, w, request(x.method), func(_ *message.Message, err error) { got = append(got, err) }); err != nil {
					t.Fatal(err)
				}
				if x.before != 0 {
					l.Response([]byte("z9hG4bKa"), response(t, x.before, x.method))
					got = nil
				}
				w.fail = errAway
				l.Resend(everybody)
				if lost := len(got) == 1 && errors.Is(got[0], ErrUnsent); lost == x.open || l.Len() == 1 != x.open {
					t.Fatalf("heard %v, %d transactions", got, l.Len())
				}
				w.sent, w.fail = nil, nil
				l.Resend(everybody)
				if x.open {
					w.want(t, "0 "+x.method+" sip:x@h")
				} else {
					w.want(t)
				}
				l.Response([]byte("z9hG4bKa"), response(t, 404, x.method))
			})
		})
	}
}

// TestResend_RefusedFromTheBeginning: an INVITE that can't go out is no transaction.
func TestResend_RefusedFromTheBeginning(t *testing.T) {
	streams(t, func(t *testing.T, l *Layer, w *wire) {
		w.fail = errAway
		if _, err := l.Send("z9hG4bKa", "INVITE", w, request("INVITE"), nil); !errors.Is(err, errAway) || l.Len() != 0 {
			t.Errorf("%v, %d transactions", err, l.Len())
		}
	})
}

// TestResend_TheServerAnswersAgain: for T4 after its last word a request that comes again
// is none of its own, and nothing is repeated by itself.
func TestResend_TheServerAnswersAgain(t *testing.T) {
	for name, x := range map[string]struct {
		invite bool
		code   int
		again  string
		last   time.Duration
	}{
		"BYE":                {false, 200, "SIP/2.0 200", 5 * time.Second},
		"INVITE, refused":    {true, 486, "SIP/2.0 486", 32 * time.Second},
		"INVITE, no more":    {true, 200, "", 32 * time.Second},
		"MESSAGE, not there": {false, 404, "SIP/2.0 404", 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			streams(t, func(t *testing.T, l *Layer, w *wire) {
				s := l.Open(Key{1}, x.invite, w, nil)
				if err := s.Respond(x.code, []byte(fmt.Sprintf("SIP/2.0 %d X", x.code))); err != nil {
					t.Fatal(err)
				}
				wait(l, x.last-100*time.Millisecond)
				w.sent = nil
				if _, ok := l.Find(Key{1}); !ok {
					t.Fatal("it is another request")
				}
				if s.Repeat(); x.again != "" && len(w.sent) != 1 || x.again == "" && len(w.sent) != 0 {
					t.Errorf("%q", w.sent)
				}
				wait(l, 200*time.Millisecond)
				synctest.Wait()
				if _, ok := l.Find(Key{1}); ok {
					t.Error("it stays")
				}
			})
		})
	}
}

// TestResend_AnAcknowledgedRefusalStaysT4: the INVITE may be under way again.
func TestResend_AnAcknowledgedRefusalStaysT4(t *testing.T) {
	streams(t, func(t *testing.T, l *Layer, w *wire) {
		s := l.Open(Key{1}, true, w, nil)
		if err := s.Respond(486, []byte("SIP/2.0 486 X")); err != nil {
			t.Fatal(err)
		}
		if !s.Ack() {
			t.Error("not its ACK")
		}
		wait(l, 4900*time.Millisecond)
		if l.Len() != 1 {
			t.Error("it would be a new call")
		}
		wait(l, 200*time.Millisecond)
		if l.Len() != 0 {
			t.Error("it stays")
		}
	})
}
