package sip

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Side is one of the two parties of a dialog.
type Side uint8

const (
	// Nobody hung up: the session timer ran out.
	Nobody Side = iota
	// CallerSide hung up.
	CallerSide
	// CalledSide hung up.
	CalledSide
)

// Dialog is an answered call. Nothing that is passed on needs it: it is for
// those who want to know when the call ends.
type Dialog struct {
	// Released is closed when the dialog ended: a BYE was answered, or its
	// session timer ran out.
	Released <-chan struct{}

	released chan struct{}
	end      func() // may be nil

	// Below is guarded by dialogs.mu.
	by       Side
	deadline time.Time
}

// By says who hung up, once Released is closed.
func (d *Dialog) By() Side {
	select {
	case <-d.Released:
		return d.by
	default:
		return Nobody
	}
}

// dialogKey names a dialog as the caller sees it.
type dialogKey struct{ callID, caller, called string }

func (k dialogKey) turned() dialogKey { return dialogKey{k.callID, k.called, k.caller} }

func keyOf(m *message.Message) dialogKey {
	return dialogKey{string(m.Get(message.CallID)), string(m.Tag(message.From)), string(m.Tag(message.To))}
}

const (
	// maxSilent is how long a call without session timer may be quiet before
	// it counts as over.
	maxSilent = 24 * time.Hour
	// sweepEvery is how often session timers are looked at.
	sweepEvery = time.Second
)

// dialogs are the answered calls that somebody wants to hear the end of.
type dialogs struct {
	now func() time.Time

	mu   sync.Mutex
	open map[dialogKey][]*Dialog // several of a call that passes here twice
}

func newDialogs(now func() time.Time) *dialogs {
	return &dialogs{now: now, open: map[dialogKey][]*Dialog{}}
}

// begin notes a call that was answered with res; end is called when it is over.
func (d *dialogs) begin(res *message.Message, end func()) *Dialog {
	released := make(chan struct{})
	x := &Dialog{Released: released, released: released, end: end, deadline: d.now().Add(lifetime(res))}
	d.mu.Lock()
	defer d.mu.Unlock()
	k := keyOf(res)
	d.open[k] = append(d.open[k], x)
	return x
}

// lifetime is how long the session lasts without a refresh (RFC 4028 §10: the
// side that does not refresh hangs up a little earlier).
func lifetime(res *message.Message) time.Duration {
	if s := sessionExpires(res); s > 0 {
		return time.Duration(s) * time.Second
	}
	return maxSilent
}

// sessionExpires is the interval in seconds; 0 without one.
func sessionExpires(m *message.Message) int64 {
	v := m.Get(message.SessionExpires)
	for i, c := range v {
		if c < '0' || c > '9' {
			v = v[:i]
			break
		}
	}
	n, err := strconv.ParseInt(string(v), 10, 32)
	if err != nil {
		return 0
	}
	return n
}

// refreshed notes an answered re-INVITE or UPDATE.
func (d *dialogs) refreshed(res *message.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := keyOf(res)
	for _, k := range [...]dialogKey{k, k.turned()} {
		for _, x := range d.open[k] {
			x.deadline = d.now().Add(lifetime(res))
		}
	}
}

// hungUp notes a BYE, by the direction that it went.
func (d *dialogs) hungUp(bye dialogKey) {
	d.mu.Lock()
	by := CallerSide
	if d.open[bye] == nil {
		bye, by = bye.turned(), CalledSide
	}
	over := d.open[bye]
	delete(d.open, bye)
	for _, x := range over {
		x.by = by
	}
	d.mu.Unlock()
	release(over)
}

// release tells those who wait for the end.
func release(over []*Dialog) {
	for _, x := range over {
		close(x.released)
		if x.end != nil {
			x.end()
		}
	}
}

// run ends the dialogs whose session timer runs out.
func (d *dialogs) run(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			d.sweep()
		}
	}
}

func (d *dialogs) sweep() {
	now := d.now()
	var over []*Dialog
	d.mu.Lock()
	for k, list := range d.open {
		if !list[0].deadline.After(now) {
			over = append(over, list...)
			delete(d.open, k)
		}
	}
	d.mu.Unlock()
	release(over)
}
