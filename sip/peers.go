package sip

import (
	"context"
	"net"
	"net/netip"

	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/peer"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// openPeers makes the port of the streams to other nodes; nil for a node without others,
// or without calls.
func (s *Server) openPeers() wire.Peers {
	if s.cfg.DialPeer == nil || s.proxy == nil {
		return nil
	}
	s.peers = peer.New(peer.Config{
		Self: s.cfg.Table.Self(), Dial: s.cfg.DialPeer, Receiver: s.receiver, Changed: s.proxy.Ask, Log: s.log, Hands: s.cfg.hands,
		Refused: func(from dn.Node, why error) {
			s.cfg.Events.Event(security.IdentityRefused, "peer", string(from), "protocol", "sip", "why", why.Error())
		},
		Hold: func() { s.pings.out.Hold() }, Release: func() { s.pings.out.Release() },
	})
	if s.cfg.peers != nil {
		return s.cfg.peers(s.peers)
	}
	return s.peers
}

// ServePeer serves a connection that another node has opened by its DialPeer, until it or
// the Server ends. from is who that is, by its certificate; "" believes what it says.
func (s *Server) ServePeer(c net.Conn, from dn.Node) {
	if s.peers == nil {
		_ = c.Close()
		return
	}
	s.peers.Serve(c, from)
}

// PeerStreams are how many streams stand to each other node of the roster.
func (s *Server) PeerStreams() map[dn.Node]int {
	if s.peers == nil {
		return nil
	}
	return s.peers.Standing()
}

// receiver serves what comes from a node by a stream.
func (s *Server) receiver(from dn.Node) func([][]byte) {
	in := &wire.Arrival{}
	return func(messages [][]byte) {
		out := s.pings.out
		out.Hold()
		defer out.Release()
		for _, b := range messages {
			in.Begin(b, netip.AddrPort{}, location.TCP, in.Reply)
			in.Peer = from
			if s.gate.Serve(in); len(in.Reply) > 0 {
				_ = out.Peers.Send(from, 0, in.Reply) // the request comes again
			}
		}
	}
}

func (s *Server) setPeers() {
	var ids []dn.Node
	for _, n := range s.cfg.Machine.View().Nodes() {
		ids = append(ids, dn.Node(n.GetId()))
	}
	s.peers.SetPeers(ids)
}

// followRoster keeps the streams to those who are in the roster.
func (s *Server) followRoster(ctx context.Context) error {
	w := s.cfg.Machine.Watch()
	defer w.Close()
	for {
		c, err := w.Next(ctx)
		if err != nil {
			return err
		}
		if !c.All && !c.Nodes {
			continue
		}
		s.setPeers()
	}
}
