package routing

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/refusal"
)

const (
	// maxVisit is how long a call may wait at a routing point.
	maxVisit = 10 * time.Minute
	// promptly is how many words of a router in a row may be in vain before the next
	// one is asked for a little later, and later still, up to maxPace.
	promptly, paceStep, maxPace = 3, 100 * time.Millisecond, time.Second
	// maxTried bounds the DNs that are said to have been tried in vain.
	maxTried = 32
)

// stay is a call at a routing point, on the side of the call.
type stay struct {
	*journey
	v *visit
	// route is the router's word that is followed, and asked whether it wants an answer.
	route Route
	asked bool
}

// turn is what became of a try to send the call somewhere.
type turn struct {
	// done: the call is answered or over, with that cause.
	done  bool
	cause int
	// left: it had left the routing point.
	left bool
	// next is a router's newer word.
	next *Route
	// why the place could not take the call, where that is known.
	why error
}

// visit keeps a call at a routing point until somebody takes it, the caller
// gives up, or nobody comes.
func (j *journey) visit(caller context.Context, rp dn.Number) (cause int) {
	ctx, cancel := context.WithTimeout(caller, maxVisit)
	defer cancel()
	j.rp, j.since = rp, time.Now().UnixNano()
	s := &stay{journey: j, v: &visit{routes: make(chan Route, 1), rp: j.rp, routers: wake.New()}}
	j.r.calls.Queued(j.id, j.rp)
	j.r.visits.arrive(j.id, s.v)
	defer s.leaves()
	j.in.Ring()
	for vain := 0; ctx.Err() == nil; vain++ {
		if !s.waits() {
			s.enter()
		}
		if s.point() == nil {
			return s.refuse(480, "The routing point is no more")
		}
		pace(ctx, vain)
		t := s.decide(ctx)
		for t.next != nil {
			t = s.follow(ctx, *t.next)
		}
		if t.done {
			return t.cause
		}
		if t.left {
			vain = 0
		}
	}
	if caller.Err() == nil {
		return s.refuse(480, "Temporarily Unavailable")
	}
	if s.waits() {
		s.ends(487)
	}
	return j.reject(487, "Request Terminated")
}

// point is the routing point as it is configured now, nil when it is none any more.
func (s *stay) point() *configpb.RoutingPoint { return s.r.view().DN(string(s.v.rp)).GetRoutingPoint() }

// enter has the call wait, for an agent of the default group where no router is asked.
func (s *stay) enter() {
	group := ""
	if !s.r.announcer.Routers(s.v.rp) {
		group = s.point().GetDefaultGroup()
	}
	s.r.calls.Waits(s.id, s.v.rp, group)
	s.announce(Visit{Message: tlibpb.Message_MESSAGE_EVENT_QUEUED})
}

// ends has the call wait no more: it ended there.
func (s *stay) ends(cause int) {
	s.announce(Visit{Message: tlibpb.Message_MESSAGE_EVENT_ABANDONED, Cause: cause})
	s.r.calls.Left(s.id, "", cause)
}

// pace waits where a router's words are in vain again and again.
func pace(ctx context.Context, vain int) {
	if vain <= promptly {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(min(time.Duration(vain-promptly)*paceStep, maxPace)):
	}
}

// leaves ends the visit. Who said something that came too late is told.
func (s *stay) leaves() {
	late, came := s.r.visits.leaves(s.id)
	s.answer(refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "the call ended at its routing point"))
	if came {
		s.route, s.asked = late, late.Request != 0
		s.answer(refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "the call has left its routing point"))
	}
}

func (s *stay) waits() bool {
	s.r.visits.mu.Lock()
	defer s.r.visits.mu.Unlock()
	return s.v.waits
}

// announce tells what happens at the routing point. What Waiting says and what
// was told fit together: both are under the lock.
func (s *stay) announce(v Visit) {
	v.Call, _ = s.r.calls.Get(s.id)
	s.r.visits.mu.Lock()
	defer s.r.visits.mu.Unlock()
	v.RP, v.Tried = s.v.rp, slices.Clone(s.tries)
	s.v.becomes(v.Message, v.Tried)
	s.r.announcer.Announce(v)
}

