package check

import (
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// registration is an accepted or perhaps accepted REGISTER.
type registration struct {
	*history.Op
	// latest is the last time at which it can have taken effect.
	latest time.Duration
	// certain is when its binding is surely there and its node surely the
	// owner; empty when something could speak against it.
	certain Span
	// end is the last time at which its binding can still be there.
	end time.Duration
	// session: by a desktop gateway or over a connection, with which it ends.
	session bool
}

// truth is what the clients were told about one DN.
type truth struct {
	dn    string
	regs  []*registration // ordered by invocation, those that surely failed left out
	unreg []*registration // the same of un-REGISTERs; only Op and latest are set
	gone  []*history.Op   // phones that were switched off
	// in is when the DN is surely InSrv, by owner.
	in map[string]spans
	// out is when the DN surely ended and which node's word that is.
	out []ended
	// nodes at which it was perhaps registered.
	nodes []string
}

type ended struct {
	Span
	node string
	last *registration
}

// truths derives the truth of every DN that a client registered.
func truths(m *model) map[string]*truth {
	all := map[string]*truth{}
	get := func(dn string) *truth {
		if all[dn] == nil {
			all[dn] = &truth{dn: dn, in: map[string]spans{}}
		}
		return all[dn]
	}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		switch {
		case op.Outcome == history.Fail:
		case op.Kind == history.Register:
			get(op.Key).regs = append(get(op.Key).regs, &registration{Op: op, latest: m.latest(op)})
		case op.Kind == history.RegisterAddress, op.Kind == history.RegisterFlow:
			get(op.Key).regs = append(get(op.Key).regs, &registration{Op: op, latest: m.latestInSession(op), session: true})
		case op.Kind == history.UnregisterAddress, op.Kind == history.UnregisterFlow, op.Kind == history.HangUp:
			get(op.Key).unreg = append(get(op.Key).unreg, &registration{Op: op, latest: m.latestInSession(op), session: true})
		case op.Kind == history.Gone:
			get(op.Key).gone = append(get(op.Key).gone, op)
		case op.Kind == history.Unregister:
			get(op.Key).unreg = append(get(op.Key).unreg, &registration{Op: op, latest: m.latest(op)})
		}
	}
	for _, t := range all {
		t.fill(m)
	}
	return all
}

// latest is the last time at which the operation, handled by the asked node
// alone, can have taken effect. When its outcome is unknown that is the end of
// the node's process, or the next request of the same client that this node
// answered: requests are handled in the order in which they come.
func (m *model) latest(op *history.Op) time.Duration {
	if op.Outcome != history.Unknown {
		return op.Done()
	}
	latest := history.Never
	for _, next := range m.answered[client{op.Process, op.Node}] {
		if next.Invoke >= op.Return {
			latest = next.Invoke - 1
			break
		}
	}
	for _, at := range m.deaths[op.Node] {
		if at >= op.Return {
			return min(latest, at)
		}
	}
	return latest
}

func (t *truth) fill(m *model) {
	in := map[string][]Span{}
	for _, r := range t.regs {
		r.certain, r.end = t.certain(m, r), t.end(m, r)
		in[r.Node] = append(in[r.Node], r.certain)
		t.nodes = append(t.nodes, r.Node)
	}
	for node, all := range in {
		t.in[node] = union(all...)
	}
	slices.Sort(t.nodes)
	t.nodes = slices.Compact(t.nodes)
	t.fillOut(m)
}

// surelyOlder tells whether c's claim is surely less than r's, made at another
// node: claims follow the clocks, which are equal until one was set wrong.
func (m *model) surelyOlder(c, r *registration) bool {
	return c.latest < r.Invoke && r.latest < m.clockWrong
}

// certain is the stretch in which nothing can speak against the registration.
func (t *truth) certain(m *model, r *registration) Span {
	if !r.OK() {
		return Span{0, -1}
	}
	to := history.Never
	if r.Expires > 0 {
		to = r.Invoke + r.Expires - m.b.Expiry
	}
	for _, o := range t.regs {
		switch {
		case o == r:
		case o.Node != r.Node && !m.surelyOlder(o, r):
			to = min(to, o.Invoke)
		case o.Node == r.Node && o.Arg == r.Arg && o.latest >= r.Invoke && o.Expires > 0:
			to = min(to, o.Invoke+o.Expires-m.b.Expiry)
		}
	}
	for _, u := range t.unreg {
		if takes(u, r) && u.latest >= r.Invoke {
			to = min(to, u.Invoke)
		}
	}
	for _, g := range t.gone {
		if g.Arg == r.Arg {
			to = min(to, g.Invoke)
		}
	}
	return Span{r.Return, min(to, m.forgets(r))}
}

