package routing

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// TestLeave_HowLongWhoWasReferredIsInTheCall: 1004 has called 1003, is asked by it to call
// somebody, and calls nobody after all.
func TestLeave_HowLongWhoWasReferredIsInTheCall(t *testing.T) {
	const rest = time.Millisecond
	for name, c := range map[string]struct {
		happens func(up invite.Follower)
		busy    time.Duration
	}{
		"nobody was asked":               {func(up invite.Follower) { up.Over(0) }, 0},
		"a NOTIFY of who wasn't asked":   {func(up invite.Follower) { up.Calling(false, true); up.Over(0) }, 0},
		"it has agreed and says nothing": {func(up invite.Follower) { up.Referred(true); up.Over(0) }, notifyWait},
		"it calls":                       {func(up invite.Follower) { up.Referred(true); up.Calling(false, true); up.Over(0) }, claimWait},
		"it says so behind the BYE":      {func(up invite.Follower) { up.Referred(true); up.Over(0); up.Calling(false, true) }, claimWait},
		"it says so far too late":        {func(up invite.Follower) { up.Referred(true); up.Over(0); passes(time.Second); up.Calling(false, true) }, notifyWait},
		"who asked says something":       {func(up invite.Follower) { up.Referred(true); up.Calling(true, true); up.Over(0) }, notifyWait},
		"its call has failed": {func(up invite.Follower) {
			up.Referred(true)
			up.Calling(false, true)
			up.Calling(false, false)
			up.Over(0)
		}, 0},
		"its call fails behind the BYE": {func(up invite.Follower) {
			up.Referred(true)
			up.Calling(false, true)
			up.Over(0)
			up.Calling(false, false)
		}, 0},
		"its call has failed, asked again": {func(up invite.Follower) {
			up.Referred(true)
			up.Calling(false, false)
			up.Referred(true)
			up.Calling(false, true)
			up.Over(0)
		}, claimWait},
		"calls for one, not for the second": {func(up invite.Follower) { up.Referred(true); up.Calling(false, true); up.Referred(true); up.Over(0) }, notifyWait},
		"it says so before its answer":      {func(up invite.Follower) { up.Calling(false, true); up.Referred(true); up.Over(0) }, claimWait},
		"who asks says so before":           {func(up invite.Follower) { up.Calling(true, true); up.Referred(true); up.Over(0) }, notifyWait},
		"it said so long before": {func(up invite.Follower) {
			up.Calling(false, true)
			passes(2 * time.Second)
			up.Referred(true)
			up.Over(0)
		}, 2*time.Second + notifyWait},
		"each has asked the other one": {func(up invite.Follower) { up.Referred(false); up.Referred(true); up.Calling(true, true); up.Over(0) }, notifyWait},
		"asked long ago": {func(up invite.Follower) {
			up.Referred(true)
			up.Calling(false, true)
			passes(6 * time.Second)
			up.Over(0)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newExchange(t)
				x.table.Register("1003", dn.Registered)
				x.table.Register("1004", dn.Registered)
				var up invite.Follower
				in := &script{called: "1003", origin: invite.Origin{DN: "1004"}, answers: map[string]invite.Outcome{"1003": isUp(func(f invite.Follower) { up = f })}}
				in.serve(t.Context(), x.r)
				synctest.Wait()
				busy := func(n dn.Number) bool { synctest.Wait(); st, _ := x.table.Get(n); return st.Busy }
				if !busy("1003") || !busy("1004") {
					t.Fatal("the call is not up")
				}
				at := time.Now()
				c.happens(up)
				if busy("1003") {
					t.Error("who has hung up is busy")
				}
				passes(c.busy - time.Since(at) - rest)
				if is := busy("1004"); is != (c.busy > time.Since(at)) {
					t.Errorf("after %v: busy %v", time.Since(at), is)
				}
				passes(2 * rest)
				if busy("1004") {
					t.Errorf("busy after %v", time.Since(at))
				}
			})
		})
	}
}

// passes lets time pass in a bubble.
func passes(d time.Duration) { <-time.After(d) }
