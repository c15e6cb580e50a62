// Package invite is an INVITE on its way through this node, as the two see it
// who work on it: the SIP proxy, which has the Call and sends it, and the
// routing, which says where to. It is nouns only and does nothing itself.
package invite

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Call is an INVITE that arrived at this node, which can be sent on to one
// target after the other. None of the methods waits. The SIP proxy implements it.
type Call interface {
	// Called is the user part of the Request-URI.
	Called() string
	Origin() Origin
	// Named tells the ConnID of the call, by which people ask for it.
	Named(id string)
	// GaveUp: the caller did, before there was an answer.
	GaveUp() bool
	// Ring keeps the caller waiting: 180, again each minute.
	Ring()
	// Tell says more to a caller that was told to wait: a provisional answer, repeated in
	// place of the 180, with a reason that phones show.
	Tell(code int, reason string)
	// Reject is the final answer. Where the last Send ended with that code the
	// caller gets that answer as it came.
	Reject(code int, reason string)
	// Later is Reject with 503 and when the caller may try again (RFC 3261 §21.5.4).
	Later(reason string, after time.Duration)
	// Send sends the call to a target; progress hears the provisional answers, and
	// NoWord each time that the DN's phones had for a first word and said none; done
	// hears the outcome, once. They must not wait. Stop tells the target to.
	Send(t Target, progress func(code int), done func(Outcome)) Stopper
	// Go runs f, which may wait, on a goroutine of its own. Its context ends when
	// the caller gives up or the node stops.
	Go(f func(ctx context.Context))
}

// NoWord is what progress hears of phones that say nothing.
const NoWord = 0

// Stopper is something under way that can be stopped.
type Stopper interface {
	// Stop gives the target a moment to say what became of it.
	Stop()
	// Abandon does not: the target can't be heard.
	Abandon()
}

// Origin is where a call came from.
type Origin struct {
	// DN of the phone that proved to be it, or of the trunk.
	DN    dn.Number
	Trunk bool
	// Media that the caller offers; 0: nothing is known of them.
	Media dn.Media
	// Number that the caller shows.
	Number string
	// Transfer says for which call's sake it was made; nil: for none's that is known.
	Transfer *Transfer
}

// Transfer is a call that a phone was asked for by a REFER. It is the word of the node at
// which that was seen.
type Transfer struct {
	// Call is the ConnID of the call that the REFER was in, Previous of that which is
	// replaced, "" for none.
	Call, Previous string
	// By is who asked.
	By dn.Number
}

// Leg is a call that a node delivers to a DN, which is busy meanwhile. The first call of
// a method counts; none waits.
type Leg interface {
	// Dropped: the DN did not take the call, or it is over and the node that has it knows.
	Dropped()
	// Over: it is over, whether the node that has it hears of that or not.
	Over()
}

// Target of a try: one of the three.
type Target struct {
	// Call is the ConnID of the call, "" when it has none, and Of the node that has it.
	Call string
	Of   dn.Node

	// Deliver to the phones that registered the DN at this node.
	Deliver dn.Number
	// DN at another node.
	DN   dn.Number
	Node dn.Node
	// Number to leave by the trunk.
	Number string
	Trunk  dn.Number
	// Tried is told of each address of the trunk that has not taken the call; it must not
	// wait. nil for nobody.
	Tried func(Way)
	// Forwarded is the number from which the call goes on, "" for none: it was called, and
	// stands for others. Vainly: others have been tried.
	Forwarded dn.Number
	Vainly    bool
	// NoAnswer ends the try after that time; 0: as long as SIP allows.
	NoAnswer time.Duration
}

// Way is an address of a trunk, and why it has not taken a call.
type Way struct {
	// Address as in "udp 192.0.2.1:5060".
	Address string
	// Code and Reason of the answer, or what stands for none.
	Code   int
	Reason string
}

// Follower hears what becomes of an answered call. It must not wait.
type Follower interface {
	// Held tells that the called side, or else the caller's, holds the call, or does so no
	// more.
	Held(called, holds bool)
	// Referred tells that the called side, or else the caller's, has asked the other one to
	// call somebody, who has agreed.
	Referred(called bool)
	// Calling tells that the called side, or else the caller's, says that it calls whom it was
	// asked to call, or that it does so no more. It may come after Over.
	Calling(called, calls bool)
	// Over tells that the call is over, by a SIP code, or 0 when somebody hung up.
	Over(cause int)
}

// Outcome of a try.
type Outcome struct {
	// Answered: the call is up. Follow has somebody told what becomes of it.
	Answered bool
	Follow   func(Follower)
	// Code and Reason of the final answer otherwise.
	Code   int
	Reason string
	// Retry: the target was not reached at all.
	Retry bool
	// Denied: the configuration has none, or does not let the caller call it.
	Denied bool
	// RetryAfter is how long a trunk wants to be left alone (RFC 3261 §21.5.4); 0: it does not.
	RetryAfter time.Duration
	// NoWord: no phone has said a word in its time, or none is there.
	NoWord bool
	// NoAnswer: it rang for Target.NoAnswer.
	NoAnswer bool
}