// takes tells whether the un-REGISTER means the registration's binding.
func takes(u, r *registration) bool { return u.Arg == r.Arg || u.Arg == "*" }

// end is when the binding is surely gone at its node, as far as its lifetime
// and its own un-REGISTERs go. A node that stands still is late.
func (t *truth) end(m *model, r *registration) time.Duration {
	end := history.Never
	if r.session {
		return t.sessionEnd(m, r)
	}
	if m.forgets(r) != history.Never {
		return end
	}
	if r.Expires > 0 && r.latest != history.Never {
		end = r.latest + r.Expires + m.b.Expiry
	}
	for _, u := range t.unreg {
		if u.OK() && u.Node == r.Node && takes(u, r) && u.Invoke > r.latest && !m.unwritten(u) {
			end = min(end, u.Return)
		}
	}
	for _, o := range t.regs {
		if o.OK() && o.Node == r.Node && o.Arg == r.Arg && o.Invoke > r.latest && o.Expires > 0 && !m.unwritten(o) {
			end = min(end, o.latest+o.Expires+m.b.Expiry)
		}
	}
	for _, s := range m.stopped[r.Node] {
		if s.From <= end && end <= s.To {
			return plus(s.To, m.b.Expiry)
		}
	}
	return end
}

// forgets is when a fault may take the registration from its node: its data
// are lost, or a restart finds them written by a wrong clock or not at all.
func (m *model) forgets(r *registration) time.Duration {
	at := history.Never
	if r.session {
		return m.breaks(r.Op)
	}
	wrong := func(down *history.Fault) bool {
		for i := range m.h.Faults {
			f := &m.h.Faults[i]
			if slices.Contains(f.Effect.Clock, r.Node) && f.Inject <= down.Healed && plus(f.Healed, m.b.Converge) >= r.Invoke {
				return true
			}
		}
		return m.unwritten(r)
	}
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		if f.Healed < r.Invoke {
			continue
		}
		if slices.Contains(f.Effect.Wiped, r.Node) || slices.Contains(f.Effect.Down, r.Node) && wrong(f) {
			at = min(at, f.Inject)
		}
	}
	for _, s := range m.away[r.Node] {
		if s.To >= r.Invoke {
			at = min(at, s.From)
		}
	}
	return at
}

// unwritten tells whether the disk was perhaps full, or did not answer, when the request was served,
// so that a restart may find what was before it.
func (m *model) unwritten(r *registration) bool {
	served := Span{minus(r.Invoke, m.b.Spread), plus(r.latest, m.b.Spread)}
	return slices.ContainsFunc(m.active(Span{max(0, minus(served.From, m.b.Converge)), served.To}, r.Node), func(f *history.Fault) bool {
		return slices.Contains(f.Effect.Full, r.Node) || slices.Contains(f.Effect.Frozen, r.Node)
	})
}

// fillOut finds when the DN surely ended: after each registration the node of
// the newest claim is sure and all that was registered there is over, nor is a desktop at another
// node still there, which has the DN back.
func (t *truth) fillOut(m *model) {
	for i := range t.regs {
		until := history.Never
		if i+1 < len(t.regs) {
			until = t.regs[i+1].Invoke - 1
		}
		if last := t.newest(m, t.regs[:i+1]); last != nil {
			over := t.regs[i].Invoke
			for _, r := range t.regs[:i+1] {
				if r.Node == last.Node || r.Kind == history.RegisterAddress {
					over = max(over, r.end)
				}
			}
			if s := (Span{over, until}); over != history.Never && !s.empty() {
				t.out = append(t.out, ended{s, last.Node, last})
			}
		}
	}
}

// newest returns a registration whose claim is surely greater than any other
// node's, nil when that is open.
func (t *truth) newest(m *model, regs []*registration) *registration {
	best := regs[0]
	for _, r := range regs[1:] { // by invocation; an acknowledged one counts more
		if r.OK() || !best.OK() {
			best = r
		}
	}
	for _, c := range regs {
		if c.Node != best.Node && (!best.OK() || !m.surelyOlder(c, best)) {
			return nil
		}
	}
	return best
}

// possible returns whether the DN was perhaps ever registered at the node by then.
func (t *truth) possible(node string, by time.Duration) bool {
	return slices.ContainsFunc(t.regs, func(r *registration) bool { return r.Node == node && r.Invoke <= by })
}

// latestOK is the newest acknowledged registration at the node by then.
func (t *truth) latestOK(node string, by time.Duration) *registration {
	for _, r := range slices.Backward(t.regs) {
		if r.Node == node && r.OK() && r.Return <= by {
			return r
		}
	}
	return nil
}
