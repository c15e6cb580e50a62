package node

import (
	"context"
	"crypto/sha256"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/session"
	"github.com/sipcluster/sipcluster/sip"
)

// caller gives the SIP port's calls to the routing.
type caller struct{ n *Node }

// Serve implements sip.Caller.
func (c caller) Serve(ctx context.Context, in *sip.Call) {
	c.n.routing.Serve(ctx, &arrival{in: in})
}

// arrival is a call at the SIP port as the routing sees it.
type arrival struct {
	in *sip.Call
	// last is what the last try ended with: its answer goes to the caller as
	// it came.
	last sip.Outcome
}

// Called implements session.Call.
func (a *arrival) Called() string { return a.in.Called() }

// Origin implements session.Call.
func (a *arrival) Origin() session.Origin {
	o := a.in.Origin()
	return session.Origin{DN: o.DN, Trunk: o.Kind == sip.FromTrunk, Number: o.Number}
}

// Ring implements session.Call.
func (a *arrival) Ring() { a.in.Ring() }

// Reject implements session.Call.
func (a *arrival) Reject(code int, reason string) {
	if a.last.Code == code && !a.last.Answered {
		a.in.Pass(a.last)
		return
	}
	a.in.Reject(code, reason)
}

// Try implements session.Call.
func (a *arrival) Try(ctx context.Context, t session.Target, progress func(code int)) session.Outcome {
	target := sip.Target{Deliver: t.Deliver, NoAnswer: t.NoAnswer}
	switch {
	case t.NodeAddr != "":
		target.Node = sip.NodeHop{SIPAddr: t.NodeAddr, DN: t.DN}
	case t.TrunkAddr != "":
		target.Trunk = sip.TrunkHop{Addr: t.TrunkAddr, Number: t.Number}
	}
	a.last = a.in.Try(ctx, target, func(p sip.Progress) { progress(p.Code) })
	out := session.Outcome{Answered: a.last.Answered, Code: a.last.Code, Reason: a.last.Reason, Retry: a.last.Retry}
	if a.last.Dialog != nil {
		out.Released = a.last.Dialog.Released
	}
	return out
}

// delivered keeps a DN busy while this node delivers a call to it.
func (n *Node) delivered(number dn.Number, up bool) { n.owner.Busy(number, up) }

// routeSecret is what all nodes make and read route tokens with. Without a
// cluster key it keeps out no more than the cluster does without one.
func (n *Node) routeSecret() []byte {
	if n.key != nil {
		return n.key.routes
	}
	sum := sha256.Sum256([]byte("sipcluster routes " + n.id.ClusterID))
	return sum[:]
}
