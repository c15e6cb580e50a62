package session

import (
	"context"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// supersession is the loss of a registration to a later one by a client of another node.
type supersession struct {
	to   dn.Node
	told bool
}

// followDesks ends registrations that later ones at other nodes exclude, until ctx ends.
func (as *Addresses) followDesks(ctx context.Context) {
	for {
		all, err := as.cfg.Table.Desks().Next(ctx)
		if err != nil {
			return
		}
		for _, s := range all {
			as.supersede(s.Number)
		}
	}
}

// supersede ends the registrations of a DN that a later one at another node excludes: a
// private one there all, a shared one those that are private. It is a function of the
// table and of what is registered here. Of a phone's DN its keeper is told what it does not
// know, or knows and is not so.
func (as *Addresses) supersede(n dn.Number) {
	as.mu.Lock()
	defer as.mu.Unlock()
	st, _ := as.cfg.Table.Get(n)
	a := as.of[n]
	if a != nil {
		as.endExcluded(n, a, &st)
	}
	switch known, ok := st.Seat(as.cfg.Table.Self()); {
	case a != nil && a.seat != 0:
		if known != as.desk(a) {
			as.cfg.Desktop(n, as.desk(a), false)
		}
	case ok && known.Incarnation == as.cfg.Table.Incarnation():
		as.cfg.Desktop(n, known, true)
	}
}

func (as *Addresses) endExcluded(n dn.Number, a *address, st *dn.Status) {
	mine := as.desk(a)
	for r, mode := range a.modes {
		mine.Private = mode == tlibpb.AddressMode_ADDRESS_MODE_PRIVATE
		by, ended := st.Ends(mine)
		if mode == tlibpb.AddressMode_ADDRESS_MODE_MONITOR || !ended {
			continue
		}
		as.release(r, n, dn.Unregistered)
		if len(r.lost) < MaxAddresses {
			r.lost[n] = supersession{to: by.Node}
		}
		if r.holder != nil {
			r.holder.lost.Send()
		}
	}
}

// untold are the registrations that a session has lost and was not told of.
func (as *Addresses) untold(r *registrations) map[dn.Number]dn.Node {
	as.mu.Lock()
	defer as.mu.Unlock()
	all := map[dn.Number]dn.Node{}
	for n, l := range walk.Map(&as.mu, r.lost) {
		if !l.told {
			all[n], r.lost[n] = l.to, supersession{to: l.to, told: true}
		}
	}
	return all
}

// tellLost tells the client of the registrations that it has lost.
func (s *session) tellLost() {
	for n, to := range s.c.addresses.untold(s.reg) {
		delete(s.feeder.audience.dns, n)
		delete(s.feeder.reserved, n)
		e := answer(0, n, &tlibpb.Event_Unregistered{Unregistered: &tlibpb.EventUnregistered{Superseded: true}})
		e.Owner, e.Site = s.feeder.events.nameAndSite(to)
		s.out.add(e)
	}
}

// mayAct tells whether the session may change what is said of a DN; otherwise the request
// is refused.
func (s *session) mayAct(n dn.Number, ref uint64) bool {
	if err := s.notRegistered(n); err != nil {
		s.out.refuse(ref, n, err)
		return false
	}
	if st, _ := s.c.table.Get(n); s.feeder.audience.foreign(&st) {
		s.out.refuse(ref, n, refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_CONFIGURED, "DN %s is not at this node: ask at a TCport", n))
		return false
	}
	return true
}

// notRegistered says why the session may not act on a DN; nil when it may.
func (s *session) notRegistered(n dn.Number) *refusal.Error {
	if s.c.addresses.holds(s.reg, n) {
		return nil
	}
	s.c.addresses.mu.Lock()
	l, lost := s.reg.lost[n]
	s.c.addresses.mu.Unlock()
	if lost {
		name, _ := s.feeder.events.nameAndSite(l.to)
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_REGISTERED, "DN %s was registered at node %s since, which ended this session's registration: register it again to have it back", n, name)
	}
	return refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_REGISTERED, "this session has not registered DN %s, or only to monitor it", n)
}
