package session

import (
	"maps"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// MaxAddresses that one session may register.
const MaxAddresses = 20_000

// address is a DN with at least one registration at this node. Guarded by
// Controller.mu.
type address struct {
	modes map[*registrations]tlibpb.AddressMode
	// claim that this node took for them, 0 when it took none: the DN is of
	// another kind, only monitored, disabled, or the node is draining. A peer
	// may hold a greater one.
	claim int64
}

// registrations are a session's. With a grace they outlive its connection.
// Guarded by Controller.mu.
type registrations struct {
	token string
	// holder is the session that is connected, nil in grace.
	holder *session
	until  time.Time
	dns    map[dn.Number]struct{}
}

// held tells whether somebody registered the DN to have it in service.
func (a *address) held() bool {
	for _, m := range a.modes {
		if m != tlibpb.AddressMode_ADDRESS_MODE_MONITOR {
			return true
		}
	}
	return false
}

// conflict tells whether somebody else's registration forbids this one.
func (a *address) conflict(r *registrations, mode tlibpb.AddressMode) bool {
	if a == nil || mode == tlibpb.AddressMode_ADDRESS_MODE_MONITOR {
		return false
	}
	for other, m := range a.modes {
		if other == r || m == tlibpb.AddressMode_ADDRESS_MODE_MONITOR {
			continue
		}
		if mode == tlibpb.AddressMode_ADDRESS_MODE_PRIVATE || m == tlibpb.AddressMode_ADDRESS_MODE_PRIVATE {
			return true
		}
	}
	return false
}

// register registers a DN for a session. A pstn DN that is not just monitored
// is this node's and in service when it returns.
func (c *Controller) register(r *registrations, n dn.Number, mode tlibpb.AddressMode) *refusal.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	config := c.view().DN(string(n))
	a := c.addresses[n]
	_, again := r.dns[n]
	owns := config.GetKind() == configpb.DNKind_DN_KIND_PSTN && mode != tlibpb.AddressMode_ADDRESS_MODE_MONITOR
	switch {
	case config == nil:
		return refusal.New(tlibpb.ErrorCode_NOT_CONFIGURED, "DN %s is not configured", n)
	case config.GetDisabled():
		return refusal.New(tlibpb.ErrorCode_OUT_OF_SERVICE, "DN %s is disabled", n)
	case a.conflict(r, mode):
		return refusal.New(tlibpb.ErrorCode_RESOURCE_SEIZED, "DN %s is registered by another client of this node", n)
	case owns && c.cfg.Draining():
		return refusal.New(tlibpb.ErrorCode_OUT_OF_SERVICE, "this node is draining: register DN %s at another one", n)
	case !again && len(r.dns) >= MaxAddresses:
		return refusal.New(tlibpb.ErrorCode_INVALID_ATTRIBUTE, "this session has registered %d DNs, more than it may", MaxAddresses)
	}
	if a == nil {
		a = &address{modes: map[*registrations]tlibpb.AddressMode{}}
		c.addresses[n] = a
	}
	a.modes[r], r.dns[n] = mode, struct{}{}
	switch {
	case owns:
		a.claim = c.table.Register(n, dn.Registered).ClaimTime
	case !a.held():
		c.end(n, a, dn.Unregistered)
	}
	return nil
}

// end takes the DN out of service under the claim of its registrations: a newer
// claim, here or at a peer, is left alone.
func (c *Controller) end(n dn.Number, a *address, why dn.Reason) {
	if a.claim != 0 {
		c.table.End(n, a.claim, why)
		a.claim = 0
	}
}

// unregister takes a session's registration back; false when it has none.
func (c *Controller) unregister(r *registrations, n dn.Number) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := r.dns[n]; !ok {
		return false
	}
	c.release(r, n, dn.Unregistered)
	return true
}

func (c *Controller) release(r *registrations, n dn.Number, why dn.Reason) {
	a := c.addresses[n]
	delete(r.dns, n)
	delete(a.modes, r)
	if !a.held() {
		c.end(n, a, why)
	}
	if len(a.modes) == 0 {
		delete(c.addresses, n)
	}
}

// holds tells whether the session registered the DN to more than monitor it.
func (c *Controller) holds(r *registrations, n dn.Number) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.addresses[n]
	if a == nil {
		return false
	}
	m, ok := a.modes[r]
	return ok && m != tlibpb.AddressMode_ADDRESS_MODE_MONITOR
}

// registered are the DNs of a session.
func (c *Controller) registered(r *registrations) []dn.Number {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(r.dns))
}

// open gives a session its registrations: new ones, or with the token of a
// session that is in grace, or whose end was not noticed yet, those.
func (c *Controller) open(s *session, token string) (r *registrations, resumed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.registrations[token]; r != nil {
		if r.holder != nil {
			r.holder.stop(errTakenOver)
		}
		r.holder = s
		return r, true
	}
	r = &registrations{token: newToken(), holder: s, dns: map[dn.Number]struct{}{}}
	c.registrations[r.token] = r
	return r, false
}

// lost ends a session's registrations: at once when its client left in good
// order, otherwise when the grace is over.
func (c *Controller) lost(r *registrations, s *session, orderly bool) {
	grace := time.Duration(c.view().Options().GetDesktopGraceS()) * time.Second
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.holder != s {
		return // resumed by another connection
	}
	r.holder = nil
	if grace == 0 || orderly || len(r.dns) == 0 {
		c.forget(r)
		return
	}
	r.until = time.Now().Add(grace)
	select {
	case c.graceful <- struct{}{}:
	default: // Run will look
	}
}

func (c *Controller) forget(r *registrations) {
	for n := range r.dns {
		c.release(r, n, dn.DesktopLost)
	}
	delete(c.registrations, r.token)
}

// endGrace ends what outlived its grace and returns how long the next one has.
func (c *Controller) endGrace(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := time.Hour
	for _, r := range c.registrations {
		if r.holder != nil {
			continue
		}
		if left := r.until.Sub(now); left > 0 {
			next = min(next, left)
		} else {
			c.log.Info("a desktop gateway did not come back within its grace", "dns", len(r.dns))
			c.forget(r)
		}
	}
	return next
}

// reconcile applies a change of the configuration to what is registered here.
func (c *Controller) reconcile(ch fsm.Changes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch.All || ch.Nodes { // draining may have begun or ended
		for n, a := range c.addresses {
			c.settle(n, a)
		}
	}
	for _, number := range ch.DNs {
		n := dn.Number(number)
		if a := c.addresses[n]; a != nil {
			c.settle(n, a)
		}
		c.clear(n)
	}
}

// settle gives a DN that is registered here the state that the configuration allows.
func (c *Controller) settle(n dn.Number, a *address) {
	config := c.view().DN(string(n))
	allowed := config.GetKind() == configpb.DNKind_DN_KIND_PSTN && !config.GetDisabled() && !c.cfg.Draining()
	switch {
	case config == nil:
		c.end(n, a, dn.Deleted)
	case !allowed:
		c.end(n, a, dn.Admin)
	case a.claim == 0 && a.held():
		a.claim = c.table.Register(n, dn.Registered).ClaimTime
	}
}

// clear takes back what this node says of a DN that is no more.
func (c *Controller) clear(n dn.Number) {
	if r, own := c.table.Own(n); own && r.State == dn.OOS && c.view().DN(string(n)) == nil {
		c.table.Remove(n, dn.Deleted)
	}
}
