// Package cdr writes a record of each call that arrived at this node, when it is over:
// a line of JSON in a file that is changed for the next one when it is large, and from
// there, where that is wanted, to a web server. It waits for nobody: what the disk does
// not take in time is lost and counted. Wired by node.
package cdr

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Record of a call; names and order are a contract, fields may be added. Times are UTC,
// RFC 3339, "" for what did not come about.
type Record struct {
	// ID is the call's conn_id; Node and Site are where it arrived.
	ID   string `json:"id"`
	Node string `json:"node"`
	Site string `json:"site"`
	// Type is internal, inbound, outbound, consult or unknown.
	Type string `json:"type"`
	// Caller is the DN that it came from, a phone's or a trunk's; ANI is the number as
	// shown, DNIS the one that was dialled.
	Caller string `json:"caller"`
	ANI    string `json:"ani"`
	DNIS   string `json:"dnis"`
	// Began is when it arrived.
	Began    string `json:"began"`
	Answered string `json:"answered"`
	Ended    string `json:"ended"`
	// WaitMS is from the begin to the answer, or to the end when nobody answered; TalkMS
	// from the answer to the end.
	WaitMS int64 `json:"wait_ms"`
	TalkMS int64 `json:"talk_ms"`
	// Outcome is answered, abandoned (the caller gave up) or failed, also when the end of a
	// call without an answer is not known.
	Outcome string `json:"outcome"`
	// Cause is the SIP status code that ended the call, 0 when somebody hung up; Why says
	// more where more is known.
	Cause int    `json:"cause"`
	Why   string `json:"why,omitempty"`
	// AnsweredBy is the DN that answered last; "" for somebody outside.
	AnsweredBy string `json:"answered_by"`
	// Queues are the routing points at which it waited, Tries the DNs that rang, in order.
	Queues []Queue `json:"queues"`
	Tries  []Try   `json:"tries"`
	// Holds is how many times somebody held it.
	Holds int `json:"holds"`
	// Transfer says which call went on by this one; nil: none.
	Transfer *Transfer `json:"transfer,omitempty"`
	// Incomplete: not all that happened to it was noted.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Queue is a time for which the call waited.
type Queue struct {
	DN    string `json:"dn"`
	Group string `json:"group"`
	Since string `json:"since"`
	Left  string `json:"left"`
	// To is where it went; "" when it ended there, by Cause.
	To    string `json:"to"`
	Cause int    `json:"cause"`
}

// Try is a DN that was offered the call.
type Try struct {
	DN string `json:"dn"`
	// Node by which the call went there, "" for not said.
	Node     string `json:"node"`
	Rang     string `json:"rang"`
	Answered string `json:"answered"`
	Ended    string `json:"ended"`
	// Cause of its end, as that of the call; Abandoned: the caller gave up while it rang.
	Cause     int    `json:"cause"`
	Why       string `json:"why,omitempty"`
	Abandoned bool   `json:"abandoned,omitempty"`
}

// Transfer of a call: By, a DN, was asked for it in Of; First is the first call of all.
type Transfer struct {
	Of    string `json:"of"`
	First string `json:"first"`
	By    string `json:"by"`
}

// most tries and queues are noted of a call; it is incomplete when there were more.
const most = 200

// fold makes records of what happens to calls.
type fold struct {
	node, site string
	name       func(dn.Node) string
	open       map[call.ID]*making
	// gap is until when notes were lost, ns since the epoch; 0: none were.
	gap int64
}

// making is a record that is not whole.
type making struct {
	Record
	began, answered, ended int64
	abandoned              bool
}

func newFold(node, site string, name func(dn.Node) string) *fold {
	return &fold{node: node, site: site, name: name, open: map[call.ID]*making{}}
}

// lost says that notes are missing that came until now: of every call that had begun something may.
func (f *fold) lost(now int64) {
	for _, m := range f.open {
		m.Incomplete = true
	}
	f.gap = now
}

// over are the calls whose records are not whole although they are not up.
func (f *fold) over(up func(call.ID) bool) (all []call.ID) {
	for id := range f.open {
		if !up(id) {
			all = append(all, id)
		}
	}
	return all
}

// unfinished are the records of the calls that are up, as far as they go: they have no end,
// and say that they are incomplete.
func (f *fold) unfinished() (all []*Record) {
	for _, m := range f.open {
		m.Incomplete = true
		all = append(all, m.whole())
	}
	clear(f.open)
	slices.SortFunc(all, func(a, b *Record) int { return cmp.Or(strings.Compare(a.Began, b.Began), strings.Compare(a.ID, b.ID)) })
	return all
}

// take learns from a note, and returns the record of a call that is over; nil otherwise.
func (f *fold) take(n call.Note) *Record {
	m := f.open[n.Call]
	switch {
	case n.Event != nil:
		if m == nil {
			m = &making{Record: Record{ID: string(n.Call), Node: f.node, Site: f.site, Queues: []Queue{}, Tries: []Try{}, Incomplete: n.Event.Info == nil || n.Event.Info.Began < f.gap}}
			f.open[n.Call] = m
		}
		f.event(m, n.Event)
	case m != nil:
		delete(f.open, n.Call)
		return m.whole()
	}
	return nil
}

func (f *fold) event(m *making, ev *call.Event) {
	if i := ev.Info; i != nil {
		m.began, m.Type, m.Caller, m.ANI, m.DNIS = i.Began, typeNames[i.Type], string(i.Caller), i.ANI, i.DNIS
		if t := i.Transfer; t != nil {
			m.Transfer = &Transfer{Of: string(t.From), First: string(t.Conn), By: string(t.By)}
		}
	}
	switch ev.Kind {
	case call.Ringing:
		if len(m.Tries) == most {
			m.Incomplete = true
			return
		}
		m.Tries = append(m.Tries, Try{DN: string(ev.ThisDN), Node: f.name(ev.Of), Rang: stamp(ev.Time)})
	case call.Established:
		m.establish(ev)
	case call.Released, call.Abandoned:
		m.release(ev)
	case call.Waits:
		if len(m.Queues) == most {
			m.Incomplete = true
			return
		}
		m.Queues = append(m.Queues, Queue{DN: string(ev.ThisDN), Group: ev.OtherDN, Since: stamp(ev.Time)})
	case call.Chosen:
		if q := m.queue(ev.ThisDN); q != nil {
			q.Group = ev.OtherDN
		}
	case call.Left:
		if q := m.queue(ev.ThisDN); q != nil {
			q.Left, q.To, q.Cause = stamp(ev.Time), ev.OtherDN, ev.Cause
		}
	case call.Held:
		m.Holds++
	}
}

func (m *making) establish(ev *call.Event) {
	if m.answered == 0 {
		m.answered = ev.Time
	}
	if ev.Role != call.Called {
		return
	}
	m.AnsweredBy = string(ev.ThisDN)
	t := m.try(ev.ThisDN)
	if t == nil && len(m.Tries) < most { // it took the call without having rung
		m.Tries = append(m.Tries, Try{DN: string(ev.ThisDN)})
		t = &m.Tries[len(m.Tries)-1]
	}
	if t != nil {
		t.Answered = stamp(ev.Time)
	}
}

func (m *making) release(ev *call.Event) {
	if ev.Role == call.Caller {
		m.ended, m.Cause, m.Why = ev.Time, ev.Cause, ev.Why
		return
	}
	m.abandoned = m.abandoned || ev.Kind == call.Abandoned
	if t := m.try(ev.ThisDN); t != nil {
		t.Ended, t.Cause, t.Why, t.Abandoned = stamp(ev.Time), ev.Cause, ev.Why, ev.Kind == call.Abandoned
	}
}

// try is the last one of a DN that has not ended; nil for none.
func (m *making) try(n dn.Number) *Try {
	for i := len(m.Tries) - 1; i >= 0; i-- {
		if t := &m.Tries[i]; t.DN == string(n) && t.Ended == "" {
			return t
		}
	}
	return nil
}

// queue is the last one at a routing point that the call has not left; nil for none.
func (m *making) queue(rp dn.Number) *Queue {
	for i := len(m.Queues) - 1; i >= 0; i-- {
		if q := &m.Queues[i]; q.DN == string(rp) && q.Left == "" {
			return q
		}
	}
	return nil
}

// whole is the record when nothing more happens.
func (m *making) whole() *Record {
	r := &m.Record
	r.Began, r.Answered, r.Ended = stamp(m.began), stamp(m.answered), stamp(m.ended)
	switch {
	case m.answered != 0:
		r.Outcome, r.WaitMS, r.TalkMS = "answered", millis(m.began, m.answered), millis(m.answered, m.ended)
	case m.abandoned || m.ended != 0 && m.Cause == 0 || m.Cause == requestTerminated:
		r.Outcome, r.WaitMS = "abandoned", millis(m.began, m.ended)
	default:
		r.Outcome, r.WaitMS = "failed", millis(m.began, m.ended)
	}
	return r
}

// requestTerminated answers the INVITE of a caller who gave up (RFC 3261 §15.1.2).
const requestTerminated = 487

var typeNames = map[call.Type]string{call.Unknown: "unknown", call.Internal: "internal", call.Inbound: "inbound", call.Outbound: "outbound", call.Consult: "consult"}

func stamp(at int64) string {
	if at == 0 {
		return ""
	}
	return time.Unix(0, at).UTC().Format(time.RFC3339Nano)
}

// millis from one time to a later one; a clock that was set back makes none negative.
func millis(from, to int64) int64 { return max(0, to-from) / int64(time.Millisecond) }
