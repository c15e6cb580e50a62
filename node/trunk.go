package node

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// trunkRegistered is how a trunk is registered at its carrier; nil when it has no
// registration.
func (n *Node) trunkRegistered(number dn.Number) *tcpb.TrunkRegistered {
	s, ok := n.sip.Registered(number)
	if !ok {
		return nil
	}
	m := &tcpb.TrunkRegistered{Node: n.machine.View().Node(string(s.Node)).GetName(), Error: s.Error}
	if !s.Until.IsZero() {
		m.Until = timestamppb.New(s.Until.Round(time.Millisecond))
	}
	return m
}

// trunkAddresses are those of a trunk as clients see them.
func (n *Node) trunkAddresses(number dn.Number) (list []*tcpb.TrunkAddress) {
	for _, s := range n.sip.TrunkStates(number) {
		m := &tcpb.TrunkAddress{Address: s.Address, Up: !s.Down}
		if s.Err != nil {
			m.Error = s.Err.Error()
		} else {
			m.LeadsTo, m.Since = s.Way.String(), timestamppb.New(s.Since.Round(time.Millisecond))
		}
		list = append(list, m)
	}
	return list
}
