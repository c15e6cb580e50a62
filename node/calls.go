package node

import (
	"context"
	"crypto/sha256"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip"
)

// caller gives the SIP port's calls to the routing.
type caller struct{ n *Node }

// Arrive implements sip.Caller.
func (c caller) Arrive(in *sip.Call) { c.n.routing.Arrive(&arrival{in: in}) }

// arrival is a call at the SIP port as the routing sees it.
type arrival struct {
	in *sip.Call
	// last is what the last try ended with: its answer goes to the caller as
	// it came.
	last sip.Outcome
}

// Called implements invite.Call.
func (a *arrival) Called() string { return a.in.Called() }

// Origin implements invite.Call.
func (a *arrival) Origin() invite.Origin {
	o := a.in.Origin()
	return invite.Origin{DN: o.DN, Trunk: o.Kind == sip.FromTrunk, Number: o.Number}
}

// Ring implements invite.Call.
func (a *arrival) Ring() { a.in.Ring() }

// Reject implements invite.Call.
func (a *arrival) Reject(code int, reason string) {
	if a.last.Code == code && !a.last.Answered {
		a.in.Pass(a.last)
		return
	}
	a.in.Reject(code, reason)
}

// GaveUp implements invite.Call.
func (a *arrival) GaveUp() bool { return a.in.GaveUp() }

// Go implements invite.Call.
func (a *arrival) Go(f func(context.Context)) { a.in.Go(f) }

// Send implements invite.Call.
func (a *arrival) Send(t invite.Target, progress func(code int), done func(invite.Outcome)) invite.Stopper {
	target := sip.Target{Deliver: t.Deliver, NoAnswer: t.NoAnswer}
	switch {
	case t.NodeAddr != "":
		target.Node = sip.NodeHop{SIPAddr: t.NodeAddr, DN: t.DN}
	case t.TrunkAddr != "":
		target.Trunk = sip.TrunkHop{Addr: t.TrunkAddr, Number: t.Number}
	}
	return a.in.Send(target, func(p sip.Progress) { progress(p.Code) }, func(o sip.Outcome) {
		a.last = o
		out := invite.Outcome{Answered: o.Answered, Code: o.Code, Reason: o.Reason, Retry: o.Retry}
		if o.Dialog != nil {
			out.Over = func(then func()) { o.Dialog.Then(func(sip.Side) { then() }) }
		}
		done(out)
	})
}

// delivered keeps a DN busy while this node delivers calls to it.
func (n *Node) delivered(number dn.Number, more bool) { n.agents.Busy(number, more) }

// routeSecret is what all nodes make and read route tokens with. Without a
// cluster key it keeps out no more than the cluster does without one.
func (n *Node) routeSecret() []byte {
	if n.key != nil {
		return n.key.routes
	}
	sum := sha256.Sum256([]byte("sipcluster routes " + n.id.ClusterID))
	return sum[:]
}
