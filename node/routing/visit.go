package routing

import (
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// Route is what a router wants to become of a call: one of the first four, or that
// nothing does that it wanted before.
type Route struct {
	DN dn.Number
	// Group: the built-in strategy picks one of its agents.
	Group string
	// External is a number outside, which the call reaches by a trunk.
	External string
	// Reject is a final answer, 400 to 699.
	Reject int
	// Withdraw takes back what the Holder said, while the call waits by that for an agent.
	Withdraw bool
	// Timeout is how long the call waits for an agent of the Group; 0: as long as it may
	// wait at all. Overflow is where it goes then, one place after the other: each a DN, a
	// Group or an External. The last one that is a group waits without a Timeout.
	Timeout  time.Duration
	Overflow []Route
	// UserData is added to the call's; an empty value takes a key away.
	UserData map[string]string
	// Holder is the router's name in reservations: the call takes the place of
	// its reservation of the DN. Only it changes what it said while the call waits.
	Holder string
	// Request is told with the one answer to it (Visit.Answers); 0: nobody wants one.
	Request uint64
	// May tells whether the router may take calls from a routing point; nil: from all.
	May func(rp dn.Number) bool
}

// visit is a call at a routing point. But for routes, rp and since it is guarded
// by visits.mu.
type visit struct {
	routes chan Route
	rp     dn.Number
	// since is when it began to wait, the last time.
	since time.Time
	// waits: it is at the routing point, not on its way to where it was sent.
	waits bool
	// asked: a router's word is taken, and none has come.
	asked bool
	// heard is called when one has; nil when it is not waited for elsewhere.
	heard func()
	// by is the router by whose word the call waits for an agent; "" for none, or one
	// that is gone.
	by string
	// routed: it waits by a router's word.
	routed bool
	// routers tells that there may be fewer of them.
	routers wake.Signal
	// tried is where the call was sent to in vain.
	tried []Try
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
	if !r.visits.answer(r.visitOf(call.ID(conn)), route) {
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "call %.32s does not wait for a router here: it has been routed, is over, or is another node's", conn)
	}
	return nil
}

// visitOf is the call that waits here by a ConnID, as clients are told it.
func (r *Engine) visitOf(conn call.ID) call.ID {
	for _, c := range r.calls.Mine(conn) {
		if r.visits.has(c.ID) {
			return c.ID
		}
	}
	return conn
}

func (vs *visits) has(id call.ID) bool {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	return vs.of[id] != nil
}

// answer takes a router's word about a call; false when it waits for none, or for an
// agent by another router's word.
func (vs *visits) answer(id call.ID, route Route) bool {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v := vs.of[id]
	switch {
	case v == nil, !v.asked, v.by != "" && v.by != route.Holder, route.Withdraw && v.by == "", route.May != nil && !route.May(v.rp):
		return false
	}
	v.asked = false
	v.routes <- route // has room for one
	if v.heard != nil {
		v.heard()
	}
	return true
}

// RouterLeft says that a router has no right any more to be asked: the call that waits
// for its word gets another's, and any may change what it said.
func (r *Engine) RouterLeft(holder string) {
	r.visits.mu.Lock()
	defer r.visits.mu.Unlock()
	for _, v := range walk.Map(&r.visits.mu, r.visits.of) {
		if v.by == holder {
			v.by = ""
		}
		v.routers.Send()
	}
}

// maxOverflow bounds the places of a route beside the first.
const maxOverflow = 16

// check returns nil when the route is valid.
func (r *Engine) check(route Route) *refusal.Error {
	if route.Withdraw {
		return nil
	}
	if len(route.Overflow) > maxOverflow {
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "an overflow list has at most %d places", maxOverflow)
	}
	for _, o := range route.Overflow {
		if o.Reject != 0 {
			return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "a call does not overflow to a rejection")
		}
		if err := r.checkPlace(o); err != nil {
			return err
		}
	}
	return r.checkPlace(route)
}

// checkPlace returns nil when the route names one place that there is.
func (r *Engine) checkPlace(route Route) *refusal.Error {
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

func (vs *visits) arrive(id call.ID, v *visit) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.of[id] = v
}

// leaves takes the call out; the word that nobody heard any more comes back.
func (vs *visits) leaves(id call.ID) (Route, bool) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v := vs.of[id]
	delete(vs.of, id)
	return v.word()
}

// word is what a router said and nobody has heard yet.
func (v *visit) word() (Route, bool) {
	select {
	case route := <-v.routes:
		return route, true
	default:
		return Route{}, false
	}
}

func (v *visit) becomes(m tlibpb.Message, tried []Try) {
	switch m {
	case tlibpb.Message_MESSAGE_EVENT_QUEUED:
		v.waits, v.tried, v.since = true, tried, time.Now()
	case tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST:
		v.asked, v.tried = true, tried
	case tlibpb.Message_MESSAGE_EVENT_DIVERTED, tlibpb.Message_MESSAGE_EVENT_ABANDONED: // it leaves
		v.waits, v.asked = false, false
	}
}

// open lets a router decide while the call waits for an agent, which heard tells of. by:
// the one by whose word it waits.
func (vs *visits) open(v *visit, by string, heard func()) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v.by, v.routed, v.heard = by, by != "", heard
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
	v.by, v.routed, v.asked, v.heard = "", false, false, nil
	return v.word()
}
