package session

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// journey is a call on its way through this node. It belongs to the call's
// goroutine.
type journey struct {
	r     *Routing
	call  Call
	conn  string
	data  map[string]string
	tries []dn.Number
	last  map[dn.Number]time.Time // of the tries
	rings dn.Number               // the DN that rings now, or is in the call
}

// Serve sends a call on and follows it to its end. ctx ends when the caller
// gives up.
func (r *Routing) Serve(ctx context.Context, call Call) {
	j := &journey{r: r, call: call, conn: r.newConn()}
	view := r.c.view()
	config := view.DN(call.Called())
	switch config.GetKind() {
	case configpb.DNKind_DN_KIND_SIP, configpb.DNKind_DN_KIND_PSTN:
		j.finish(ctx, r.dial(ctx, call, config, 0, j))
	case configpb.DNKind_DN_KIND_ROUTING_POINT:
		if config.GetDisabled() {
			call.Reject(403, "DN is disabled")
			return
		}
		j.visit(ctx, config)
	case configpb.DNKind_DN_KIND_TRUNK:
		call.Reject(404, "Not Found")
	default:
		// Whoever came in by a trunk doesn't leave by one.
		if trunks, _ := r.directory.read(view); call.Origin().Trunk || len(trunksFor(trunks, call.Called())) == 0 {
			call.Reject(404, "Not Found")
			return
		}
		j.finish(ctx, r.leave(ctx, call, call.Called(), "", 0, j))
	}
}

// pause is how long an agent who did not take the call is left alone by it.
const pause = 30 * time.Second

// miss notes a try in vain.
func (j *journey) miss(n dn.Number) {
	if n == "" {
		return
	}
	if j.last == nil {
		j.last = map[dn.Number]time.Time{}
	}
	j.tries, j.last[n] = append(j.tries, n), time.Now()
}

// skip tells whether an agent has just been tried.
func (j *journey) skip(n dn.Number) bool {
	at, tried := j.last[n]
	return tried && time.Since(at) < pause
}

// caller is the number that a DN in the call sees.
func (j *journey) caller() string {
	if o := j.call.Origin(); !o.Trunk && o.DN != "" {
		return string(o.DN)
	}
	return j.call.Origin().Number
}

// event is one of the call.
func (j *journey) event(m tlibpb.Message, this dn.Number, other string) CallEvent {
	return CallEvent{
		Message: m, Conn: j.conn, ThisDN: this, Other: other, Called: j.call.Called(),
		UserData: maps.Clone(j.data), Tried: slices.Clone(j.tries),
	}
}

// party is an event of a DN, and when the caller has a DN too, of that one.
func (j *journey) party(m tlibpb.Message, n dn.Number) {
	if n != "" {
		j.r.announcer.Cluster(j.event(m, n, j.caller()))
	}
}

func (j *journey) parties(m tlibpb.Message, n dn.Number) {
	j.party(m, n)
	if o := j.call.Origin(); !o.Trunk && o.DN != "" {
		other := string(n)
		if n == "" {
			other = j.call.Called()
		}
		j.r.announcer.Cluster(j.event(m, o.DN, other))
	}
}

// ringing is told once a try.
func (j *journey) ringing(n dn.Number) {
	if n != "" && j.rings != n {
		j.rings = n
		j.party(tlibpb.Message_EVENT_RINGING, n)
	}
}

// tried is told when a try has ended, whatever its outcome.
func (j *journey) tried(n dn.Number, out Outcome) {
	if out.Answered {
		j.ringing(n) // who answers has rung
		j.parties(tlibpb.Message_EVENT_ESTABLISHED, n)
	}
}

// ended is told of a DN that rang in vain.
func (j *journey) ended(ctx context.Context) {
	if j.rings == "" {
		return
	}
	m := tlibpb.Message_EVENT_RELEASED
	if ctx.Err() != nil {
		m = tlibpb.Message_EVENT_ABANDONED
		if o := j.call.Origin(); !o.Trunk && o.DN != "" {
			j.r.announcer.Cluster(j.event(tlibpb.Message_EVENT_RELEASED, o.DN, string(j.rings)))
		}
	}
	j.party(m, j.rings)
	j.rings = ""
}

// finish gives the caller the last answer, or follows the call until it is over.
func (j *journey) finish(ctx context.Context, out Outcome) {
	if !out.Answered {
		j.ended(ctx)
		j.call.Reject(out.Code, out.Reason)
		return
	}
	<-out.Released
	j.parties(tlibpb.Message_EVENT_RELEASED, j.rings)
}

// errFull says that too many calls wait.
var errFull = errors.New("too many calls wait for the group")

// maxVisit is how long a call may wait at a routing point.
const maxVisit = 10 * time.Minute
