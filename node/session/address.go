package session

import (
	"log/slog"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// MaxAddresses that one session may register.
const MaxAddresses = 20_000

// address is a DN with at least one registration at this node. Guarded by
// Addresses.mu.
type address struct {
	modes map[*registrations]tlibpb.AddressMode
	// claim that this node took for them, 0 when it took none: the DN is of
	// another kind, only monitored or disabled. A peer may hold a greater one.
	claim int64
	// seat is the claim of a registration beside a phone, 0 for none.
	seat int64
}

// registrations are a session's. With a grace they outlive its connection.
// Guarded by Addresses.mu.
type registrations struct {
	token string
	// holder is the session that is connected, nil in grace.
	holder *session
	// who is the id of the token that they are of, "" where nobody is asked.
	who   string
	until time.Time
	dns   map[dn.Number]struct{}
	// lost are those that were ended by later ones at other nodes.
	lost map[dn.Number]supersession
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

// private tells whether somebody has it for himself alone.
func (a *address) private() bool {
	for _, m := range a.modes {
		if m == tlibpb.AddressMode_ADDRESS_MODE_PRIVATE {
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

// AddressesConfig of Addresses. All fields must be set.
type AddressesConfig struct {
	Table *dn.Table
	View  func() *fsm.View
	// Ended hears of the end of a session, by its name in reservations; it must not wait.
	Ended func(holder string)
	// RouterLeft hears that a session is asked about calls no more, by its name in
	// reservations, or "" when it is there still; it must not wait. nil: nobody does.
	RouterLeft func(holder string)
	// Desktop hears of a DN that is its phone's when clients here have registered it to more
	// than monitor it, or with left have it no more; it must not wait.
	Desktop func(n dn.Number, d dn.Desk, left bool)
	// DrainEnd is when this node's drain is over; the zero time: it has no end.
	DrainEnd func() time.Time
	Log      *slog.Logger
}

// Addresses are the DNs that clients have registered at this node, under the
// tokens of their sessions. A pstn DN that is registered, and not just monitored,
// is this node's and in service.
type Addresses struct {
	cfg AddressesConfig

	mu sync.Mutex
	of map[dn.Number]*address
	// draining and drained are what followDrain saw last.
	draining, drained bool
	// stopped: what ends from here on is no client's doing.
	stopped bool
	byToken map[string]*registrations
	// graceful wakes the Controller when a grace period begins.
	graceful wake.Signal
}

// NewAddresses of a node; its Controller keeps them.
func NewAddresses(cfg AddressesConfig) *Addresses {
	if cfg.RouterLeft == nil {
		cfg.RouterLeft = func(string) {}
	}
	return &Addresses{cfg: cfg, of: map[dn.Number]*address{}, byToken: map[string]*registrations{}, graceful: wake.New()}
}

// register registers a DN for a session. A pstn DN that is not just monitored
// is this node's and in service when it returns.
func (as *Addresses) register(r *registrations, n dn.Number, mode tlibpb.AddressMode) *refusal.Error {
	as.mu.Lock()
	defer as.mu.Unlock()
	config := as.cfg.View().DN(string(n))
	a := as.of[n]
	_, again := r.dns[n]
	owns := config.GetKind() == configpb.DNKind_DN_KIND_PSTN && mode != tlibpb.AddressMode_ADDRESS_MODE_MONITOR
	switch {
	case config == nil:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_CONFIGURED, "DN %s is not configured", n)
	case config.GetDisabled():
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s is disabled", n)
	case a.conflict(r, mode):
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "DN %s is registered by another client of this node", n)
	case owns && as.self().GetDraining():
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "this node is draining: register DN %s at another one", n)
	case !again && len(r.dns) >= MaxAddresses:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "this session has registered %d DNs, more than it may", MaxAddresses)
	}
	if a == nil {
		a = &address{modes: map[*registrations]tlibpb.AddressMode{}}
		as.of[n] = a
	}
	held := a.held()
	a.modes[r], r.dns[n] = mode, struct{}{}
	delete(r.lost, n)
	switch {
	case owns:
		as.own(n, a)
	case mode != tlibpb.AddressMode_ADDRESS_MODE_MONITOR:
		as.sit(n, a)
	case held && !a.held():
		as.leave(n, a, dn.Unregistered)
	}
	return nil
}

// unregister takes a session's registration back, if it has one.
func (as *Addresses) unregister(r *registrations, n dn.Number) {
	as.mu.Lock()
	defer as.mu.Unlock()
	delete(r.lost, n)
	if _, ok := r.dns[n]; ok {
		as.release(r, n, dn.Unregistered)
	}
}

func (as *Addresses) release(r *registrations, n dn.Number, why dn.Reason) {
	a := as.of[n]
	held := a.held()
	asked := a.modes[r] != tlibpb.AddressMode_ADDRESS_MODE_MONITOR && as.cfg.View().DN(string(n)).GetKind() == configpb.DNKind_DN_KIND_ROUTING_POINT
	delete(r.dns, n)
	delete(a.modes, r)
	if asked {
		as.cfg.RouterLeft("")
	}
	if held && !a.held() {
		as.leave(n, a, why)
	}
	if len(a.modes) == 0 {
		delete(as.of, n)
	}
}

// holds tells whether the session registered the DN to more than monitor it.
func (as *Addresses) holds(r *registrations, n dn.Number) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.of[n]
	if a == nil {
		return false
	}
	m, ok := a.modes[r]
	return ok && m != tlibpb.AddressMode_ADDRESS_MODE_MONITOR
}

