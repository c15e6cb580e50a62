package node

import (
	"time"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/internal/histogram"
	"github.com/sipcluster/sipcluster/node/dn"
)

// noteArrival notes how long a registration at a peer took to get here.
func (n *Node) noteArrival(peer dn.Node, took time.Duration) { n.propagated.At(peer).Observe(took) }

// timeSource gives how long things take to /metrics.
type timeSource struct{ n *Node }

// Samples implements api.Source.
func (s timeSource) Samples(emit func(api.Sample)) {
	n := s.n
	one := func(name, help string, r histogram.Reading, labels ...string) {
		emit(api.Sample{Name: name, Help: help, Histogram: &r, Labels: labels})
	}
	one("registration_duration_seconds", "From when a REGISTER that registers, refreshes or removes was received until its 200 was sent, with what the disk took.", n.sip.RegistrationTimes())
	const routing = "From when an INVITE was received until it was first sent to phones of a DN, or to the node that has them, with what it waited for at a routing point."
	calls := n.routing.Times()
	one("routing_duration_seconds", routing, calls.ToDN, "at", "dn")
	one("routing_duration_seconds", routing, calls.AtPoint, "at", "routing_point")
	one("ringing_duration_seconds", "From the first 180 of the DN that answered a call until it did.", calls.Ringing)
	for _, peer := range n.machine.View().Nodes() {
		if id := dn.Node(peer.GetId()); id != n.table.Self() {
			one("reservation_duration_seconds", "How long the reservation of a DN took that the peer keeps, whatever came of it.", n.agents.Reserved(id), "peer", peer.GetName())
			one("propagation_duration_seconds", "From when the peer accepted a registration, by its clock, until it was applied here.", n.propagated.At(id).Read(), "peer", peer.GetName())
		}
	}
	if group := n.leads.Load(); group != nil {
		one("configuration_forward_duration_seconds", "From when a write of the configuration was asked for here, at a follower, until it was applied here.", group.ForwardTimes())
	}
}
