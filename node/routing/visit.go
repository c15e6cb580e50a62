package routing

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// Route is what a router wants to become of a call: one of the four.
type Route struct {
	DN dn.Number
	// Group: the built-in strategy picks one of its agents.
	Group string
	// External is a number outside, which the call reaches by a trunk.
	External string
	// Reject is a final answer, 400 to 699.
	Reject int
	// UserData is added to the call's; an empty value takes a key away.
	UserData map[string]string
	// Holder is the router's name in reservations: the call takes the place of
	// its reservation of the DN.
	Holder string
	// May tells whether the router may take calls from a routing point; nil: from all.
	May func(rp dn.Number) bool
}

// visit is a call at a routing point. But for routes, rp and since it is guarded
// by visits.mu.
type visit struct {
	routes chan Route
	rp     dn.Number
	since  time.Time
	// waits: it is at the routing point, not on its way to where it was sent.
	waits bool
	// asked: a router's word is taken, and none has come.
	asked bool
	// heard is called when one has; nil when it is not waited for elsewhere.
	heard func()
	// tried are DNs that the call was sent to in vain.
	tried []dn.Number
}

// visits are the calls at this node's routing points, by ConnID.
type visits struct {
	mu sync.Mutex
	of map[call.ID]*visit
}

func newVisits() *visits { return &visits{of: map[call.ID]*visit{}} }

const defaultPatience = 5 * time.Second

// RouteCall is a router's answer about a call that waits at this node.
// NOT_CONFIGURED: the DN or group does not exist; INVALID_ATTRIBUTE: no such
// call waits here for a router (any more), or the route is none.
func (r *Engine) RouteCall(conn string, route Route) *refusal.Error {
	if err := r.check(route); err != nil {
		return err
	}
	if !r.visits.answer(call.ID(conn), route) {
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "call %.32s does not wait for a router here: it has been routed, is over, or is another node's", conn)
	}
	return nil
}

// answer takes a router's word about a call; false when it waits for none.
func (vs *visits) answer(id call.ID, route Route) bool {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v := vs.of[id]
	if v == nil || !v.asked || route.May != nil && !route.May(v.rp) {
		return false
	}
	v.asked = false
	v.routes <- route // has room for one
	if v.heard != nil {
		v.heard()
	}
	return true
}

// check returns nil when the route is valid.
func (r *Engine) check(route Route) *refusal.Error {
	view := r.view()
	n := 0
	for _, set := range []bool{route.DN != "", route.Group != "", route.External != "", route.Reject != 0} {
		if set {
			n++
		}
	}
	config := view.DN(string(route.DN))
	switch {
	case n != 1:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "a route needs exactly one of dn, group, external, reject")
	case route.DN != "" && config == nil:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_CONFIGURED, "DN %.64s is not configured", route.DN)
	case route.DN != "" && config.GetKind() != configpb.DNKind_DN_KIND_SIP && config.GetKind() != configpb.DNKind_DN_KIND_PSTN:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "DN %s is not an agent's DN: want kind sip or pstn", route.DN)
	case route.Group != "" && view.Group(route.Group) == nil:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_CONFIGURED, "group %.64s is not configured", route.Group)
	case route.Reject != 0 && (route.Reject < 400 || route.Reject > 699):
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "a call is rejected with a code from 400 to 699")
	}
	return nil
}

// visit keeps a call at a routing point until somebody takes it, the caller
// gives up, or nobody comes.
func (j *journey) visit(caller context.Context, rp *configpb.DN) (cause int) {
	ctx, cancel := context.WithTimeout(caller, maxVisit)
	defer cancel()
	n := dn.Number(rp.GetNumber())
	j.rp = n
	v := &visit{routes: make(chan Route, 1), rp: n, since: time.Now()}
	j.r.visits.arrive(j.id, v)
	defer j.r.visits.leaves(j.id)
	j.in.Ring()
	for i := 0; i < maxTargets && ctx.Err() == nil; i++ {
		j.announce(tlibpb.Message_MESSAGE_EVENT_QUEUED, n, "")
		route, ok := j.await(ctx, rp, v)
		if ctx.Err() != nil {
			break
		}
		if !ok {
			cause, ok = j.builtIn(ctx, rp, v)
		} else {
			cause, ok = j.follow(ctx, n, route)
		}
		if ok {
			return cause
		}
	}
	if caller.Err() == nil {
		return j.refuse(n, 480, "Temporarily Unavailable")
	}
	j.announceEnd(tlibpb.Message_MESSAGE_EVENT_ABANDONED, n, "", 487)
	return j.reject(487, "Request Terminated")
}

func (vs *visits) arrive(id call.ID, v *visit) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.of[id] = v
}

func (vs *visits) leaves(id call.ID) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	delete(vs.of, id)
}

// announce tells what happens at the routing point. What Waiting says and what
// was told fit together: both are under the lock.
func (j *journey) announce(m tlibpb.Message, rp dn.Number, to string) { j.announceEnd(m, rp, to, 0) }

// announceEnd announces what may end the call there, with the SIP status code.
func (j *journey) announceEnd(m tlibpb.Message, rp dn.Number, to string, cause int) {
	c, _ := j.r.calls.Get(j.id)
	j.r.visits.mu.Lock()
	defer j.r.visits.mu.Unlock()
	tried := slices.Clone(j.tries)
	if v := j.r.visits.of[j.id]; v != nil {
		v.becomes(m, tried)
	}
	j.r.announcer.Announce(Visit{Message: m, Call: c, RP: rp, To: to, Tried: tried, Cause: cause})
}

