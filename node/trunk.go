package node

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/numbering"
	"github.com/sipcluster/sipcluster/node/routing"
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
		}
		if s.Way.Addr.IsValid() {
			m.LeadsTo, m.Since = s.Way.String(), timestamppb.New(s.Since.Round(time.Millisecond))
		}
		list = append(list, m)
	}
	return list
}

// inquire tells where a call would go from here: who is called and who calls is read by the
// port, as those of an INVITE are, and the way is found by the routing.
func (n *Node) inquire(ctx context.Context, from numbering.Caller, called string) (i routing.Inquiry, err error) {
	if from.Number != "" {
		if from.Number, err = n.sip.Caller(from.Number); err != nil {
			return i, fmt.Errorf("caller: %w", err)
		}
	}
	number, secure, f, err := n.sip.Called(ctx, dn.Number(from.DN), called)
	if err != nil {
		return i, fmt.Errorf("called: %w", err)
	}
	if f != nil {
		return routing.Inquiry{Called: number, Code: f.Code, Reason: f.Reason, Why: []string{"so an INVITE that calls it is answered"}}, nil //nolint:nilerr // a fault is the answer
	}
	i = n.routing.Inquire(from, number)
	i.OutOfReach(n.sip.OutOfReach)
	if secure {
		i.Secure(n.sip.RingsByTLS, n.sip.LeavesByTLS)
	}
	return i, nil
}
