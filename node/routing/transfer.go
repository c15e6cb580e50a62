package routing

import (
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// leg is a party of the journey's call.
type leg struct {
	role call.Role
	dn   dn.Number
}

// referral is that a party of a call that is up asked the other one to call somebody, and what
// that one made of it. To agree is not yet to call: a phone that calls says so at once (RFC 3515
// §2.4.4), unless it has said that it tells nothing (RFC 4488).
type referral struct {
	mu    sync.Mutex
	by    leg
	at    time.Time // zero: nobody did, or the other one has given it up
	calls bool      // the other one calls
	// ahead is who said so last while nobody had asked, as far as is known here, and when: a
	// NOTIFY may overtake the answer to the REFER (RFC 3515 §2.4.4).
	ahead   leg
	aheadAt time.Time
	// left ends a call whose party that asked has hung up; nil while that is in it.
	left *time.Timer
}

const (
	// referredFor is how long a call that ends after a REFER counts as handed over though no
	// other is known yet by which it goes on.
	referredFor = 5 * time.Second
	// claimWait is how long the other one may take to come for who says that it calls,
	// notifyWait for who has not said so yet: that crosses the BYE of who asked.
	claimWait  = 2 * time.Second
	notifyWait = 100 * time.Millisecond
	// overtakes is by how much a NOTIFY may be ahead of the answer to its REFER.
	overtakes = time.Second
)

// asked notes that a party has asked the other one.
func (x *referral) asked(by leg) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.by, x.at = by, time.Now()
	x.calls = x.ahead != by && x.at.Sub(x.aheadAt) < overtakes
	x.aheadAt = time.Time{}
}

// Referred implements invite.Follower.
func (c *course) Referred(called bool) { c.refer.asked(c.party(called)) }

// Calling implements invite.Follower.
func (c *course) Calling(called, calls bool) {
	x := &c.refer
	x.mu.Lock()
	defer x.mu.Unlock()
	who := c.party(called)
	if x.at.IsZero() && calls {
		x.ahead, x.aheadAt = who, time.Now()
	}
	if x.at.IsZero() || x.by == who {
		return
	}
	if x.calls = calls; !calls {
		x.at = time.Time{}
	}
	if x.left != nil && x.left.Stop() {
		x.wait((*journey)(c))
	}
}

// wait ends a call that was handed over when it goes on by none. The caller holds mu.
func (x *referral) wait(j *journey) {
	var d time.Duration
	switch {
	case x.calls:
		d = claimWait
	case !x.at.IsZero():
		d = notifyWait
	}
	x.left = time.AfterFunc(d, func() { j.r.calls.Unclaimed(j.id) })
}

// leave ends a call that was up, or hands it over: then the party that was referred is in
// it until what it has called is over.
func (j *journey) leave(cause int) {
	x := &j.refer
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.at.IsZero() || time.Since(x.at) > referredFor && !j.r.calls.Claimed(j.id) {
		j.end(cause)
		return
	}
	if j.ended.Swap(true) {
		return
	}
	j.giveBack()
	if !j.r.calls.HandOver(j.id, x.by.role, x.by.dn) {
		j.r.calls.End(j.id, cause, false)
		return
	}
	x.wait(j)
}
