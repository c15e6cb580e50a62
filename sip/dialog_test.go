package sip

import (
	"testing"
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
	select {
	case <-d.Released:
		return true
	default:
		return false
	}
}

func TestDialogs_ABYEOfEitherSideEndsThem(t *testing.T) {
	for by, key := range map[Side]dialogKey{CallerSide: {"c", "1", "2"}, CalledSide: {"c", "2", "1"}} {
		d := newDialogs(time.Now)
		ends := 0
		once, twice := d.begin(answered(t, ""), func() { ends++ }), d.begin(answered(t, ""), nil) // a spiral
		d.hungUp(dialogKey{"c", "1", "3"})
		if isOver(once) {
			t.Fatal("another dialog's BYE ended it")
		}
		d.hungUp(key)
		d.hungUp(key)
		if !isOver(once) || !isOver(twice) || once.By() != by || ends != 1 {
			t.Errorf("%v %v %v %d", isOver(once), isOver(twice), once.By(), ends)
		}
	}
}

func TestDialogs_TheSessionTimerIsRefreshed(t *testing.T) {
	now := time.Now()
	d := newDialogs(func() time.Time { return now })
	timed, silent := d.begin(answered(t, "x: 100;refresher=uac\r\n"), nil), newDialogs(func() time.Time { return now })
	other := silent.begin(answered(t, ""), nil)
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
	if !isOver(timed) || timed.By() != Nobody || isOver(other) {
		t.Error(isOver(timed), timed.By(), isOver(other))
	}
}
