// Package tcontroller is the T-Controller layer: the links over which every
// node tells every other one about its own DNs. Server is the owner's side of
// a link, Mesh the followers' side: one link to each peer, and the judgement
// whether that peer can be heard. It stores nothing itself; the records go
// into dn.Table.
package tcontroller

import (
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

const (
	// pingEvery keeps both directions of a link busy: with UserTimeout it sets
	// how fast the kernel notices a silent cut.
	pingEvery = 100 * time.Millisecond
	// UserTimeout is the TCP_USER_TIMEOUT of both ends of a link.
	UserTimeout = 400 * time.Millisecond
	// helloTimeout bounds the opening of a link at either end.
	helloTimeout = 2 * time.Second
	// pingTimeout ends a link at the owner whose follower went silent.
	pingTimeout = 10 * time.Second
	// batchSize is how many records go into one message.
	batchSize = 512
)

func toProto(p *tcpb.Record, r *dn.Record) {
	p.Dn, p.ClaimTime, p.Seq, p.Since, p.Gone = string(r.Number), r.ClaimTime, r.Seq, r.Since, r.Gone
	p.State, p.Reason = tcpb.DNState_DN_STATE_OOS, tcpb.Reason(r.Reason)
	if r.State == dn.InSrv {
		p.State = tcpb.DNState_DN_STATE_IN_SRV
	}
}

// fromProto makes a state or reason that it does not know one that dn.Copy
// rejects and counts.
func fromProto(p *tcpb.Record) dn.Record {
	r := dn.Record{
		Number: dn.Number(p.GetDn()), ClaimTime: p.GetClaimTime(), Seq: p.GetSeq(), State: invalid,
		Reason: dn.Reason(min(uint32(p.GetReason()), invalid)), Since: p.GetSince(), Gone: p.GetGone(),
	}
	switch p.GetState() {
	case tcpb.DNState_DN_STATE_OOS:
		r.State = dn.OOS
	case tcpb.DNState_DN_STATE_IN_SRV:
		r.State = dn.InSrv
	}
	return r
}

const invalid = 0xff
