package session

import (
	"context"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// dial sends a call to a DN wherever it is, and waits for the outcome.
func (r *Routing) dial(ctx context.Context, in Call, config *configpb.DN, noAnswer time.Duration, on *journey) Outcome {
	return await(ctx, func(stopped *stopSign, done func(Outcome)) { r.place(stopped, in, config, noAnswer, on, done) })
}

// leave sends a call to a number outside, and waits for the outcome.
func (r *Routing) leave(ctx context.Context, in Call, number string, as dn.Number, noAnswer time.Duration, on *journey) Outcome {
	return await(ctx, func(stopped *stopSign, done func(Outcome)) { r.depart(stopped, in, number, as, noAnswer, on, done) })
}

// await is the outcome of what start begins; when ctx ends that is stopped.
func await(ctx context.Context, start func(*stopSign, func(Outcome))) Outcome {
	got, sign := make(chan Outcome, 1), &stopSign{}
	start(sign, func(o Outcome) { got <- o })
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
	sent Stopper
}

// next notes what is under way now.
func (s *stopSign) next(x Stopper) {
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
func (r *Routing) place(sign *stopSign, in Call, config *configpb.DN, noAnswer time.Duration, on *journey, done func(Outcome)) {
	n := dn.Number(config.GetNumber())
	st, _ := r.c.table.Get(n)
	switch {
	case config.GetDisabled():
		done(Outcome{Code: 403, Reason: "DN is disabled"})
		return
	case st.State != dn.InSrv:
		done(Outcome{Code: 480, Reason: "DN is out of service"})
		return
	}
	r.use(n)
	if config.GetKind() == configpb.DNKind_DN_KIND_PSTN {
		r.depart(sign, in, config.GetExternal(), n, noAnswer, on, done)
		return
	}
	r.try(sign, in, r.target(&st, noAnswer), n, on, done)
}

// target is how a DN in service is reached from here.
func (r *Routing) target(st *dn.Status, noAnswer time.Duration) Target {
	if st.Owner == r.c.table.Self() {
		return Target{Deliver: st.Number, NoAnswer: noAnswer}
	}
	return Target{DN: st.Number, NodeAddr: r.c.view().Node(string(st.Owner)).GetSipAddr(), NoAnswer: noAnswer}
}

// depart sends a call to a number outside, by one trunk after the other until
// one takes it. It rings at the DN that the number stands for, or at the trunk.
func (r *Routing) depart(sign *stopSign, in Call, number string, as dn.Number, noAnswer time.Duration, on *journey, done func(Outcome)) {
	trunks, _ := r.directory.read(r.c.view())
	trunks = trunksFor(trunks, number)
	var next func(Outcome)
	next = func(out Outcome) {
		if !out.Retry || len(trunks) == 0 || sign.isUp() || in.GaveUp() {
			done(out)
			return
		}
		t := trunks[0]
		trunks = trunks[1:]
		party := as
		if party == "" {
			party = dn.Number(t.GetNumber())
		}
		r.try(sign, in, Target{Number: number, TrunkAddr: t.GetTrunk().GetAddress(), NoAnswer: noAnswer}, party, on, next)
	}
	next(Outcome{Code: 404, Reason: "No trunk for the number", Retry: true})
}

// try sends the call to one target. A DN whose owner is lost while it rings is
// given up at once.
func (r *Routing) try(sign *stopSign, in Call, t Target, n dn.Number, on *journey, done func(Outcome)) {
	var x *ring
	if t.NodeAddr != "" {
		x = r.watchOwner(n)
	}
	sent := in.Send(t, func(code int) {
		if code > 100 {
			on.ringing(n)
		}
	}, func(out Outcome) {
		if r.unwatch(n, x) && !out.Answered {
			out.Code, out.Reason, out.Retry = 480, "DN is out of service", true
		}
		on.tried(n, out)
		done(out)
	})
	sign.next(sent)
	if x != nil {
		r.sent(n, x, sent)
	}
}

// ring is a try at another node's DN.
type ring struct {
	// sent is nil until it was.
	sent Stopper
	// lost: the DN's owner was.
	lost bool
}

func (r *Routing) watchOwner(n dn.Number) *ring {
	x := &ring{}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ringing[n] == nil {
		r.ringing[n] = map[*ring]struct{}{}
	}
	r.ringing[n][x] = struct{}{}
	return x
}

// sent notes what to stop when the owner is lost, which it may be already.
func (r *Routing) sent(n dn.Number, x *ring, s Stopper) {
	r.mu.Lock()
	x.sent = s
	r.mu.Unlock()
	if st, _ := r.c.table.Get(n); st.State != dn.InSrv {
		r.lose(n)
	}
}

// lose gives up what rings at a DN that is out of service.
func (r *Routing) lose(n dn.Number) {
	var stop []Stopper
	r.mu.Lock()
	for x := range r.ringing[n] {
		if x.lost = true; x.sent != nil {
			stop = append(stop, x.sent)
		}
	}
	r.mu.Unlock()
	for _, s := range stop {
		s.Stop()
	}
}

// unwatch ends watchOwner; true when the owner was lost.
func (r *Routing) unwatch(n dn.Number, x *ring) (lost bool) {
	if x == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.ringing[n], x); len(r.ringing[n]) == 0 {
		delete(r.ringing, n)
	}
	return x.lost
}
