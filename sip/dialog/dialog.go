package dialog

import (
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
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
// those who want to know when the call ends: a BYE was answered, or its session
// timer ran out.
type Dialog struct {
	in *Table
	// Below is guarded by in.mu.
	over     bool
	by       Side
	told     bool // so were both sides
	cause    int  // SIP code of an end that nobody asked for, else 0
	deadline time.Time
	then     []func(Side)
	follower Follower // nil for nobody
	talk     talk
	next     *Dialog // of the same call, which passed here twice
	acked    func()  // for the first ACK; nil after it
	key      Key
	birth    uint64                // of its INVITE, as the tokens say
	raised   [CalledSide + 1]uint8 // see Table.Raise
	refers   bool                  // somebody was asked to call somebody, or to tell of something
	call     string                // ConnID; "" for none
	fellow   *Dialog               // another one of that
	peer     dn.Node               // that has the call; "" for this one
	links    []Link                // of its sides
	// parties are written under the lock of the call's shard as well.
	parties *Parties
}

// Link is a connection of a side that is watched while the dialog is open.
type Link interface {
	// End lets go of it; the dialog is over.
	End()
}

// Parties are what is needed to write its sides a request; nil before Name. They are
// read and written under the lock of the call's shard.
func (d *Dialog) Parties() *Parties { return d.parties }

// Told tells whether both sides of a dialog that ended know it. It is for who was told of
// the end.
func (d *Dialog) Told() bool { return d.told }

// Cause is the SIP code of an end that nobody asked for, 0 of another. It is for who was
// told of the end.
func (d *Dialog) Cause() int { return d.cause }

// Other is the side opposite.
func (s Side) Other() Side {
	if s == CallerSide {
		return CalledSide
	}
	return CallerSide
}

// Then has f called when the dialog has ended, at once when it has already. It
// is told who hung up, and must not wait.
func (d *Dialog) Then(f func(by Side)) {
	d.in.mu.Lock()
	if !d.over {
		d.then = append(d.then, f)
		d.in.mu.Unlock()
		return
	}
	d.in.mu.Unlock()
	f(d.by)
}

// Release tells those who wait for the end of dialogs that were taken. The caller holds
// no shard.
func (d *Dialog) Release() {
	for ; d != nil; d = d.next {
		for _, c := range d.links {
			c.End()
		}
		for _, f := range d.then {
			f(d.by)
		}
		if d.follower != nil {
			d.follower.Over(d)
		}
	}
}
