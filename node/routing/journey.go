package routing

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/numbering"
)

// journey is a call on its way through this node. What happens to it comes one
// after the other.
type journey struct {
	r     *Engine
	in    invite.Call
	id    call.ID
	tries []Try
	last  map[dn.Number]miss // those that were tried in vain
	rings dn.Number          // the DN that rings now, or is in the call
	at    dn.Node            // by which the try that is under way goes there
	rp    dn.Number          // the routing point it is at; "" for none
	since int64              // when it came there, ns since the epoch
	group string             // whose agents the call may go to from there
	up    *invite.Outcome    // that of a call that is up
	refer referral           // of a call that is up
	gives []func()           // what it has of the trunks' quotas
	// passedBy are the addresses of trunks that have not taken it.
	passedBy string
	ended    atomic.Bool
	// behind: when it arrived the configuration may have been behind that of the cluster.
	behind bool
	// began is when the INVITE arrived; zero once that has been sent to a DN. rang is when
	// the DN rings has begun to ring.
	began, rang time.Time
	count       bool // see counted
	// why says more of the last try's code than that does; "" nothing.
	why string
}

// Arrive sends a call on and follows it to its end. It does not wait.
func (r *Engine) Arrive(in invite.Call) {
	give, ok := r.admits(in.Origin())
	if !ok {
		in.Reject(503, "Too many calls of the trunk")
		return
	}
	behind := r.behind() // before the view
	w := numbering.Find(r.view(), callerOf(in.Origin()), in.Called())
	id, err := r.calls.Begin(r.infoOf(in, &w))
	if err != nil {
		give()
		r.log.Warn("a call was refused", "err", err)
		in.Reject(503, "Too many calls")
		return
	}
	in.Named(string(id))
	j := &journey{r: r, in: in, id: id, behind: behind, began: time.Now(), gives: []func(){give}}
	j.guard(func() { j.begin(&w) })
}

// callerOf is who calls, as the numbering plan asks.
func callerOf(o invite.Origin) numbering.Caller {
	return numbering.Caller{DN: string(o.DN), Trunk: o.Trunk, Number: o.Number}
}

// guard ends the journey when f panics. Whoever had us called answers the caller
// then, with 500.
func (j *journey) guard(f func()) {
	returned := false
	defer func() {
		if !returned {
			j.end(500)
		}
	}()
	f()
	returned = true
}

// over ends the journey with a SIP status; of a call that is up when that is over.
func (j *journey) over(cause int) {
	if up := j.up; up != nil {
		up.Follow((*course)(j))
		return
	}
	j.end(cause)
}

// course is a journey whose call is up. It implements invite.Follower.
type course journey

func (c *course) Held(called, holds bool) {
	p := c.party(called)
	c.r.calls.Hold(c.id, p.role, p.dn, holds)
}

func (c *course) Over(cause int) { (*journey)(c).leave(cause) }

// party of a call that is up.
func (c *course) party(called bool) (p leg) {
	if called {
		return leg{call.Called, c.rings}
	}
	return leg{call.Caller, c.in.Origin().DN}
}

// end ends the journey; only the first one counts.
func (j *journey) end(cause int) {
	if j.ended.Swap(true) {
		return
	}
	if cause != 0 {
		j.counted(cause)
	}
	j.giveBack()
	j.r.calls.End(j.id, cause, cause != 0 && j.in.GaveUp())
}

func (r *Engine) infoOf(in invite.Call, w *numbering.Way) call.Info {
	o := in.Origin()
	info := call.Info{Caller: o.DN, Type: call.Internal, ANI: string(o.DN), DNIS: w.Called}
	if o.Trunk {
		info.Type, info.ANI = call.Inbound, w.Shown
	}
	if x := o.Transfer; x != nil {
		info.Transfer, info.UserData = r.calls.Refer(call.ID(x.Call), call.ID(x.Previous), x.By, o.DN)
	}
	return info
}

func (j *journey) begin(w *numbering.Way) {
	config := w.DN
	if w.Code != 0 {
		j.over(j.finish(invite.Outcome{Code: w.Code, Reason: w.Reason, Denied: true}))
		return
	}
	switch config.GetKind() {
	case configpb.DNKind_DN_KIND_FEATURE:
		j.in.Go(func(ctx context.Context) { j.guard(func() { j.over(j.serve(ctx, config, w.Digits)) }) })
	case configpb.DNKind_DN_KIND_SIP:
		j.r.place(&stopSign{}, j.in, config, 0, j, j.passed)
	case configpb.DNKind_DN_KIND_PSTN:
		j.outside(func(sign *stopSign, done func(invite.Outcome)) { j.r.place(sign, j.in, config, 0, j, done) })
	case configpb.DNKind_DN_KIND_ROUTING_POINT:
		j.in.Go(func(ctx context.Context) { j.guard(func() { j.over(j.visit(ctx, dn.Number(config.GetNumber()))) }) })
	default:
		j.outside(func(sign *stopSign, done func(invite.Outcome)) { j.r.depart(sign, j.in, w.Called, "", 0, j, done) })
	}
}

