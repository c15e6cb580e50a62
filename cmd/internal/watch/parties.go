package watch

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// parties are the DNs that are in calls, as a node tells of them.
type parties struct {
	// up are the newest events, by DN and ConnID.
	up map[string]map[string]*tlibpb.Event
	// dials are those of up that ring for another DN, by that and ConnID: a node
	// tells of a caller only when somebody has answered.
	dials map[string]map[string]*tlibpb.Event
	// calls are how many parties each call has.
	calls map[string]int
	// rows of a snapshot that has not ended: what has none is over.
	rows map[string]map[string]bool
}

func newParties() *parties {
	return &parties{
		up: map[string]map[string]*tlibpb.Event{}, dials: map[string]map[string]*tlibpb.Event{},
		calls: map[string]int{}, rows: map[string]map[string]bool{},
	}
}

// callStates are what the events of calls leave a DN in.
var callStates = map[tlibpb.Message]string{
	tlibpb.Message_MESSAGE_EVENT_RINGING: "ringing", tlibpb.Message_MESSAGE_EVENT_ESTABLISHED: "established",
	tlibpb.Message_MESSAGE_EVENT_HELD: "held", tlibpb.Message_MESSAGE_EVENT_RETRIEVED: "established",
	tlibpb.Message_MESSAGE_EVENT_RELEASED: "released", tlibpb.Message_MESSAGE_EVENT_ABANDONED: "abandoned",
}

// take learns from an event and returns what is new, that event or none; at the
// end of a snapshot EventReleased for what ended unheard, which doesn't say how.
func (p *parties) take(e *tlibpb.Event) (news []*tlibpb.Event) {
	dn, conn := e.GetThisDn(), e.GetCall().GetConnId()
	switch e.GetMessage() {
	case tlibpb.Message_MESSAGE_EVENT_RINGING, tlibpb.Message_MESSAGE_EVENT_ESTABLISHED, tlibpb.Message_MESSAGE_EVENT_HELD, tlibpb.Message_MESSAGE_EVENT_RETRIEVED:
		known := p.up[dn][conn]
		p.put(e)
		if e.GetSnapshot() {
			mark(p.rows, dn, conn, true)
			if callStates[known.GetMessage()] == callStates[e.GetMessage()] {
				return nil
			}
		}
		return []*tlibpb.Event{e}
	case tlibpb.Message_MESSAGE_EVENT_RELEASED, tlibpb.Message_MESSAGE_EVENT_ABANDONED:
		p.remove(dn, conn)
		return []*tlibpb.Event{e}
	case tlibpb.Message_MESSAGE_END_OF_SNAPSHOT:
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
		if p.rows[e.GetThisDn()][e.GetCall().GetConnId()] {
			continue
		}
		p.remove(e.GetThisDn(), e.GetCall().GetConnId())
		e = proto.CloneOf(e)
		e.Body = &tlibpb.Event_Released{Released: &tlibpb.EventReleased{Call: e.GetCall()}}
		e.Time, e.Snapshot, e.CallSeq = end.GetTime(), false, 0
		gone = append(gone, e)
	}
	return gone
}

func (p *parties) put(e *tlibpb.Event) {
	dn, conn := e.GetThisDn(), e.GetCall().GetConnId()
	p.remove(dn, conn)
	p.calls[conn]++
	mark(p.up, dn, conn, e)
	if dialled(e) {
		mark(p.dials, e.GetCall().GetOtherDn(), conn, e)
	}
}

// dialled tells whether a DN rings for another one.
func dialled(e *tlibpb.Event) bool {
	return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_RINGING && e.GetCall().GetCallType() == tlibpb.CallType_CALL_TYPE_INTERNAL
}

func (p *parties) remove(dn, conn string) {
	e := p.up[dn][conn]
	if e == nil {
		return
	}
	unmark(p.up, dn, conn)
	if dialled(e) {
		unmark(p.dials, e.GetCall().GetOtherDn(), conn)
	}
	if p.calls[conn]--; p.calls[conn] == 0 {
		delete(p.calls, conn)
	}
}

func mark[V any](m map[string]map[string]V, dn, conn string, v V) {
	if m[dn] == nil {
		m[dn] = map[string]V{}
	}
	m[dn][conn] = v
}

func unmark[V any](m map[string]map[string]V, dn, conn string) {
	if delete(m[dn], conn); len(m[dn]) == 0 {
		delete(m, dn)
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
		return cmp.Or(cmp.Compare(a.GetThisDn(), b.GetThisDn()), a.GetTime().AsTime().Compare(b.GetTime().AsTime()), cmp.Compare(a.GetCall().GetConnId(), b.GetCall().GetConnId()))
	})
	return all
}

// best is the event to show, with how many others: of a call that is held or established
// before one that rings, then the newest.
func best(of map[string]*tlibpb.Event) (e *tlibpb.Event, others int) {
	for _, x := range of {
		if e == nil || cmp.Or(cmp.Compare(x.GetMessage(), e.GetMessage()), x.GetTime().AsTime().Compare(e.GetTime().AsTime()), cmp.Compare(x.GetCall().GetConnId(), e.GetCall().GetConnId())) > 0 {
			e = x
		}
	}
	return e, len(of) - 1
}

// cells say for a board what call a DN is in, with whom, and for how long.
func (p *parties) cells(now time.Time, dn string) []console.Cell {
	if e, others := best(p.up[dn]); e != nil {
		state := console.Tinted(callStates[e.GetMessage()], console.Green)
		if e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_RINGING {
			state.Tint = console.Yellow
		}
		return []console.Cell{state, withCell(e.GetCall().GetOtherDn(), others), console.Text(view.Age(now, e.GetTime()))}
	}
	if e, others := best(p.dials[dn]); e != nil {
		return []console.Cell{console.Tinted("dialing", console.Yellow), withCell(e.GetThisDn(), others), console.Text(view.Age(now, e.GetTime()))}
	}
	return []console.Cell{console.Text("-"), console.Text("-"), console.Text("-")}
}

// widest is how much of a number a board shows.
const widest = 20

// withCell is with whom a DN talks, and how many more calls it has.
func withCell(other string, others int) console.Cell {
	with := []rune(console.Dash(other))
	if len(with) > widest {
		with = append(with[:widest-1], '…')
	}
	if others > 0 {
		return console.Text(fmt.Sprintf("%s +%d", string(with), others))
	}
	return console.Text(string(with))
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

// endWord says how a call ended when it was not by a SIP status or by hanging up.
func endWord(e *tlibpb.Event) string {
	over := e.GetReleased() != nil || e.GetAbandoned() != nil
	switch {
	case e.GetEnd().GetReason() == tlibpb.EndReason_END_REASON_NODE_LOST:
		return "node-lost"
	case over && e.GetEnd() == nil:
		return "missed"
	}
	return ""
}

func newCallJSON(e *tlibpb.Event) callJSON {
	return callJSON{
		tlib.EventName(e.GetMessage()), e.GetThisDn(), callStates[e.GetMessage()], e.GetCall().GetConnId(), e.GetCall().GetOtherDn(), roles[e.GetCall().GetThisDnRole()],
		e.GetCall().GetAni(), e.GetCall().GetDnis(), e.GetOwner(), e.GetSite(), view.RFC3339(e.GetTime()), e.GetCallSeq(), e.GetEnd().GetSipStatus(), endWord(e), e.GetSnapshot(),
	}
}
