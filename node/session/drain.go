package session

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
)

// self is this node's entry in the roster; nil while it has none.
func (as *Addresses) self() *configpb.Node { return as.cfg.View().Node(string(as.cfg.Table.Self())) }

// followDrain takes the DNs that are registered here out of service when the time of
// a drain is over, puts them back when it was undone, and wakes the sessions when
// one began or ended. It returns how long it has until something is due.
func (as *Addresses) followDrain(now time.Time) time.Duration {
	self, end := as.self(), as.cfg.DrainEnd()
	as.mu.Lock()
	defer as.mu.Unlock()
	if drained := !end.IsZero() && !now.Before(end); drained != as.drained {
		as.drained = drained
		as.hold(drained)
	}
	if draining := self.GetDraining(); draining != as.draining {
		as.draining = draining
		for n, a := range walk.Map(&as.mu, as.of) {
			as.settle(n, a)
		}
		for _, r := range walk.Map(&as.mu, as.byToken) {
			if r.holder != nil {
				r.holder.drains.Send()
			}
		}
	}
	if end.After(now) {
		return end.Sub(now)
	}
	return time.Hour
}

// hold takes what is registered here out of service, or puts it back, under the
// claims that this node took: what was registered elsewhere meanwhile stays there.
func (as *Addresses) hold(back bool) {
	turn, reason := as.cfg.Table.Resume, dn.Registered
	if back {
		turn, reason = as.cfg.Table.End, dn.Admin
	}
	for n, a := range walk.Map(&as.mu, as.of) {
		if a.claim != 0 {
			turn(n, a.claim, reason)
		}
	}
}

// keeps tells whether the session registered any DN to more than monitor it.
func (as *Addresses) keeps(r *registrations) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	for n := range walk.Map(&as.mu, r.dns) {
		if as.of[n].modes[r] != tlibpb.AddressMode_ADDRESS_MODE_MONITOR {
			return true
		}
	}
	return false
}

// tellDrain tells a client that has DNs here that the node drains, or that it takes part again.
func (s *session) tellDrain() {
	self := s.c.addresses.self()
	if s.reg == nil || self.GetDraining() == s.toldDrain || self.GetDraining() && !s.c.addresses.keeps(s.reg) {
		return
	}
	s.toldDrain = self.GetDraining()
	e := &tlibpb.EventNodeDraining{Server: s.c.info(s.port), Undone: !s.toldDrain}
	if end := self.DrainEnd(); s.toldDrain && !end.IsZero() {
		e.Until = timestamppb.New(end)
	}
	s.out.add(answer(0, "", &tlibpb.Event_NodeDraining{NodeDraining: e}))
}