// answer refuses the router's word that is followed, unless it was answered.
func (s *stay) answer(why *refusal.Error) {
	if s.asked {
		s.asked = false
		s.announce(Visit{Message: tlibpb.Message_MESSAGE_EVENT_ERROR, Answers: s.route.Request, Refused: why})
	}
}

// decide is one turn: as a router says, or else by the built-in strategy.
func (s *stay) decide(ctx context.Context) turn {
	if route, ok := s.await(ctx); ok {
		return turn{next: &route}
	}
	group := s.point().GetDefaultGroup()
	switch {
	case ctx.Err() != nil:
		return turn{}
	case group != "":
		return s.toGroup(ctx, group, "", 0, func() bool { return s.point().GetDefaultGroup() == group })
	}
	if route, came := s.r.visits.shut(s.v); came {
		return turn{next: &route}
	}
	return turn{done: true, cause: s.refuse(480, "Nobody takes calls of this routing point")}
}

// await is the router's word; false when there is no router (any more), it takes too
// long, or the caller gives up.
func (s *stay) await(ctx context.Context) (Route, bool) {
	if !s.r.announcer.Routers(s.v.rp) {
		return Route{}, false
	}
	patience := time.Duration(s.point().GetTimeoutMs()) * time.Millisecond
	if patience == 0 {
		patience = defaultPatience
	}
	s.announce(Visit{Message: tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case route := <-s.v.routes:
			return route, true
		case <-s.v.routers:
			if !s.r.announcer.Routers(s.v.rp) {
				return Route{}, false
			}
		case <-ctx.Done():
			return Route{}, false
		case <-timer.C:
			return Route{}, false
		}
	}
}

// follow sends the call where the route says, and then along its overflow list.
func (s *stay) follow(ctx context.Context, route Route) turn {
	if route.Withdraw {
		s.answer(refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "the route was withdrawn"))
		s.announce(Visit{Message: tlibpb.Message_MESSAGE_EVENT_ROUTE_WITHDRAWN, Answers: route.Request})
		return turn{}
	}
	s.answer(refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "the route was replaced by another one"))
	s.route, s.asked = route, route.Request != 0
	s.attach(route.UserData)
	if route.Reject != 0 {
		s.used("")
		return turn{done: true, cause: s.refuse(route.Reject, "Rejected")}
	}
	var why error
	places := append([]Route{route}, route.Overflow...)
	for i, place := range places {
		limit := route.Timeout
		if i > 0 && i == len(places)-1 {
			limit = 0
		}
		t := s.to(ctx, place, limit)
		if t.done || t.left || t.next != nil || ctx.Err() != nil {
			return t
		}
		why = cmp.Or(t.why, why)
	}
	s.answer(notTaken(why))
	return turn{}
}

// notTaken is the answer of a route whose places could not take the call: the last of them
// that says so says why.
func notTaken(why error) *refusal.Error {
	text := "the destination could not take the call: it waits at its routing point"
	var refused *refusal.Error
	if errors.As(why, &refused) {
		text += " (" + refused.Text + ")"
	}
	return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "%s", text)
}

// to sends the call to one place.
func (s *stay) to(ctx context.Context, place Route, limit time.Duration) turn {
	switch {
	case place.External != "":
		s.group = ""
		if !s.r.goesOut(s.in, place.External) {
			return turn{}
		}
		s.diverted(place.External)
		return s.back(ctx, "", 0, s.r.leave(ctx, s.in, place.External, "", 0, s.journey))
	case place.Group != "":
		return s.toGroup(ctx, place.Group, s.route.Holder, limit, func() bool {
			return s.point() != nil && s.r.view().Group(place.Group) != nil
		})
	}
	s.group = "" // the router knows others
	giveBack, err := s.r.reserve(ctx, place.DN, s.holder(), s.route.Holder)
	return s.toAgent(ctx, place.DN, giveBack, err)
}

