package check

import (
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// pair is ordered: what from sends to to.
type pair = history.Pair

// smallLoss is the packet loss in percent that nobody may notice.
const smallLoss = 5

// silence is a time in which a node surely hears nothing of another one, and
// by when it must have noticed.
type silence struct {
	Span
	bound time.Duration
	fault *history.Fault
}

// reach is who can hear whom, and who runs.
type reach struct {
	h     *history.History
	b     history.Bounds
	nodes []string
	// regular are the nodes that belong to the cluster from the begin.
	regular []string
	// away is when a node is perhaps not on the roster.
	away map[string]spans
	// stopped is when a node possibly does not run: down, paused, starting.
	stopped map[string]spans
	// cut is when what From sends may not reach To, or not steadily.
	cut map[pair]spans
	// silent is by {From: owner, To: observer}.
	silent map[pair][]silence
	// shaken is when a pair (either order) may not hear each other or not have
	// everything yet.
	shaken map[pair]spans
}

func newReach(h *history.History, b history.Bounds) *reach {
	r := &reach{h: h, b: b, away: map[string]spans{}, stopped: map[string]spans{}, cut: map[pair]spans{}, silent: map[pair][]silence{}, shaken: map[pair]spans{}}
	for _, n := range h.Nodes {
		r.nodes = append(r.nodes, n.Name)
		r.away[n.Name] = r.aways(n.Name)
		if !r.away[n.Name].touch(Span{}) {
			r.regular = append(r.regular, n.Name)
		}
		r.stopped[n.Name] = r.stops(n.Name)
	}
	for _, x := range r.nodes {
		for _, y := range r.nodes {
			if x != y {
				r.cut[pair{From: x, To: y}] = r.cuts(pair{From: x, To: y})
			}
		}
	}
	for p := range r.cut {
		r.shaken[p] = r.shakes(p)
		r.silent[p] = r.silences(p)
	}
	return r
}

// possible is when some of the fault's effect may be there.
func possible(f *history.Fault) Span { return Span{f.Inject, f.Healed} }

// sure is when its whole effect is there; empty when nobody confirmed it.
func sure(f *history.Fault) Span {
	if f.Confirmed == history.Never {
		return Span{0, -1}
	}
	return Span{f.Confirmed, min(f.Heal, f.Healed)}
}

// stops is when the node possibly does not run. The lives of processes can
// only add to what the faults say.
func (r *reach) stops(node string) spans {
	var out []Span
	for i := range r.h.Faults {
		if f := &r.h.Faults[i]; slices.Contains(f.Effect.Down, node) || slices.Contains(f.Effect.Paused, node) {
			out = append(out, possible(f))
		}
	}
	const runs = -1
	since, seen := time.Duration(runs), false
	if r.away[node].cover(Span{0, history.Never}) {
		since = 0 // it never ran
	}
	for _, l := range r.h.Lives {
		if l.Node != node {
			continue
		}
		up := l.Kind == history.Ready || l.Kind == history.Resumed
		switch {
		case !seen && (l.Kind == history.Launched || l.Kind == history.Ready):
			since = 0
		case !up && since == runs:
			since = l.At
		}
		if up && since != runs {
			out = append(out, Span{since, l.At})
			since = runs
		}
		seen = true
	}
	if since != runs {
		out = append(out, Span{since, history.Never})
	}
	return union(out...)
}

// aways is when the node is perhaps not on the roster: before it first ran,
// and from its removal until it joined again.
func (r *reach) aways(node string) spans {
	var out []Span
	ran := len(r.h.Lives) == 0
	for _, l := range r.h.Lives {
		ran = ran || l.Node == node
	}
	if !ran {
		return spans{{0, history.Never}}
	}
	for i := range r.h.Ops {
		op := &r.h.Ops[i]
		if op.Kind != history.Roster || op.Key != node || op.Outcome == history.Fail {
			continue
		}
		last := len(out) - 1
		switch open := last >= 0 && out[last].To == history.Never; {
		case op.Arg != "join":
			out = append(out, Span{op.Invoke, history.Never})
		case op.OK() && open:
			for i := range out {
				out[i].To = min(out[i].To, op.Return)
			}
		case op.OK() && len(out) == 0:
			out = append(out, Span{0, op.Return})
		}
	}
	return union(out...)
}

// deaf tells whether the effect keeps what p.From sends on a link from p.To.
func deaf(e *history.Effect, p pair) bool {
	return slices.Contains(e.Cut, p) || slices.Contains(e.CutPorts, p) && slices.Contains(e.Ports, "cluster")
}

// cuts is when something may be wrong with the way of a packet of a link. A
// cut of gossip alone does not count: the link speaks for the peer.
func (r *reach) cuts(p pair) spans {
	var out []Span
	for i := range r.h.Faults {
		f := &r.h.Faults[i]
		e := &f.Effect
		unsteady := slices.Contains(e.Unsteady, p) && (e.Loss == 0 || e.Loss > smallLoss)
		if unsteady || deaf(e, p) {
			out = append(out, possible(f))
		}
	}
	return union(out...)
}

// shakes is when p's ends may not have each other's whole state: some fault
// of theirs may be there or was healed less than the convergence bound ago.
func (r *reach) shakes(p pair) spans {
	var out []Span
	for _, s := range slices.Concat(r.cut[p], r.cut[pair{From: p.To, To: p.From}]) {
		out = append(out, Span{s.From, plus(s.To, r.b.Converge)})
	}
	for _, s := range slices.Concat(r.stopped[p.From], r.stopped[p.To], r.away[p.From], r.away[p.To]) {
		out = append(out, Span{s.From, plus(s.To, r.b.ConvergeRestart)})
	}
	return union(out...)
}

// calm tells whether x surely hears y, and y x, all the time and nothing is
// left to catch up. A node is calm with itself while it runs.
func (r *reach) calm(x, y string, s Span) bool {
	if x == y {
		return !r.stopped[x].touch(s) && !r.away[x].touch(s)
	}
	return !r.shaken[pair{From: x, To: y}].touch(s)
}

// allCalm is the time in which every pair of regular nodes is calm.
func (r *reach) allCalm() spans {
	var all []Span
	for _, x := range r.regular {
		all = append(all, r.stopped[x]...)
		for _, y := range r.regular {
			all = append(all, r.shaken[pair{From: x, To: y}]...)
		}
	}
	return union(all...).rest()
}

// silences is when p.To surely hears nothing of p.From, a piece for each
// stretch in which p.To itself surely runs.
func (r *reach) silences(p pair) []silence {
	var faults []*history.Fault
	var all []Span
	for i := range r.h.Faults {
		f := &r.h.Faults[i]
		if deaf(&f.Effect, p) || slices.Contains(f.Effect.Down, p.From) || slices.Contains(f.Effect.Paused, p.From) {
			all, faults = append(all, sure(f)), append(faults, f)
		}
	}
	var out []silence
	for _, s := range union(all...).both(r.stopped[p.To].rest()) {
		began := r.cause(faults, s.From)
		if began != nil {
			out = append(out, silence{s, r.lossBound(began, p, s), began})
		}
	}
	return out
}

// cause is the fault that is there at t and was confirmed last.
func (r *reach) cause(faults []*history.Fault, t time.Duration) *history.Fault {
	var out *history.Fault
	for _, f := range faults {
		if s := sure(f); s.From <= t && t <= s.To && (out == nil || f.Confirmed > out.Confirmed) {
			out = f
		}
	}
	return out
}

// lossBound is how long p.To may take to notice.
func (r *reach) lossBound(f *history.Fault, p pair, s Span) time.Duration {
	before := Span{f.Inject, plus(s.From, r.b.LossKill)}
	ways := []pair{p, {From: p.To, To: p.From}}
	touched := func(s Span) bool { return r.cut[ways[0]].touch(s) || r.cut[ways[1]].touch(s) }
	untouched := !touched(before)
	justCut := touched(Span{max(0, f.Inject-r.b.Converge), s.From}) // what TCP repeats may hold its end up
	switch {
	case slices.Contains(f.Effect.Down, p.From) && untouched && justCut && f.Confirmed == s.From:
		return r.b.LossPair
	case slices.Contains(f.Effect.Down, p.From) && untouched && f.Confirmed == s.From:
		return r.b.LossKill
	case slices.Contains(f.Effect.Paused, p.From):
		return max(r.b.LossHung, r.b.LossPair)
	case slices.Contains(f.Effect.Down, p.From):
		return max(r.b.LossHung, r.b.LossPair) // nobody may have told of its death
	case r.oneSided(f, ways) || r.neighbour(p, s):
		return r.b.LossPair
	default:
		return r.b.LossCut
	}
}

// oneSided tells whether the fault leaves something of the pair open: a
// direction or a port.
func (r *reach) oneSided(f *history.Fault, ways []pair) bool {
	return !slices.Contains(f.Effect.Cut, ways[0]) || !slices.Contains(f.Effect.Cut, ways[1])
}

// neighbour tells whether a third node possibly reaches both ends, so that
// gossip may hold a cut peer alive.
func (r *reach) neighbour(p pair, s Span) bool {
	return slices.ContainsFunc(r.nodes, func(n string) bool {
		return n != p.From && n != p.To && r.mayTalk(n, p.From, s) && r.mayTalk(n, p.To, s)
	})
}

// mayTalk tells whether x and y are possibly connected at some time in s.
func (r *reach) mayTalk(x, y string, s Span) bool {
	var all []Span
	for i := range r.h.Faults {
		f := &r.h.Faults[i]
		there, back := pair{From: x, To: y}, pair{From: y, To: x}
		if slices.Contains(f.Effect.Cut, there) && slices.Contains(f.Effect.Cut, back) || gone(f, x) || gone(f, y) {
			all = append(all, sure(f))
		}
	}
	return !union(all...).cover(s)
}

func gone(f *history.Fault, node string) bool {
	return slices.Contains(f.Effect.Down, node) || slices.Contains(f.Effect.Paused, node)
}

// deafSince returns the silence that p.To surely noticed before s and that
// still lasts.
func (r *reach) deafSince(p pair, s Span) *silence {
	for i := range r.silent[p] {
		q := &r.silent[p][i]
		if (Span{plus(q.From, q.bound), q.To}).contains(s) {
			return q
		}
	}
	return nil
}