// outside sends the call by a trunk. After a change of the configuration that
// takes time to find, and happens beside.
func (j *journey) outside(start func(*stopSign, func(invite.Outcome))) {
	if j.r.directory.fresh(j.r.view()) {
		start(&stopSign{}, j.passed)
		return
	}
	j.in.Go(func(ctx context.Context) { j.guard(func() { j.passed(await(ctx, start)) }) })
}

// passed ends the journey with the outcome of its only try.
func (j *journey) passed(out invite.Outcome) { j.over(j.finish(out)) }

func (j *journey) reject(code int, reason string) (cause int) {
	j.in.Reject(code, reason)
	return code
}

// pause is how long an agent who did not take the call is left alone by it.
const pause = 30 * time.Second

// noWordPause is pause for an agent whose phone said nothing, who may not know.
const noWordPause = 5 * time.Second

// miss is a try in vain, after which the call leaves the agent alone for a while, unless
// he says that he is ready.
type miss struct {
	until time.Time
	// since is when the state began in which the agent was tried.
	since int64
}

// missed notes a try in vain.
func (j *journey) missed(n dn.Number, since int64, pause time.Duration, code int) {
	if n == "" {
		return
	}
	if j.last == nil {
		j.last = map[dn.Number]miss{}
	}
	j.tries, j.last[n] = append(j.tries, Try{n, code, j.why}), miss{time.Now().Add(pause), since}
	j.tries = j.tries[max(0, len(j.tries)-maxTried):]
}

// anotherThan tells whether somebody else may take a call that is at a routing
// point: an agent of the group, or whom a router names.
func (j *journey) anotherThan(n dn.Number) bool {
	if j.rp == "" {
		return false
	}
	_, found := j.r.longestIdle(j.group, j.media(), func(other dn.Number) bool { return other == n || j.skip(other) })
	return found || j.r.announcer.Routers(j.rp)
}

// skip tells whether an agent has just been tried, is the caller, or out of reach for it.
func (j *journey) skip(n dn.Number) bool {
	if n == j.in.Origin().DN || j.unreachable(n) {
		return true
	}
	m, tried := j.last[n]
	return tried && time.Now().Before(m.until) && m.since == j.r.agentSince(n)
}

// agentSince is when the state of the agent at a DN began, 0 when nobody ever logged in.
func (r *Engine) agentSince(n dn.Number) int64 {
	if st, _ := r.table.Get(n); st.Agent != nil {
		return st.Agent.Since
	}
	return 0
}

// ringing is told once a try.
func (j *journey) ringing(n dn.Number) {
	if j.rings != n {
		j.rings, j.rang = n, time.Now()
		j.r.calls.Ringing(j.id, n, j.at)
	}
}

// tried is told when a try has ended, whatever its outcome.
func (j *journey) tried(n dn.Number, out invite.Outcome) {
	j.explain(n, &out)
	switch {
	case out.Answered:
		j.counted(200)
		if j.rings == n {
			j.r.times.ringing.Observe(time.Since(j.rang))
		}
		j.ringing(n) // who answers has rung
		j.r.calls.Established(j.id, n)
	case j.rings != "" && !j.in.GaveUp():
		j.r.calls.Released(j.id, j.rings, out.Code)
		j.rings = ""
	}
}

// laterAfter is when a caller may try again whom this node knows too little to deny.
const laterAfter = 5 * time.Second

// finish gives the caller the last answer, or notes that the call is up.
func (j *journey) finish(out invite.Outcome) (cause int) {
	switch {
	case out.Answered:
	case out.Denied && j.behind: // what is not known yet is not denied
		out.Code = 503
		j.in.Later("The configuration is being read", laterAfter)
		return out.Code
	case out.Code == 503 && out.RetryAfter > 0:
		j.in.Later(out.Reason, out.RetryAfter)
		return out.Code
	default:
		return j.reject(out.Code, out.Reason)
	}
	j.up = &out
	return 0
}

// errFull says that too many calls wait.
var errFull = errors.New("too many calls wait for the group")
