package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

const (
	// lease is how long a reservation holds that nobody renews.
	lease = 3 * time.Second
	// givenBack is how long after a router's word its call surely has left the
	// agent or talks to it: longer than any caller waits.
	givenBack = 12 * time.Second
	// openReserve is how long after its last word a request to reserve may still
	// be granted.
	openReserve = 5 * time.Second
)

// holders judges the agents whom only routers reserve and send calls to. Their
// telephones stay where they are, so each has one node that decides.
type holders struct {
	*model
	home     map[string]string
	reserves map[string][]*history.Op
	routes   map[string][]*history.Op
}

func newHolders(m *model) *holders {
	h := &holders{model: m, home: map[string]string{}, reserves: map[string][]*history.Op{}, routes: map[string][]*history.Op{}}
	homes := m.homes()
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		switch {
		case homes[op.Key] == "":
		case op.Kind == history.Reserve:
			h.reserves[op.Key] = append(h.reserves[op.Key], op)
			h.home[op.Key] = homes[op.Key]
		case op.Kind == history.Route:
			h.routes[op.Key] = append(h.routes[op.Key], op)
			h.home[op.Key] = homes[op.Key]
		}
	}
	return h
}

// oneHolder is the part of S19 that is about them: nobody reserves an agent, or
// gets a call to one, whom another one surely holds, or whose node cannot be heard.
func oneHolder(m *model) ([]Finding, int) {
	h := newHolders(m)
	var out []Finding
	looked := 0
	for dn, home := range h.home {
		held := h.held(dn)
		for _, op := range slices.Concat(h.reserves[dn], h.routes[dn]) {
			looked++
			if !op.OK() {
				continue
			}
			if q := h.deafSince(pair{From: home, To: op.Node}, Span{op.Invoke, op.Return}); q != nil {
				out = append(out, Finding{
					Text:  fmt.Sprintf("%s gave DN %s to %s although it could not hear its owner", op.Node, dn, op.Arg),
					Nodes: []string{op.Node, home}, Keys: []string{dn}, Events: append(faultEvents(q.fault, op.Return), opEvent(op)),
				})
			}
			for _, a := range held {
				if a.op != op && a.op.Arg != op.Arg && a.contains(Span{op.Invoke, op.Return}) && !h.mayLose(home, a.op.Invoke, op.Return) {
					out = append(out, Finding{
						Text:  fmt.Sprintf("DN %s was given to %s while %s had it reserved", dn, op.Arg, a.op.Arg),
						Nodes: []string{op.Node, a.op.Node, home}, Keys: []string{dn}, Events: []Event{opEvent(a.op), opEvent(op)},
					})
					break
				}
			}
		}
	}
	return out, looked
}

// held are the reservations of the DN for as long as they surely hold. A call
// that its holder sends there takes the reservation's place.
func (h *holders) held(dn string) []holding {
	var out []holding
	for _, op := range h.reserves[dn] {
		if !op.OK() {
			continue
		}
		a := h.holds(op)
		for _, r := range h.routes[dn] {
			if r.Arg == op.Arg && r.Return >= op.Invoke {
				a.To = min(a.To, r.Invoke)
			}
		}
		if !a.empty() {
			out = append(out, a)
		}
	}
	return out
}

// mayLose tells whether the node may have forgotten a reservation of then.
func (h *holders) mayLose(node string, from, to time.Duration) bool {
	s := Span{from, to}
	return to >= h.clockWrong || h.away[node].touch(s) || slices.ContainsFunc(h.active(s.wider(h.b.ConvergeRestart), node), func(f *history.Fault) bool {
		return len(f.Effect.Full) > 0 || len(f.Effect.Wiped) > 0 || len(f.Effect.Lies) > 0
	})
}