// registered are the DNs of a session.
func (as *Addresses) registered(r *registrations) []dn.Number {
	as.mu.Lock()
	defer as.mu.Unlock()
	all := make([]dn.Number, 0, len(r.dns))
	for n := range walk.Map(&as.mu, r.dns) {
		all = append(all, n)
	}
	return all
}

// open gives a session its registrations: new ones, or with the token of a
// session that is in grace, or whose end was not noticed yet, those.
func (as *Addresses) open(s *session, token string) (r *registrations, resumed bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if r := as.byToken[token]; r != nil && r.who == s.who.Token() {
		if r.holder != nil {
			r.holder.stop(errTakenOver)
		}
		r.holder = s
		return r, true
	}
	r = &registrations{token: newToken(), holder: s, who: s.who.Token(), dns: map[dn.Number]struct{}{}, lost: map[dn.Number]supersession{}}
	as.byToken[r.token] = r
	return r, false
}

// keepOnly releases what of a session's registrations it may not have any more.
func (as *Addresses) keepOnly(r *registrations, may func(dn.Number, tlibpb.AddressMode) bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for n := range walk.Map(&as.mu, r.dns) {
		if !may(n, as.of[n].modes[r]) {
			as.release(r, n, dn.Unregistered)
		}
	}
}

// lost ends a session's registrations: at once when its client left in good
// order, otherwise when the grace is over.
func (as *Addresses) lost(r *registrations, s *session, orderly bool) {
	grace := time.Duration(as.cfg.View().Options().GetDesktopGraceS()) * time.Second
	as.mu.Lock()
	defer as.mu.Unlock()
	if r.holder != s {
		return // resumed by another connection
	}
	r.holder = nil
	as.cfg.RouterLeft(holderOf(as.cfg.Table.Self(), r))
	if grace == 0 || orderly || len(r.dns) == 0 {
		as.forget(r)
		return
	}
	r.until = time.Now().Add(grace)
	as.graceful.Send()
}

// forget ends registrations that nobody can take over from here on, with mu held, which is
// given up in between.
func (as *Addresses) forget(r *registrations) {
	delete(as.byToken, r.token)
	for n := range walk.Map(&as.mu, r.dns) {
		as.release(r, n, dn.DesktopLost)
	}
	as.cfg.Ended(holderOf(as.cfg.Table.Self(), r))
}