func (v *visit) becomes(m tlibpb.Message, tried []dn.Number) {
	switch m {
	case tlibpb.Message_MESSAGE_EVENT_QUEUED:
		v.waits, v.tried = true, tried
	case tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST:
		v.asked = true
	default: // it leaves
		v.waits, v.asked = false, false
	}
}

// await is the router's word; false when there is no router, it takes too long,
// or the caller gives up.
func (j *journey) await(ctx context.Context, rp *configpb.DN, v *visit) (Route, bool) {
	if !j.r.announcer.Routers(v.rp) {
		return Route{}, false
	}
	patience := time.Duration(rp.GetRoutingPoint().GetTimeoutMs()) * time.Millisecond
	if patience == 0 {
		patience = defaultPatience
	}
	j.announce(tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST, v.rp, "")
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case route := <-v.routes:
		return route, true
	case <-ctx.Done():
	case <-timer.C:
	}
	return Route{}, false
}

// builtIn sends the call to an agent of the default group. While it waits for
// one a router may still decide, that took too long or has only come now. False
// when the call is back.
func (j *journey) builtIn(ctx context.Context, rp *configpb.DN, v *visit) (cause int, done bool) {
	group := rp.GetRoutingPoint().GetDefaultGroup()
	if group == "" {
		route, _ := j.r.visits.shut(v)
		return j.follow(ctx, v.rp, route)
	}
	waiting, heard := context.WithCancel(ctx)
	defer heard()
	j.r.visits.open(v, heard)
	j.group = group
	n, giveBack, err := j.r.agent(ctx, waiting.Done(), group, j.holder(), j.skip)
	route, came := j.r.visits.shut(v)
	if !came {
		return j.toAgent(ctx, v.rp, n, giveBack, err)
	}
	if err == nil {
		giveBack()
	}
	return j.follow(ctx, v.rp, route)
}

// open lets a router decide, which heard tells of.
func (vs *visits) open(v *visit, heard func()) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v.heard = heard
	if len(v.routes) > 0 { // it came just now
		heard()
		return
	}
	v.asked = true
}

// shut takes no router's word any more, but for the one that came.
func (vs *visits) shut(v *visit) (Route, bool) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v.asked, v.heard = false, nil
	select {
	case route := <-v.routes:
		return route, true
	default:
		return Route{}, false
	}
}

// follow sends the call where the route says; false when it is back.
func (j *journey) follow(ctx context.Context, rp dn.Number, route Route) (cause int, done bool) {
	j.attach(route.UserData)
	switch {
	case route.Reject != 0:
		return j.refuse(rp, route.Reject, "Rejected"), true
	case route.External != "":
		j.diverted(rp, route.External)
		return j.back(ctx, "", j.r.leave(ctx, j.in, route.External, "", 0, j))
	case route.DN != "":
		j.group = "" // the router knows others
		giveBack, err := j.r.reserve(ctx, route.DN, j.holder(), route.Holder)
		return j.toAgent(ctx, rp, route.DN, giveBack, err)
	case route.Group != "":
		j.group = route.Group
		n, giveBack, err := j.r.agent(ctx, nil, route.Group, j.holder(), j.skip)
		return j.toAgent(ctx, rp, n, giveBack, err)
	}
	return j.refuse(rp, 480, "Nobody takes calls of this routing point"), true
}

// attach changes the call's user data; an empty value takes a key away.
func (j *journey) attach(data map[string]string) {
	put, del := map[string]string{}, []string(nil)
	for k, v := range data {
		if v == "" {
			del = append(del, k)
		} else {
			put[k] = v
		}
	}
	if len(data) > 0 {
		if _, err := j.r.calls.Attach(j.id, put, del...); err != nil {
			j.r.log.Warn("user data of a route were left out", "call", string(j.id), "err", err)
		}
	}
}

// refuse ends the call at the routing point.
func (j *journey) refuse(rp dn.Number, code int, reason string) (cause int) {
	j.announceEnd(tlibpb.Message_MESSAGE_EVENT_RELEASED, rp, "", code)
	return j.reject(code, reason)
}

// holder names the call in reservations.
func (j *journey) holder() string { return agent.CallAt(j.r.table.Self(), string(j.id)) }

// toAgent sends the call to an agent that was reserved for it.
func (j *journey) toAgent(ctx context.Context, rp, n dn.Number, giveBack func(), err error) (cause int, done bool) {
	switch {
	case errors.Is(err, errFull):
		return j.refuse(rp, 503, "Too many calls wait"), true
	case err != nil:
		j.miss(n, pause)
		return 0, false
	}
	return j.back(ctx, n, j.toReserved(ctx, rp, n, giveBack))
}

// toReserved sends the call to an agent, whose reservation is over with the try.
func (j *journey) toReserved(ctx context.Context, rp, n dn.Number, giveBack func()) invite.Outcome {
	defer giveBack() // a call that is up keeps the DN busy
	j.diverted(rp, string(n))
	return j.r.dial(ctx, j.in, j.r.view().DN(string(n)), ringTime, j)
}

// diverted tells that the call leaves the routing point.
func (j *journey) diverted(rp dn.Number, to string) {
	j.announce(tlibpb.Message_MESSAGE_EVENT_ROUTE_USED, rp, to)
	j.announce(tlibpb.Message_MESSAGE_EVENT_DIVERTED, rp, to)
}

// back tells whether the call found its place; otherwise it is at the routing
// point again.
func (j *journey) back(ctx context.Context, n dn.Number, out invite.Outcome) (cause int, done bool) {
	if out.Answered || ctx.Err() != nil || out.Code >= 600 {
		return j.finish(out), true
	}
	if out.NoWord {
		j.miss(n, noWordPause)
		return 0, false
	}
	j.miss(n, pause)
	return 0, false
}
