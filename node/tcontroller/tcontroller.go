// Package tcontroller is the T-Controller layer: the links over which every
// node tells every other one about its own DNs and calls. Server is the publisher's
// side of a link, Mesh the followers' side: one link to each peer, and the
// judgement whether that peer can be heard. It stores nothing itself; the records go
// into dn.Table, the calls into call.Table.
package tcontroller

import (
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

const (
	// pingEvery keeps both directions of a link busy: with UserTimeout it sets
	// how fast the kernel notices a silent cut.
	pingEvery = 100 * time.Millisecond
	// answerEach: one of so many pings is answered where both nodes ping each other. The
	// others are a sign of life for the peer, whose own are one for this node.
	answerEach = 4
	// UserTimeout is the TCP_USER_TIMEOUT of both ends of a link to a near peer.
	UserTimeout = 400 * time.Millisecond
	// helloTimeout bounds the opening of a link at either end.
	helloTimeout = 2 * time.Second
	// pingTimeout ends a link at the publisher whose follower went silent.
	pingTimeout = 10 * time.Second
	// batchSize is how many records go into one message.
	batchSize = 512
)

func toProto(p *peerpb.Record, r *dn.Record) {
	p.Dn, p.ClaimTime, p.Seq, p.Since, p.Gone = string(r.Number), r.ClaimTime, r.Seq, r.Since, r.Gone
	p.State, p.Reason = tcpb.DNState_DN_STATE_OOS, tcpb.Reason(r.Reason)
	if r.State == dn.InSrv {
		p.State = tcpb.DNState_DN_STATE_IN_SRV
	}
	p.Agent, p.ReservedBy, p.ReservedFor = agentToProto(r.Agent), r.Reserved.Holder, r.Reserved.Left
	p.Holds = nil
	for x := r.Reserved.Next; x != nil; x = x.Next {
		p.Holds = append(p.Holds, &peerpb.Hold{Holder: x.Holder, Left: x.Left})
	}
	p.Line, p.Flow, p.Floor, p.Said = r.Way.Line, uint32(r.Way.Flow), r.Floor, r.Said
	p.MediaSaid, p.MediaUsual = uint32(r.Spoken.Said), uint32(r.Spoken.Usual)
	p.DoNotDisturb, p.CoolFor, p.Desks = r.DoNotDisturb, r.CoolLeft, desksToProto(r.Desks)
	if p.Agent != nil {
		p.Agent.StateFor = r.AgentLeft
	}
}

func passesToProto(trunks []dn.Number) *peerpb.Passes {
	p := &peerpb.Passes{}
	for _, n := range trunks {
		p.Trunks = append(p.Trunks, string(n))
	}
	return p
}

func passesFromProto(p *peerpb.Passes) (trunks []dn.Number) {
	for _, n := range p.GetTrunks() {
		trunks = append(trunks, dn.Number(n))
	}
	return trunks
}

func digestsToProto(all []dn.Digest) *peerpb.Digests {
	p := &peerpb.Digests{Ranges: make([]*peerpb.Digest, 0, len(all))}
	for i := range all {
		p.Ranges = append(p.Ranges, &peerpb.Digest{Last: string(all[i].Last), Sum: all[i].Sum[:]})
	}
	return p
}

// digestsFromProto makes a sum that is none one that nothing has.
func digestsFromProto(p *peerpb.Digests) []dn.Digest {
	all := make([]dn.Digest, 0, len(p.GetRanges()))
	for _, r := range p.GetRanges() {
		d := dn.Digest{Last: dn.Number(r.GetLast())}
		if len(r.GetSum()) == len(d.Sum) {
			d.Sum = [16]byte(r.GetSum())
		}
		all = append(all, d)
	}
	return all
}

func agentToProto(a *dn.Agent) *peerpb.Agent {
	if a == nil {
		return nil
	}
	p := &peerpb.Agent{Id: a.ID, State: tcpb.AgentState(a.State) + 1, WorkMode: uint32(a.Mode), Since: a.Since, Login: a.Login}
	for _, r := range a.Reasons {
		p.Reasons = append(p.Reasons, &peerpb.KeyValue{Key: r.Key, Value: r.Value})
	}
	return p
}

// agentFromProto makes what it does not know something that dn.Copy rejects.
func agentFromProto(p *peerpb.Agent) *dn.Agent {
	if p == nil {
		return nil
	}
	a := &dn.Agent{ID: p.GetId(), State: invalid, Mode: dn.WorkMode(min(p.GetWorkMode(), invalid)), Since: p.GetSince(), Login: p.GetLogin()}
	if s := p.GetState(); s >= tcpb.AgentState_AGENT_STATE_LOGGED_OUT && s <= tcpb.AgentState_AGENT_STATE_READY {
		a.State = dn.AgentState(s - 1)
	}
	for _, r := range p.GetReasons()[:min(len(p.GetReasons()), dn.MaxReasons+1)] {
		a.Reasons = append(a.Reasons, dn.KeyValue{Key: r.GetKey(), Value: r.GetValue()})
	}
	return a
}

func reservedFromProto(p *peerpb.Record) dn.Reservation {
	var next *dn.Reservation
	further := p.GetHolds()[:min(len(p.GetHolds()), dn.MaxReservations)]
	for i := len(further) - 1; i >= 0; i-- {
		next = &dn.Reservation{Holder: further[i].GetHolder(), Left: further[i].GetLeft(), Next: next}
	}
	return dn.Reservation{Holder: p.GetReservedBy(), Left: p.GetReservedFor(), Next: next}
}

// DeskToProto is a registration by clients as nodes tell each other.
func DeskToProto(d dn.Desk) *peerpb.Desk {
	return &peerpb.Desk{Node: string(d.Node), Incarnation: d.Incarnation, Claim: d.Claim, Private: d.Private}
}

// DeskFromProto is what a peer says; dn.Table judges it.
func DeskFromProto(p *peerpb.Desk) dn.Desk {
	return dn.Desk{Node: dn.Node(p.GetNode()), Incarnation: p.GetIncarnation(), Claim: p.GetClaim(), Private: p.GetPrivate()}
}

func desksToProto(all *dn.Desks) (p []*peerpb.Desk) {
	for _, d := range all.All() {
		p = append(p, DeskToProto(d))
	}
	return p
}

func desksFromProto(p []*peerpb.Desk) *dn.Desks {
	if len(p) == 0 {
		return nil
	}
	all := make(dn.Desks, 0, len(p))
	for _, d := range p[:min(len(p), dn.MaxDesks+1)] {
		all = append(all, DeskFromProto(d))
	}
	return &all
}

// ToProto is the record as its writer sends it.
func ToProto(r *dn.Record) *peerpb.Record {
	p := &peerpb.Record{}
	toProto(p, r)
	return p
}

// FromProto is what a peer says; dn.Table judges it.
func FromProto(p *peerpb.Record) dn.Record { return fromProto(p) }

// fromProto makes a state or reason that it does not know one that dn.Copy
// rejects and counts.
func fromProto(p *peerpb.Record) dn.Record {
	r := dn.Record{
		Number: dn.Number(p.GetDn()), ClaimTime: p.GetClaimTime(), Seq: p.GetSeq(), State: invalid,
		Reason: dn.Reason(min(uint32(p.GetReason()), invalid)), Since: p.GetSince(), Gone: p.GetGone(),
		Agent:    agentFromProto(p.GetAgent()),
		Reserved: reservedFromProto(p),
		Way:      dn.Way{Line: p.GetLine(), Flow: uint16(p.GetFlow())}, Floor: p.GetFloor(), Said: p.GetSaid(),
		Spoken:       dn.Spoken{Said: dn.Media(p.GetMediaSaid()), Usual: dn.Media(p.GetMediaUsual())},
		DoNotDisturb: p.GetDoNotDisturb(), CoolLeft: p.GetCoolFor(), AgentLeft: p.GetAgent().GetStateFor(),
		Desks: desksFromProto(p.GetDesks()),
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
