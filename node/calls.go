package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/makecall"
	"github.com/sipcluster/sipcluster/node/pace"
)

// caller gives the SIP port's calls to the routing, which is opened after it.
type caller struct{ n *Node }

// Arrive implements sip.Caller.
func (c caller) Arrive(in invite.Call) { c.n.routing.Arrive(in) }

// carry notes a call that this node delivers.
func (n *Node) carry(id string, of dn.Node, number dn.Number) invite.Leg {
	return n.calls.Carry(call.ID(id), of, number)
}

// hangUp ends a call of this node that is over, as a peer says that carries it or a
// client wants.
func (n *Node) hangUp(id call.ID) {
	n.calls.End(id, 0, false)
	n.sip.HangUp(string(id))
}

// makeCall has a phone that is registered here call a number.
func (n *Node) makeCall(ctx context.Context, number dn.Number, to, requestID string) (conn string, err error) {
	id, err := n.making.Make(ctx, makecall.Request{DN: number, Number: to, ID: requestID})
	return string(id), err
}

// full tells whether the DN has as many calls as it takes.
func (n *Node) full(number dn.Number) bool {
	calls := int(n.calls.Uses(number).Calls)
	return calls > 0 && calls >= n.takes(number)
}

// takes is how many calls a DN takes.
func (n *Node) takes(number dn.Number) int { return n.machine.View().DN(string(number)).TakesCalls() }

// holdsAt tells whether a call that has a DN reserved is there.
func (n *Node) holdsAt(number dn.Number, holder string) bool {
	id, is := agent.CallOf(holder)
	return is && n.calls.At(number, call.ID(id))
}

// configured is what the configuration makes of a DN, and the groups whose calls may be
// distributed to it.
func (n *Node) configured(number dn.Number) (dn.Class, []string) {
	config := n.machine.View().DN(string(number))
	return dnview.Class(config), config.GetGroups()
}

// levelOf is a DN's level in a group.
func (n *Node) levelOf(number dn.Number, group string) uint32 {
	return n.machine.View().DN(string(number)).GetSkills()[group]
}

// talkEnds has the agent at a DN wrap up a call that has ended.
func (n *Node) talkEnds(number dn.Number, at int64) {
	view := n.machine.View()
	if config := view.DN(string(number)); config != nil {
		n.table.WrapUp(number, at, view.Rules(config, nil).WrapUp)
	}
}

// peerGone lets no phone here ring on for callers of a peer's process that is no more.
func (n *Node) peerGone(peer dn.Node) {
	n.sip.PeerGone(peer)
}

// leaveCalls hangs up to phones here that are in a call which is over as its node says,
// until ctx ends.
func (n *Node) leaveCalls(ctx context.Context) error {
	for {
		id, err := n.calls.LeftAlone(ctx)
		if err != nil {
			return err
		}
		n.sip.HangUp(string(id))
	}
}

// usesEvery is how long calls that come and go are gathered before clients are told
// which DNs are busy. Who asks or reserves sees them at once. It is less than the time for
// which peers gather what they tell: so no timer wakes a node that only hears of calls.
const usesEvery = 15 * time.Millisecond

// tellUses tells the DN table whose use has changed, until ctx ends.
func (n *Node) tellUses(ctx context.Context) error {
	p := pace.New(usesEvery)
	for {
		changed, err := n.calls.UsesChanged(ctx)
		if err != nil {
			return err
		}
		n.table.Touch(changed)
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
}

// routeSecret is what all nodes make and read route tokens with. Without a
// cluster key it keeps out no more than the cluster does without one.
func (n *Node) routeSecret() []byte {
	if n.key != nil {
		return n.key.Routes
	}
	sum := sha256.Sum256([]byte("sipcluster routes " + n.id.ClusterID))
	return sum[:]
}

// dialPeer connects to another node for SIP.
func (n *Node) dialPeer(ctx context.Context, to dn.Node) (net.Conn, error) {
	node := n.machine.View().Node(string(to))
	if node == nil {
		return nil, fmt.Errorf("node %s is not in the roster", to)
	}
	return n.port.DialSIP(ctx, node.GetId(), n.at(node).GetClusterAddr())
}

// servePeers gives the SIP port the connections of other nodes, until ctx ends.
func (n *Node) servePeers(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		c, err := n.port.SIP.Accept()
		if err != nil {
			return ctx.Err()
		}
		from := dn.Node("") // where nobody is asked who he is
		if k := identity.Of(c); k != nil {
			from = dn.Node(k.Peer)
		}
		all.Go(func() { n.sip.ServePeer(c, from) })
	}
}
