package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
)

// detached is the part of a holder's name that is told of no end: the node holds.
const detached = "/detached"

// holderOf is a session's name in reservations: unique in the cluster, the same
// when it is resumed, and no secret.
func holderOf(self dn.Node, r *registrations) string {
	sum := sha256.Sum256([]byte(r.token))
	return agent.HolderAt(self, hex.EncodeToString(sum[:8]))
}

func (s *session) holder() string { return holderOf(s.c.table.Self(), s.reg) }

// reserve asks the DN's owner for a reservation, or to end it.
func (s *session) reserve(ctx context.Context, n dn.Number, m *tlibpb.ReserveAgent, ref uint64) {
	r := agent.Reservation{Holder: s.holder(), Duration: time.Duration(m.GetDurationMs()) * time.Millisecond, Priority: m.GetPriority()}
	if m.GetDetached() {
		r.Holder += detached
	}
	answer := &tlibpb.Event{Message: tlibpb.Message_MESSAGE_EVENT_AGENT_RESERVED, ReferenceId: ref, ThisDn: string(n)}
	s.ask(ctx, ask{n: n, ref: ref, answer: answer, do: func(ctx context.Context) (agent.Done, error) {
		err := s.c.cfg.Agents.Reserve(ctx, n, r)
		if until := s.c.cfg.Agents.Until(n, r.Holder); r.Duration == 0 {
			answer.Reason = "cancelled"
		} else if !until.IsZero() {
			answer.ExpiresAt = timestamppb.New(until)
		}
		return agent.Done{}, err
	}})
}

// told is a reservation that a client was told of.
type told struct {
	by    string
	until int64
}

// tellReservation tells who has a DN registered that another session has reserved it,
// prolonged that, or has it no more before its time. What calls reserve for themselves
// is told by what happens to them.
func (f *feeder) tellReservation(it *dn.Item) {
	st := &it.Status
	was, knew := f.reserved[st.Number]
	is := told{st.ReservedBy, st.ReservedUntil}
	if !st.Reserved || agent.IsCall(is.by) {
		delete(f.reserved, st.Number)
		if !st.Reserved && knew && time.Until(time.Unix(0, was.until)) > reservedSlack {
			e := f.events.reservation(st)
			e.Seq, e.Reason = it.Seq, "over"
			f.out.add(e)
		}
		return
	}
	if strings.TrimSuffix(is.by, detached) == f.holder || knew && was.by == is.by && time.Duration(is.until-was.until).Abs() < reservedSlack {
		return
	}
	if f.reserved == nil {
		f.reserved = map[dn.Number]told{}
	}
	f.reserved[st.Number] = is
	e := f.events.reservation(st)
	e.Seq, e.ExpiresAt = it.Seq, stamp(is.until)
	f.out.add(e)
}

// reservation tells of a DN's reservation.
func (ev *events) reservation(st *dn.Status) *tlibpb.Event {
	e := &tlibpb.Event{Message: tlibpb.Message_MESSAGE_EVENT_AGENT_RESERVED, ThisDn: string(st.Number), Time: now()}
	e.Owner, e.Site = ev.nameAndSite(st.Keeper)
	return e
}

// reservedSlack is how much two words about one time may differ.
const reservedSlack = 100 * time.Millisecond
