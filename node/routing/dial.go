package routing

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// dial sends a call to a DN wherever it is, and waits for the outcome.
func (r *Engine) dial(ctx context.Context, in invite.Call, config *configpb.DN, noAnswer time.Duration, on *journey) invite.Outcome {
	return await(ctx, func(stopped *stopSign, done func(invite.Outcome)) { r.place(stopped, in, config, noAnswer, on, done) })
}

// leave sends a call to a number outside, and waits for the outcome.
func (r *Engine) leave(ctx context.Context, in invite.Call, number string, as dn.Number, noAnswer time.Duration, on *journey) invite.Outcome {
	return await(ctx, func(stopped *stopSign, done func(invite.Outcome)) {
		r.depart(stopped, in, number, as, noAnswer, on, done)
	})
}

// await is the outcome of what start begins; when ctx ends that is stopped.
func await(ctx context.Context, start func(*stopSign, func(invite.Outcome))) invite.Outcome {
	got, sign := make(chan invite.Outcome, 1), &stopSign{}
	start(sign, func(o invite.Outcome) { got <- o })
	select {
	case o := <-got:
		return o
	case <-ctx.Done():
		sign.stop()
		return <-got
	}
}

// stopSign stops one try after the other.
type stopSign struct {
	mu   sync.Mutex
	up   bool
	sent invite.Stopper
}

// next notes what is under way now.
func (s *stopSign) next(x invite.Stopper) {
	s.mu.Lock()
	s.sent = x
	up := s.up
	s.mu.Unlock()
	if up {
		x.Stop()
	}
}

func (s *stopSign) stop() {
	s.mu.Lock()
	s.up = true
	s.mu.Unlock()
	s.leave()
}

// leave stops what is under way now, and nothing that comes after it.
func (s *stopSign) leave() {
	s.mu.Lock()
	x := s.sent
	s.mu.Unlock()
	if x != nil {
		x.Stop()
	}
}

func (s *stopSign) isUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up
}

// place sends a call to a DN wherever it is; done hears the outcome.
func (r *Engine) place(sign *stopSign, in invite.Call, config *configpb.DN, noAnswer time.Duration, on *journey, done func(invite.Outcome)) {
	n := dn.Number(config.GetNumber())
	st, _ := r.table.Get(n)
	switch {
	case config.GetDisabled():
		done(invite.Outcome{Code: 403, Reason: "DN is disabled", Denied: true})
		return
	case st.State != dn.InSrv:
		done(invite.Outcome{Code: 480, Reason: "DN is out of service"})
		return
	}
	if config.GetKind() == configpb.DNKind_DN_KIND_PSTN {
		r.table.Used(n)
		r.depart(sign, in, config.GetExternal(), n, noAnswer, on, done)
		return
	}
	again := st.Standby != ""
	var tried func(out invite.Outcome)
	tried = func(out invite.Outcome) {
		if again && out.Retry && !out.NoWord && !sign.isUp() && !in.GaveUp() {
			again = false
			if by, _ := r.table.Get(n); by.State == dn.InSrv && by.Owner != st.Owner { // the standby has it now
				r.try(sign, in, r.target(&by, noAnswer), n, on, tried)
				return
			}
		}
		if !out.NoWord { // an agent whose phone was not there is as idle as before
			r.table.Used(n)
		}
		done(out)
	}
	r.try(sign, in, r.target(&st, noAnswer), n, on, tried)
}

// target is how a DN in service is reached from here.
func (r *Engine) target(st *dn.Status, noAnswer time.Duration) invite.Target {
	if st.Owner == r.table.Self() {
		return invite.Target{Deliver: st.Number, NoAnswer: noAnswer}
	}
	return invite.Target{DN: st.Number, Node: st.Owner, NoAnswer: noAnswer}
}

// goesOut tells whether the call may leave for a number, and there is a trunk for it.
func (r *Engine) goesOut(in invite.Call, number string) bool {
	return r.outbound(in).Allows(number) && len(r.exits(number)) > 0
}

// depart sends a call to a number outside, by one trunk after the other until
// one takes it. It rings at the DN that the number stands for, or at the trunk.
func (r *Engine) depart(sign *stopSign, in invite.Call, number string, as dn.Number, noAnswer time.Duration, on *journey, done func(invite.Outcome)) {
	if !r.outbound(in).Allows(number) {
		done(outOfClass)
		return
	}
	exits := r.exits(number)
	var next func(invite.Outcome)
	next = func(out invite.Outcome) {
		for out.Retry && len(exits) > 0 && !sign.isUp() && !in.GaveUp() {
			e := exits[0]
			exits = exits[1:]
			give, full := r.leaves(e.Trunk)
			if full != nil {
				out = *full
				continue
			}
			trunk, party := dn.Number(e.Trunk.GetNumber()), as
			if party == "" {
				party = trunk
			}
			t := invite.Target{Number: e.Number, Trunk: trunk, NoAnswer: noAnswer, Tried: func(w invite.Way) { on.guard(func() { on.passedOver(trunk, w) }) }}
			r.try(sign, in, t, party, on, func(out invite.Outcome) {
				on.departed(e.Trunk, give, out)
				next(out)
			})
			return
		}
		done(out)
	}
	next(invite.Outcome{Code: 404, Reason: "No trunk for the number", Retry: true, Denied: true})
}

// try sends the call to one target. A DN whose owner is lost while it rings is
// given up at once.
func (r *Engine) try(sign *stopSign, in invite.Call, t invite.Target, n dn.Number, on *journey, done func(invite.Outcome)) {
	var x *ring
	if t.Node != "" {
		x = r.rings.watch(n, t.Node)
	}
	t.Call, t.Of = string(on.id), r.table.Self()
	if t.Forwarded = on.rp; t.Forwarded == "" && t.Trunk != "" && n != t.Trunk {
		t.Forwarded = n // its telephone is outside
	}
	t.Vainly = len(on.tries) > 0
	on.at = cmp.Or(t.Node, t.Of)
	var sent invite.Stopper
	defer func() {
		if sent == nil { // it panicked
			r.rings.unwatch(n, x)
		}
	}()
	on.delivered(t.Trunk == n)
	sent = in.Send(t, func(code int) {
		switch {
		case code > 100:
			on.guard(func() { on.ringing(n) })
		case code == invite.NoWord && on.anotherThan(n):
			sign.leave()
		}
	}, func(out invite.Outcome) {
		if r.rings.unwatch(n, x) && !out.Answered {
			out.Code, out.Reason, out.Retry = 480, "DN is out of service", true
		}
		on.guard(func() {
			on.tried(n, out)
			done(out)
		})
	})
	sign.next(sent)
	if x == nil {
		return
	}
	r.rings.sent(x, sent)
	switch st, _ := r.table.Get(n); { // the owner was lost meanwhile
	case st.State != dn.InSrv:
		r.rings.lose(n, anyNode)
	case st.Owner != t.Node:
		r.rings.lose(n, r.table.Lost)
	}
}
