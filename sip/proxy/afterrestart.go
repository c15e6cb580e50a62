package proxy

import (
	"bytes"
	"encoding/binary"

	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// A node that restarts while a phone rings for a peer's caller knows nothing of that
// call any more. The peer's CANCEL brings all that is needed to stop the phone, because
// the branch of what is delivered for a peer follows from the peer's.

// delivered ends the branches of what is delivered for a peer, and no others: the last
// of 13 digits of a number of 64 bits is one of the first 16.
const delivered = 'z'

// deliverBranch is the branch of what goes to a contact for a peer's request.
func deliverBranch(ring *route.Ring, peers, contact []byte) string {
	sum := ring.Branch(peers, contact)
	a, b := base32(binary.BigEndian.Uint64(sum[:8])), base32(binary.BigEndian.Uint64(sum[8:]))
	b[len(b)-1] = delivered
	return branchPrefix + string(a[:]) + string(b[:])
}

// cancelUnknown passes on a peer's CANCEL of which there is no transaction; false when
// it is none of something to deliver here.
func (cs *calls) cancelUnknown(sh *shard, m *message.Message, in *packet) bool {
	d := route.DialogOf(m)
	s, f := cs.routes.Read(d, m.URI, m.Elements(message.Route))
	if f != nil || s.Last.Purpose != route.Deliver || len(s.Rest) > 0 || in.peer == "" || s.Last.Node != in.peer {
		return false
	}
	cseq, _, _ := message.ParseCSeq(m.Get(message.CSeq))
	for _, l := range cs.targets.phones(s.Last.Number, &route.Token{}, m.URI) {
		id := deliverBranch(cs.targets.ring, topBranch(m), l.uri)
		out := ownRequest{
			method: "CANCEL", uri: l.uri, via: sh.via(&l.to, id), routes: l.routes, from: m.Get(message.From), to: m.Get(message.To), callID: d.CallID, cseq: cseq,
			reason: string(bytes.Join(reasonsOf(m), []byte(", "))),
		}
		_, _ = sh.Send(id, "CANCEL", &l.to, out.bytes(), func(*message.Message, error) {})
	}
	return true
}

// stray takes a response of which there is no transaction (RFC 6026 §7.2). It goes no
// further; a phone that refuses an INVITE which was delivered before a restart gets its ACK.
func (sh *shard) stray(m *message.Message, in *packet) {
	cseq, method, ok := message.ParseCSeq(m.Get(message.CSeq))
	branch := topBranch(m)
	if !ok || string(method) != "INVITE" || m.Status < 300 || !IsBranch(branch) || branch[len(branch)-1] != delivered {
		return
	}
	to, _ := message.ParseAddress(m.Get(message.To))
	hop := in.hop()
	ack := ownRequest{
		method: "ACK", uri: to.URI, via: sh.via(&hop, string(branch)), from: m.Get(message.From), to: m.Get(message.To), callID: m.Get(message.CallID), cseq: cseq,
	}
	_ = hop.Send(ack.bytes()) // the response comes again
}
