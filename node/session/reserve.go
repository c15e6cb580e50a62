package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
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
	if err := checkDuration(m.GetDuration()); err != nil {
		s.out.refuse(ref, n, err)
		return
	}
	r := agent.Reservation{Holder: s.holder(), Duration: m.GetDuration().AsDuration(), Priority: m.GetPriority()}
	if m.GetDetached() {
		r.Holder += detached
	}
	is := &tlibpb.EventAgentReserved{Outcome: tlibpb.ReservationOutcome_RESERVATION_OUTCOME_RESERVED}
	s.ask(ctx, ask{n: n, ref: ref, answer: answer(ref, n, &tlibpb.Event_AgentReserved{AgentReserved: is}), do: func(ctx context.Context) (agent.Done, error) {
		err := s.c.cfg.Agents.Reserve(ctx, n, r)
		if until := s.c.cfg.Agents.Until(n, r.Holder); r.Duration == 0 {
			is.Outcome = tlibpb.ReservationOutcome_RESERVATION_OUTCOME_CANCELLED
			if notThere(err) {
				err = nil // a cancel can be repeated
			}
		} else if !until.IsZero() {
			is.ExpiresAt = timestamppb.New(until)
		}
		return agent.Done{}, err
	}})
}

// notThere tells whether there was nothing to cancel.
func notThere(err error) bool {
	var refused *refusal.Error
	return errors.As(err, &refused) && refused.Code == tlibpb.ErrorCode_ERROR_CODE_IN_SAME_STATE
}

// checkDuration returns nil for a time in whole milliseconds that a reservation may last.
func checkDuration(d *durationpb.Duration) *refusal.Error {
	if d == nil || d.IsValid() && d.AsDuration() >= 0 && d.AsDuration() <= time.Duration(dn.MaxReserved) && d.AsDuration()%time.Millisecond == 0 {
		return nil
	}
	return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "duration %v: want whole milliseconds, at most %v", d.AsDuration(), time.Duration(dn.MaxReserved))
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
	was := f.reserved[st.Number]
	if !st.Reserved && was == nil {
		return
	}
	var is []told
	instead := false // somebody has it for whom nothing is told
	for _, x := range f.holds(st) {
		i := slices.IndexFunc(was, func(w told) bool { return w.by == x.by })
		switch {
		case agent.IsCall(x.by), strings.TrimSuffix(x.by, detached) == f.holder:
			instead = true
			continue
		case i >= 0 && time.Duration(x.until-was[i].until).Abs() < reservedSlack:
			x = was[i]
		default:
			instead = instead || i < 0
			f.tellReserved(it, &tlibpb.EventAgentReserved{Outcome: tlibpb.ReservationOutcome_RESERVATION_OUTCOME_RESERVED, ExpiresAt: stamp(x.until)})
		}
		is = append(is, x)
	}
	over := slices.ContainsFunc(was, func(w told) bool {
		return time.Until(time.Unix(0, w.until)) > reservedSlack && !slices.ContainsFunc(is, func(x told) bool { return x.by == w.by })
	})
	if over && !instead {
		f.tellReserved(it, &tlibpb.EventAgentReserved{Outcome: tlibpb.ReservationOutcome_RESERVATION_OUTCOME_OVER})
	}
	if is == nil {
		delete(f.reserved, st.Number)
		return
	}
	if f.reserved == nil {
		f.reserved = map[dn.Number][]told{}
	}
	f.reserved[st.Number] = is
}

// holds are all reservations of a DN.
func (f *feeder) holds(st *dn.Status) (all []told) {
	switch {
	case !st.Reserved:
		return nil
	case st.Holds <= 1:
		return []told{{st.ReservedBy, st.ReservedUntil}}
	}
	now := time.Now().UnixNano()
	for x := range f.c.table.Reservations(st.Number).All() {
		all = append(all, told{x.Holder, now + x.Left})
	}
	return all
}

func (f *feeder) tellReserved(it *dn.Item, is *tlibpb.EventAgentReserved) {
	e := f.events.reservation(&it.Status, is)
	e.Seq = it.Seq
	f.out.add(e)
}

// reservation tells of a DN's reservation.
func (ev *events) reservation(st *dn.Status, is *tlibpb.EventAgentReserved) *tlibpb.Event {
	e := answer(0, st.Number, &tlibpb.Event_AgentReserved{AgentReserved: is})
	e.Owner, e.Site = ev.nameAndSite(st.Keeper)
	return e
}

// reservedSlack is how much two words about one time may differ.
const reservedSlack = 100 * time.Millisecond
