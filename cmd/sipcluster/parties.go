package main

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// parties are the DNs that are in calls, as a node tells of them.
type parties struct {
	// up are the newest events, by DN and ConnID.
	up map[string]map[string]*tlibpb.Event
	// calls are how many parties each call has.
	calls map[string]int
	// rows of a snapshot that has not ended: what has none is over.
	rows map[string]map[string]bool
}

func newParties() *parties {
	return &parties{up: map[string]map[string]*tlibpb.Event{}, calls: map[string]int{}, rows: map[string]map[string]bool{}}
}

// callStates are what the events of calls leave a DN in.
var callStates = map[tlibpb.Message]string{
	tlibpb.Message_EVENT_RINGING: "ringing", tlibpb.Message_EVENT_ESTABLISHED: "established",
	tlibpb.Message_EVENT_RELEASED: "released", tlibpb.Message_EVENT_ABANDONED: "abandoned",
}

// take learns from an event and returns what is new, that event or none; at the
// end of a snapshot EventReleased for what ended unheard, with the reason "missed".
func (p *parties) take(e *tlibpb.Event) (news []*tlibpb.Event) {
	dn, conn := e.GetThisDn(), e.GetConnId()
	switch e.GetMessage() {
	case tlibpb.Message_EVENT_RINGING, tlibpb.Message_EVENT_ESTABLISHED:
		known := p.up[dn][conn]
		p.put(e)
		if e.GetSnapshot() {
			mark(p.rows, dn, conn, true)
			if known.GetMessage() == e.GetMessage() {
				return nil
			}
		}
		return []*tlibpb.Event{e}
	case tlibpb.Message_EVENT_RELEASED, tlibpb.Message_EVENT_ABANDONED:
		p.remove(dn, conn)
		return []*tlibpb.Event{e}
	case tlibpb.Message_END_OF_SNAPSHOT:
		if !e.GetResumed() {
			news = p.missed(e)
		}
		clear(p.rows)
	}
	return news
}

// missed takes away what a whole snapshot does not have.
func (p *parties) missed(end *tlibpb.Event) (gone []*tlibpb.Event) {
	for _, e := range p.all() {
		if p.rows[e.GetThisDn()][e.GetConnId()] {
			continue
		}
		p.remove(e.GetThisDn(), e.GetConnId())
		e = proto.CloneOf(e)
		e.Message, e.Reason, e.Time, e.Snapshot, e.CallSeq = tlibpb.Message_EVENT_RELEASED, "missed", end.GetTime(), false, 0
		gone = append(gone, e)
	}
	return gone
}

func (p *parties) put(e *tlibpb.Event) {
	if p.up[e.GetThisDn()][e.GetConnId()] == nil {
		p.calls[e.GetConnId()]++
	}
	mark(p.up, e.GetThisDn(), e.GetConnId(), e)
}

func mark[V any](m map[string]map[string]V, dn, conn string, v V) {
	if m[dn] == nil {
		m[dn] = map[string]V{}
	}
	m[dn][conn] = v
}

func (p *parties) remove(dn, conn string) {
	if p.up[dn][conn] == nil {
		return
	}
	if delete(p.up[dn], conn); len(p.up[dn]) == 0 {
		delete(p.up, dn)
	}
	if p.calls[conn]--; p.calls[conn] == 0 {
		delete(p.calls, conn)
	}
}

// all are the parties by DN, the oldest first.
func (p *parties) all() (all []*tlibpb.Event) {
	for _, of := range p.up {
		for _, e := range of {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b *tlibpb.Event) int {
		return cmp.Or(cmp.Compare(a.GetThisDn(), b.GetThisDn()), a.GetTime().AsTime().Compare(b.GetTime().AsTime()), cmp.Compare(a.GetConnId(), b.GetConnId()))
	})
	return all
}

// of is the call that a DN is in, with how many others: one that is established
// before one that rings, then the newest.
func (p *parties) of(dn string) (e *tlibpb.Event, others int) {
	for _, x := range p.up[dn] {
		if e == nil || cmp.Or(cmp.Compare(x.GetMessage(), e.GetMessage()), x.GetTime().AsTime().Compare(e.GetTime().AsTime()), cmp.Compare(x.GetConnId(), e.GetConnId())) > 0 {
			e = x
		}
	}
	return e, len(p.up[dn]) - 1
}

// widest is how much of a number a board shows.
const widest = 20

// cells say for a board what call a DN is in, with whom, and for how long.
func (p *parties) cells(b *board, dn string) []cell {
	e, others := p.of(dn)
	if e == nil {
		return []cell{text("-"), text("-"), text("-")}
	}
	state := cell{callStates[e.GetMessage()], green}
	if e.GetMessage() == tlibpb.Message_EVENT_RINGING {
		state.tint = yellow
	}
	with := []rune(dash(e.GetOtherDn()))
	if len(with) > widest {
		with = append(with[:widest-1], '…')
	}
	more := ""
	if others > 0 {
		more = fmt.Sprintf(" +%d", others)
	}
	return []cell{state, text(string(with) + more), text(age(b.now(), e.GetTime()))}
}

// callJSON is a line of watch about a call; names and order are a contract.
type callJSON struct {
	Event     string `json:"event"`
	DN        string `json:"dn"`
	CallState string `json:"call_state"`
	ConnID    string `json:"conn_id"`
	OtherDN   string `json:"other_dn"`
	Role      string `json:"role"`
	ANI       string `json:"ani"`
	DNIS      string `json:"dnis"`
	Node      string `json:"node"`
	Site      string `json:"site"`
	Time      string `json:"time"`
	CallSeq   uint64 `json:"call_seq"`
	Cause     uint32 `json:"cause,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Snapshot  bool   `json:"snapshot,omitempty"`
}

// roles are the T-Library's DNRole.
var roles = map[tlibpb.DNRole]string{tlibpb.DNRole_DN_ROLE_ORIGINATION: "origination", tlibpb.DNRole_DN_ROLE_DESTINATION: "destination"}

func newCallJSON(e *tlibpb.Event) callJSON {
	return callJSON{
		tlib.EventName(e.GetMessage()), e.GetThisDn(), callStates[e.GetMessage()], e.GetConnId(), e.GetOtherDn(), roles[e.GetThisDnRole()],
		e.GetAni(), e.GetDnis(), e.GetOwner(), e.GetSite(), rfc3339(e.GetTime()), e.GetCallSeq(), e.GetCause(), e.GetReason(), e.GetSnapshot(),
	}
}
