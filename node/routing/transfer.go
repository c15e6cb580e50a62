package routing

import (
	"time"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// leg is a party of the journey's call.
type leg struct {
	role call.Role
	dn   dn.Number
}

// referral is that a party asked the other one to call somebody.
type referral struct {
	by leg
	at time.Time // zero: nobody did
}

const (
	// referredFor is how long a call that ends after a REFER counts as handed over though no
	// other is known yet by which it goes on; claimWait how long that may take to come.
	referredFor = 5 * time.Second
	claimWait   = 2 * time.Second
)

// leave ends a call that was up, or hands it over: then the party that was referred is in
// it until what it has called is over.
func (j *journey) leave(cause int) {
	x := j.refer
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
	time.AfterFunc(claimWait, func() { j.r.calls.Unclaimed(j.id) })
}
