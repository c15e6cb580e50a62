package proxy

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

// bye is the keys of a BYE.
func bye(callID, from, to string) (straight, turned dialogKey) {
	return dialogKeyOf([]byte(callID), []byte(from), []byte(to)), dialogKeyOf([]byte(callID), []byte(to), []byte(from))
}

func hangUp(d *dialogs, callID, from, to string) *Dialog {
	straight, turned := bye(callID, from, to)
	return d.hungUp(straight, turned, true)
}

func TestDialogs_ABYEOfEitherSideEndsThem(t *testing.T) {
	for by, tags := range map[Side][2]string{CallerSide: {"1", "2"}, CalledSide: {"2", "1"}} {
		d := newDialogs(time.Now)
		var ends []Side
		once, twice := d.begin(answered(t, ""), nil), d.begin(answered(t, ""), nil) // a spiral
		once.Then(func(by Side) { ends = append(ends, by) })
		hangUp(d, "c", "1", "3").release()
		if isOver(once) {
			t.Fatal("another dialog's BYE ended it")
		}
		hangUp(d, "c", tags[0], tags[1]).release()
		hangUp(d, "c", tags[0], tags[1]).release()
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
	d := newDialogs(time.Now)
	x := d.begin(&res, nil)
	d.name(x, "call", "", newParties(&req, &res))
	d.seen(&again, 2, contactOf(&again))
	goes()
	comes()
	moves()
	p := x.parties
	got := []string{string(p.callID), string(p.caller.name), string(p.caller.contact), string(p.called.name), string(p.called.contact), string(p.routes[0])}
	if want := []string{"c", "<sip:a@b>;tag=1", "sip:a@3.3.3.3", "<sip:x@b>;tag=2", "sip:x@2.2.2.2", "<sip:r@h;lr>"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDialogs_TheSessionTimerIsRefreshed(t *testing.T) {
	now := time.Now()
	d := newDialogs(func() time.Time { return now })
	timed, silent := d.begin(answered(t, "x: 100;refresher=uac\r\n"), nil), newDialogs(func() time.Time { return now })
	other := silent.begin(answered(t, ""), nil)
	ended := Side(9)
	timed.Then(func(by Side) { ended = by })
	now = now.Add(99 * time.Second)
	d.refreshed(answered(t, "Session-Expires: 100\r\n"))
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
		d := newDialogs(time.Now)
		go d.run(ctx)
		for extra, want := range map[string]time.Duration{"": 24 * time.Hour, "Session-Expires: 90;refresher=uac\r\n": 90 * time.Second} {
			began, over := time.Now(), make(chan Side)
			d.begin(answered(t, extra), nil).Then(func(by Side) { over <- by })
			if by := <-over; by != Nobody || time.Since(began) != want {
				t.Errorf("%q: over by %d after %v, want %v", extra, by, time.Since(began), want)
			}
		}
	})
}