// endGrace ends what outlived its grace and returns how long the next one has.
func (as *Addresses) endGrace(now time.Time) time.Duration {
	as.mu.Lock()
	defer as.mu.Unlock()
	next := time.Hour
	var over []*registrations
	for _, r := range walk.Map(&as.mu, as.byToken) {
		if r.holder != nil {
			continue
		}
		if left := r.until.Sub(now); left > 0 {
			next = min(next, left)
		} else {
			over = append(over, r)
		}
	}
	for _, r := range over {
		if r.holder == nil && as.byToken[r.token] == r { // nobody has taken it over meanwhile
			as.cfg.Log.Info("a desktop gateway did not come back within its grace", "dns", len(r.dns))
			as.forget(r)
		}
	}
	return next
}

// reconcile applies a change of the configuration to what is registered here.
func (as *Addresses) reconcile(ch fsm.Changes) {
	switch {
	case ch.All:
		as.reconcileAll()
	case ch.Options, ch.Groups: // the rules for agents
		as.settleAll()
	}
	as.reconcileSome(ch.DNs)
}

func (as *Addresses) settleAll() {
	as.mu.Lock()
	defer as.mu.Unlock()
	for n, a := range walk.Map(&as.mu, as.of) {
		as.settle(n, a)
	}
}

// together are how many DNs are looked at under one hold of the lock.
const together = 1024

func (as *Addresses) reconcileAll() {
	as.settleAll()
	some := make([]string, 0, together)
	as.cfg.Table.Range("", func(s dn.Status) bool {
		if some = append(some, string(s.Number)); len(some) == together {
			as.reconcileSome(some)
			some = some[:0]
		}
		return true
	})
	as.reconcileSome(some)
}

func (as *Addresses) reconcileSome(numbers []string) {
	as.mu.Lock()
	defer as.mu.Unlock()
	touched := make(map[dn.Number]struct{}, len(numbers)) // perhaps they take another number of calls
	for _, number := range numbers {
		n := dn.Number(number)
		touched[n] = struct{}{}
		if a := as.of[n]; a != nil {
			as.settle(n, a)
		}
		as.clear(n)
	}
	as.cfg.Table.Touch(touched)
}

// settle gives a DN that is registered here the state that the configuration allows.
func (as *Addresses) settle(n dn.Number, a *address) {
	config := as.cfg.View().DN(string(n))
	allowed := config.GetKind() == configpb.DNKind_DN_KIND_PSTN && !config.GetDisabled()
	switch {
	case config == nil:
		as.end(n, a, dn.Deleted)
	case !allowed:
		as.end(n, a, dn.Admin)
	case a.claim == 0 && a.held() && !as.self().GetDraining():
		as.own(n, a)
	}
	if a.seat != 0 {
		as.cfg.Desktop(n, as.desk(a), false) // perhaps that means something now
	}
}

// own takes the DN for what is registered here.
func (as *Addresses) own(n dn.Number, a *address) {
	d := agent.DesktopOf(as.cfg.View(), n)
	d.Private = a.private()
	a.claim = as.cfg.Table.RegisterDesktop(n, d).ClaimTime
}

// clear takes back what this node says of a DN that is no more.
func (as *Addresses) clear(n dn.Number) {
	if r, own := as.cfg.Table.Own(n); own && r.State == dn.OOS && as.cfg.View().DN(string(n)) == nil {
		as.cfg.Table.Remove(n, dn.Deleted)
	}
}

// stopAll ends all sessions.
func (as *Addresses) stopAll() {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.stopped = true
	for _, r := range walk.Map(&as.mu, as.byToken) {
		if r.holder != nil {
			r.holder.stop(errStopping)
		}
	}
}

// Routers tells whether a session of the default port has registered the routing
// point, to more than monitor it.
func (as *Addresses) Routers(n dn.Number) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.of[n]
	if a == nil {
		return false
	}
	for r, mode := range walk.Map(&as.mu, a.modes) {
		if mode != tlibpb.AddressMode_ADDRESS_MODE_MONITOR && r.holder != nil && r.holder.port == DefaultPort {
			return true
		}
	}
	return false
}
