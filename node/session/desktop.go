package session

import (
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
)

// end takes the DN out of service under the claim of its registrations: a newer
// claim, here or at a peer, is left alone. The agent stays as he is.
func (as *Addresses) end(n dn.Number, a *address, why dn.Reason) {
	as.endWith(n, a, why, dn.LossKeep)
}

func (as *Addresses) endWith(n dn.Number, a *address, why dn.Reason, l dn.Loss) {
	if a.claim != 0 {
		as.cfg.Table.EndDesktop(n, a.claim, why, l)
		a.claim = 0
	}
}

// leave is the end of the last registration of a DN to more than monitor it: its agent has
// no desktop at this node any more. A node that stops has ended it, not the client, who
// will find another one.
func (as *Addresses) leave(n dn.Number, a *address, why dn.Reason) {
	view := as.cfg.View()
	l := dn.LossKeep
	if !as.stopped {
		l = agent.DesktopOf(view, n).Loss
	}
	as.endWith(n, a, why, l)
	if a.seat != 0 && !as.stopped {
		as.cfg.Desktop(n, as.desk(a), true)
	}
	a.seat = 0
}

// sit says that clients here have registered a DN; of a phone's that is all there is to it.
func (as *Addresses) sit(n dn.Number, a *address) {
	if as.cfg.View().DN(string(n)).GetKind() == configpb.DNKind_DN_KIND_SIP {
		a.seat = as.cfg.Table.SeatClaim(n)
		as.cfg.Desktop(n, as.desk(a), false)
	}
}

// desk is the registration of a DN by all clients here.
func (as *Addresses) desk(a *address) dn.Desk {
	return dn.Desk{Node: as.cfg.Table.Self(), Incarnation: as.cfg.Table.Incarnation(), Claim: max(a.claim, a.seat), Private: a.private()}
}

// Left hears that a DN is out of service by the word of another node: a client that has
// it registered here, and from whom a desktop there took it, has it back.
func (as *Addresses) Left(n dn.Number) {
	as.mu.Lock()
	defer as.mu.Unlock()
	config := as.cfg.View().DN(string(n))
	a := as.of[n]
	if a == nil || a.claim == 0 || config.GetKind() != configpb.DNKind_DN_KIND_PSTN || config.GetDisabled() || as.self().GetDraining() || as.stopped {
		return
	}
	if r, ok := as.cfg.Table.TakeBack(n); ok {
		a.claim = r.ClaimTime
	}
}
