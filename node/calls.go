package node

import (
	"crypto/sha256"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// caller gives the SIP port's calls to the routing, which is opened after it.
type caller struct{ n *Node }

// Arrive implements sip.Caller.
func (c caller) Arrive(in invite.Call) { c.n.routing.Arrive(in) }

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
