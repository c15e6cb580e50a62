package dialog

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

func answered(t *testing.T, extra string) *message.Message {
	t.Helper()
	var m message.Message
	text := "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP p;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n" + extra + "Content-Length: 0\r\n\r\n"
	if err := m.Parse([]byte(text), true); err != nil || m.Fault != nil {
		t.Fatal(err, m.Fault)
	}
	return &m
}

func isOver(d *Dialog) bool {
	d.in.mu.Lock()
	defer d.in.mu.Unlock()
	return d.over
}

// within is the dialog of the caller's tag 1 and the called side's, as it sent a request.
func within(called string, by Side) Ref {
	return Ref{KeyOf([]byte("c"), []byte("1"), []byte(called)), by}
}

func TestDialogs_ABYEOfEitherSideEndsThem(t *testing.T) {
	for _, by := range []Side{CallerSide, CalledSide} {
		d := NewTable(time.Now)
		var ends []Side
		once, twice := d.Begin(answered(t, ""), 1, nil), d.Begin(answered(t, ""), 1, nil) // a spiral
		once.Then(func(by Side) { ends = append(ends, by) })
		d.HungUp(within("3", by), true).Release()
		if isOver(once) {
			t.Fatal("another dialog's BYE ended it")
		}
		d.HungUp(within("2", by), true).Release()
		d.HungUp(within("2", by), true).Release()
		twice.Then(func(by Side) { ends = append(ends, by) }) // it is over
		if !isOver(once) || !isOver(twice) || !slices.Equal(ends, []Side{by, by}) {
			t.Errorf("%v %v %v", isOver(once), isOver(twice), ends)
		}
	}
}

// TestDialogs_KeepNothingOfAMessage: its buffer is the next one's.
func TestDialogs_KeepNothingOfAMessage(t *testing.T) {
	read := func(text string) (m message.Message, forget func()) {
		b := []byte(text)
		if err := m.Parse(b, false); err != nil || m.Fault != nil {
			t.Fatal(err, m.Fault)
		}
		return m, func() { copy(b, bytes.Repeat([]byte("X"), len(b))) }
	}
	lines := func(from, to, contact string) string {
		return "Via: SIP/2.0/UDP p;branch=z9hG4bKa\r\nFrom: <sip:a@b>" + from + "\r\nTo: <sip:x@b>" + to + "\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <" + contact +
			">\r\nRecord-Route: <sip:r@h;lr>\r\nContent-Length: 0\r\n\r\n"
	}
	req, goes := read("INVITE sip:x@b SIP/2.0\r\n" + lines(";tag=1", "", "sip:a@1.1.1.1"))
	res, comes := read("SIP/2.0 200 OK\r\n" + lines(";tag=1", ";tag=2", "sip:x@2.2.2.2"))
	again, moves := read("INVITE sip:x@2.2.2.2 SIP/2.0\r\n" + lines(";tag=1", ";tag=2", "sip:a@3.3.3.3"))
	d := NewTable(time.Now)
	x := d.Begin(&res, 1, nil)
	d.Name(x, "call", "", NewParties(&req, &res))
	d.Seen(within("2", CallerSide), 2, again.ContactURI(), false)
	goes()
	comes()
	moves()
	p := x.parties
	got := []string{string(p.CallID), string(p.caller.Name), string(p.caller.Contact), string(p.called.Name), string(p.called.Contact), string(p.routes)}
	if want := []string{"c", "<sip:a@b>;tag=1", "sip:a@3.3.3.3", "<sip:x@b>;tag=2", "sip:x@2.2.2.2", "<sip:r@h;lr>"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDialogs_TheSessionTimerIsRefreshed(t *testing.T) {
	now := time.Now()
	d := NewTable(func() time.Time { return now })
	timed, silent := d.Begin(answered(t, "x: 100;refresher=uac\r\n"), 1, nil), NewTable(func() time.Time { return now })
	other := silent.Begin(answered(t, ""), 1, nil)
	ended := Side(9)
	timed.Then(func(by Side) { ended = by })
	now = now.Add(99 * time.Second)
	d.Refreshed(within("2", CallerSide), answered(t, "Session-Expires: 100\r\n"))
	now = now.Add(99 * time.Second)
	d.sweep()
	if isOver(timed) {
		t.Fatal("it was refreshed")
	}
	now = now.Add(2 * time.Second)
	d.sweep()
	silent.sweep()
	if !isOver(timed) || ended != Nobody || isOver(other) {
		t.Error(isOver(timed), ended, isOver(other))
	}
}

// TestSchedule_ACallWithoutTimerIsOverAfterADay, and one with 90 s after these.
func TestSchedule_ACallWithoutTimerIsOverAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		d := NewTable(time.Now)
		go d.Run(ctx)
		for extra, want := range map[string]time.Duration{"": 24 * time.Hour, "Session-Expires: 90;refresher=uac\r\n": 90 * time.Second} {
			began, over := time.Now(), make(chan Side)
			d.Begin(answered(t, extra), 1, nil).Then(func(by Side) { over <- by })
			if by := <-over; by != Nobody || time.Since(began) != want {
				t.Errorf("%q: over by %d after %v, want %v", extra, by, time.Since(began), want)
			}
		}
	})
}