// nothingLeft is S22: a reservation that nobody can have any more is shown by no
// node, also by those that cannot hear who has the DN.
func nothingLeft(m *model) ([]Finding, int) {
	h := newHolders(m)
	out := once{said: map[string]int{}}
	looked := 0
	for i := range m.h.Holds {
		look := &m.h.Holds[i]
		s := Span{look.Asked, look.Answered}
		if m.stopped[look.Node].touch(Span{minus(s.From, m.b.Restart), s.To}) || s.To >= m.clockWrong {
			continue
		}
		for dn := range h.home {
			end, last := h.over(dn, look.Node, s)
			if end > look.Asked {
				continue
			}
			if looked++; !slices.Contains(look.DNs, dn) {
				continue
			}
			out.add(dn+" "+look.Node, func() Finding { return h.left(dn, look, last) })
		}
	}
	return out.all, looked
}

func (h *holders) left(dn string, look *history.Holds, last *history.Op) Finding {
	f := Finding{
		Text:  fmt.Sprintf("%s showed DN %s as reserved when no reservation could still hold", look.Node, dn),
		Nodes: []string{look.Node, h.home[dn]}, Keys: []string{dn}, Times: 1,
		Events: []Event{{At: look.Asked, To: look.Answered, Node: look.Node, Text: "ListDNs: DN " + dn + " is reserved"}},
	}
	if last != nil {
		f.Events = append(f.Events, opEvent(last))
	}
	for _, fault := range h.active(Span{minus(look.Asked, h.b.ConvergeRestart), look.Answered}, look.Node, h.home[dn]) {
		f.Events = append(f.Events, faultEvents(fault, look.Answered)...)
	}
	return f
}

// over is when the last reservation that the node can know of surely is over,
// and the request that made it. What was granted since the node cannot hear the
// DN's own, it does not know.
func (h *holders) over(dn, node string, s Span) (time.Duration, *history.Op) {
	by := s.To
	if q := h.deafSince(pair{From: h.home[dn], To: node}, s); q != nil {
		by = plus(q.From, q.bound)
	}
	end := time.Duration(0)
	var last *history.Op
	for _, op := range slices.Concat(h.reserves[dn], h.routes[dn]) {
		if op.Invoke > by {
			continue
		}
		at := h.ends(op)
		if h.calm(h.home[dn], node, s) {
			at = min(at, plus(h.alone(op), lease+h.b.Expiry+h.b.Spread))
		}
		if at > end {
			end, last = at, op
		}
	}
	return end, last
}

// alone is when the holder, or its node, surely has left what it holds: it died, or
// was cut off from the DN's own for as long as a lease; Never when it has not.
func (h *holders) alone(op *history.Op) time.Duration {
	at := history.Never
	if ended, ok := h.hungUp[op.Arg]; ok && op.Kind == history.Reserve && op.Outcome != history.Unknown {
		at = max(ended, op.Return)
	}
	for _, died := range h.deaths[op.Node] {
		if died >= op.Return {
			at = min(at, died)
			break
		}
	}
	for _, q := range h.silent[pair{From: op.Node, To: h.home[op.Key]}] {
		if from := max(q.From, op.Return); plus(from, lease) <= q.To && op.Outcome != history.Unknown {
			at = min(at, from)
			break
		}
	}
	return at
}

// ends is when what the request may have reserved surely is over everywhere.
func (h *holders) ends(op *history.Op) time.Duration {
	hold, slack := op.Expires, h.b.Expiry+h.b.Spread
	if op.Kind == history.Route {
		hold = givenBack + lease // nobody may have heard that it was given back
		if given := op.Return + givenBack; op.Outcome != history.Unknown && h.calm(h.home[op.Key], op.Node, Span{op.Invoke, given}) {
			return given + slack
		}
	}
	switch {
	case op.Outcome == history.OK:
		return plus(op.Return, hold+slack)
	case op.Outcome == history.Fail && op.Kind == history.Reserve:
		return op.Invoke
	case op.Outcome == history.Fail && refusedOutright(op):
		return op.Invoke
	default:
		return plus(op.Invoke, openReserve+hold+slack)
	}
}

// refusedOutright: the router's word was not taken, so nothing was reserved.
func refusedOutright(op *history.Op) bool {
	return op.Code == "INVALID_ATTRIBUTE" || op.Code == "NOT_CONFIGURED" || op.Code == "IN_SAME_STATE" || op.Code == "RESOURCE_SEIZED"
}
