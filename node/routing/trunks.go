package routing

import (
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/numbering"
	"github.com/sipcluster/sipcluster/node/quota"
)

// exits are the trunks by which a number may leave, the best first.
func (r *Engine) exits(number string) []numbering.Exit {
	trunks := r.directory.read(r.view())
	return numbering.Exits(trunks, number)
}

// admits counts a call that came by a trunk; false when that has too many.
func (r *Engine) admits(o invite.Origin) (give func(), ok bool) {
	if !o.Trunk {
		return func() {}, true
	}
	give, ok = r.quotas.Take(o.DN, quota.In, r.view().DN(string(o.DN)).GetTrunk().GetInboundLimit(), time.Now())
	if !ok {
		r.quotas.Limited(o.DN, quota.In)
	}
	return give, ok
}

// leaves counts a call that is to leave by a trunk; full is the outcome when it must not.
func (r *Engine) leaves(trunk *configpb.DN) (give func(), full *invite.Outcome) {
	n := dn.Number(trunk.GetNumber())
	if left := r.quotas.Paused(trunk, time.Now()); left > 0 {
		r.quotas.Limited(n, quota.Out)
		return nil, &invite.Outcome{Code: 503, Reason: "The trunk wants to be left alone", Retry: true, RetryAfter: left}
	}
	give, ok := r.quotas.Take(n, quota.Out, trunk.GetTrunk().GetOutboundLimit(), time.Now())
	if !ok {
		r.quotas.Limited(n, quota.Out)
		return nil, &invite.Outcome{Code: 503, Reason: "Too many calls by the trunk", Retry: true}
	}
	return give, nil
}

// departed is told what became of a try to leave by a trunk: the call that is up is counted
// until its end.
func (j *journey) departed(trunk *configpb.DN, give func(), out invite.Outcome) {
	n := dn.Number(trunk.GetNumber())
	if out.RetryAfter > 0 {
		j.r.quotas.Pause(trunk, out.RetryAfter, time.Now())
		j.r.log.Warn("a trunk wants to be left alone", "dn", string(n), "for", out.RetryAfter)
	}
	if !out.Answered {
		j.r.quotas.Ended(n, quota.Out, out.Code)
		give()
		return
	}
	j.r.quotas.Ended(n, quota.Out, 200)
	j.gives = append(j.gives, give)
}

// counted counts the call for the trunk by which it came, when it is answered or over.
func (j *journey) counted(code int) {
	if o := j.in.Origin(); o.Trunk && !j.count {
		j.count = true
		j.r.quotas.Ended(o.DN, quota.In, code)
	}
}

// Trunks are the counts of the calls of all trunks since this node began.
func (r *Engine) Trunks() []quota.Total {
	v := r.view()
	return r.quotas.Totals(func(n dn.Number) bool { return v.DN(string(n)).GetTrunk() != nil })
}

// giveBack ends what the journey has of the trunks' quotas.
func (j *journey) giveBack() {
	for _, give := range j.gives {
		give()
	}
}