// toGroup waits for an agent of a group, and sends the call there. While it waits the
// router may say otherwise by whose word it does, or any router when that is "". It waits
// as long as the configuration is such that it would come here.
func (s *stay) toGroup(ctx context.Context, group, by string, limit time.Duration, still func() bool) turn {
	waiting, heard := context.WithCancel(ctx)
	defer heard()
	if limit > 0 {
		timer := time.AfterFunc(limit, heard)
		defer timer.Stop()
	}
	s.group = group
	s.r.calls.Waits(s.id, s.v.rp, group)
	s.r.visits.open(s.v, by, heard)
	n, giveBack, err := s.agent(ctx, waiting.Done(), group, still)
	if route, came := s.r.visits.shut(s.v); came {
		if err == nil {
			giveBack()
		}
		return turn{next: &route}
	}
	return s.toAgent(ctx, n, giveBack, err)
}

// refuse ends the call at the routing point.
func (s *stay) refuse(code int, reason string) (cause int) {
	s.ends(code)
	return s.reject(code, reason)
}

// toAgent sends the call to an agent that was reserved for it.
func (s *stay) toAgent(ctx context.Context, n dn.Number, giveBack func(), err error) turn {
	switch {
	case errors.Is(err, errFull):
		return turn{done: true, cause: s.refuse(503, "Too many calls wait")}
	case err != nil:
		s.why = ""
		s.missed(n, s.r.agentSince(n), pause, 0)
		return turn{why: err}
	}
	since := s.r.agentSince(n)
	return s.back(ctx, n, since, s.toReserved(ctx, n, giveBack))
}

// toReserved sends the call to an agent, whose reservation is over with the try.
func (s *stay) toReserved(ctx context.Context, n dn.Number, giveBack func()) invite.Outcome {
	defer giveBack() // a call that is up keeps the DN busy
	s.diverted(string(n))
	view := s.r.view()
	config := view.DN(string(n))
	out := s.r.dial(ctx, s.in, config, view.Rules(config, view.DN(string(s.v.rp))).RingTimeout, s.journey)
	forwards := out.Code/100 == 3                       // where to, is nothing for a queue
	if (out.NoAnswer || forwards) && ctx.Err() == nil { // while it is reserved: nobody else is sent there
		if err := s.r.agents.Unanswered(ctx, n, s.v.rp); err != nil {
			s.r.log.Info("an agent who did not answer may be called again", "dn", string(n), "err", err)
		}
	}
	return out
}

// used answers the router's word that is followed.
func (s *stay) used(to string) {
	v := Visit{Message: tlibpb.Message_MESSAGE_EVENT_ROUTE_USED, To: to}
	if s.asked {
		s.asked, v.Answers = false, s.route.Request
	}
	s.announce(v)
}

// diverted tells that the call leaves the routing point.
func (s *stay) diverted(to string) {
	s.used(to)
	s.announce(Visit{Message: tlibpb.Message_MESSAGE_EVENT_DIVERTED, To: to})
	s.tellForwarded()
	s.r.calls.Left(s.id, to, 0)
}

// back tells whether the call found its place; otherwise it is at the routing
// point again, whatever the answer was: a 6xx says something final of the one who was
// tried (RFC 3261 §21.6), and the caller has called the routing point. since: that of the
// agent's state when he was tried.
func (s *stay) back(ctx context.Context, n dn.Number, since int64, out invite.Outcome) turn {
	switch {
	case out.Answered || ctx.Err() != nil:
		return turn{done: true, cause: s.finish(out)}
	case out.NoWord:
		s.missed(n, since, noWordPause, out.Code)
	default:
		s.missed(n, since, pause, out.Code)
	}
	return turn{left: true}
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

// holder names the call in reservations.
func (j *journey) holder() string { return agent.CallAt(j.r.table.Self(), string(j.id)) }
