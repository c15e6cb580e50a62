package historytest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// edges are the clients beside phones and writers: they ask for DNs by requests
// outside of calls, and reserve agents whom nobody else wants.
type edges struct {
	*model
	rng    *rand.Rand
	agents []*agent
	asked  int
}

// agent is a telephone that stays at its node.
type agent struct {
	dn    string
	home  *node
	until time.Duration // of its reservation
	// known is until as each node heard it last.
	known map[string]time.Duration
}

// addEdges enrols the agents and notes the configuration as it is before the run.
func (m *model) addEdges(seed uint64) *edges {
	e := &edges{model: m, rng: rand.New(rand.NewPCG(seed, 2))}
	for i, x := range m.nodes {
		a := &agent{dn: fmt.Sprint(301 + i), home: x, known: map[string]time.Duration{}}
		e.agents = append(e.agents, a)
		m.op(history.Op{Process: "agent-" + a.dn, Kind: history.Enrol, Node: x.name, Home: x.name, Key: a.dn, Outcome: history.OK}, 5*time.Millisecond)
		m.h.Dumps = append(m.h.Dumps, history.Dump{Answered: tick, Node: x.name, Objects: m.objects()})
	}
	return e
}

// objects are those that nobody changes.
func (m *model) objects() []history.Entry {
	out := []history.Entry{{Key: "group/g", Value: "1"}, {Key: "dn/trunk", Value: "2"}, {Key: "options/", Value: "3"}}
	for _, p := range m.phones {
		out = append(out, history.Entry{Key: "dn/" + p.dn, Value: "p" + p.dn})
	}
	return out
}

func (e *edges) step(quiet bool) {
	for _, a := range e.agents {
		for _, x := range e.nodes {
			if x == a.home || e.talk(x, a.home) {
				a.known[x.name] = a.until
			}
		}
	}
	if e.now%(200*time.Millisecond) == 0 {
		e.look()
		if !quiet {
			e.ask()
		} else {
			e.sample()
		}
	}
	if e.now%(400*time.Millisecond) == 0 && !quiet {
		e.want()
	}
}

func (e *edges) look() {
	for _, x := range e.nodes {
		h := history.Holds{Asked: e.now + time.Millisecond, Answered: e.now + 2*time.Millisecond, Node: x.name}
		for _, a := range e.agents {
			if a.known[x.name] > h.Answered {
				h.DNs = append(h.DNs, a.dn)
			}
		}
		if x.runs() {
			e.h.Holds = append(e.h.Holds, h)
		}
	}
}

// request begins an operation of a client that does nothing else; none where
// the node does not run.
func (e *edges) request(op history.Op) (history.Op, *node) {
	x := e.nodes[e.rng.IntN(len(e.nodes))]
	e.asked++
	op.Node, op.Home, op.Process = x.name, x.name, fmt.Sprintf("client-%d", e.asked)
	return op, x
}

// ask sends a request outside of calls to a phone, or to nobody.
func (e *edges) ask() {
	op, x := e.request(history.Op{Kind: history.OutOfDialog, From: "MESSAGE"})
	if !x.runs() {
		return
	}
	if e.rng.IntN(10) == 0 {
		op.Key, op.Arg, op.Outcome, op.Code = "2999", history.Nobody, history.Fail, "404"
		e.op(op, 5*time.Millisecond)
		return
	}
	op.Key = e.phones[e.rng.IntN(len(e.phones))].dn
	row := x.row(op.Key)
	switch {
	case !row.InSrv:
		op.Outcome, op.Code = history.Fail, "480"
	case row.Owner == x.name || e.talk(x, e.node(row.Owner)):
		op.Outcome, op.Code = history.OK, "501"
	default: // nobody knows yet
		op.Outcome = history.Unknown
		e.op(op, 3*time.Second)
		return
	}
	e.op(op, 5*time.Millisecond)
	if op.OK() {
		e.arrives(op, row.Owner)
	}
}

// arrives has the last request come to the phone of its DN at a node.
func (e *edges) arrives(op history.Op, at string) {
	e.op(history.Op{
		Kind: history.Arrival, Process: "phone-" + op.Key + "/arrivals", Node: at, Home: at, Key: op.Key,
		From: op.From, Arg: strconv.FormatInt(e.lastID, 10), Outcome: history.OK,
	}, 0)
}

// sample calls a phone, or a DN that nobody ever registered, while nothing breaks.
func (e *edges) sample() {
	op, x := e.request(history.Op{Kind: history.Sample, From: "3100", Outcome: history.OK, Code: "480"})
	if op.Key = "2998"; e.rng.IntN(10) > 0 {
		op.Key = e.phones[e.rng.IntN(len(e.phones))].dn
	}
	row := x.row(op.Key)
	if row.InSrv {
		op.Code = "501"
	}
	if e.op(op, 5*time.Millisecond); row.InSrv {
		e.arrives(op, row.Owner)
	}
}

// want reserves an agent, or sends a call to it.
func (e *edges) want() {
	op, x := e.request(history.Op{Kind: history.Reserve})
	a := e.agents[e.rng.IntN(len(e.agents))]
	op.Key, op.Arg, op.Expires = a.dn, op.Process, time.Duration(300+e.rng.IntN(2200))*time.Millisecond
	if a == e.agents[0] && e.rng.IntN(3) == 0 {
		op.Kind, op.Expires = history.Route, 0
	}
	switch {
	case !x.runs():
		return
	case x != a.home && !e.talk(x, a.home) && !x.peers[a.home.name].heard, !a.home.up:
		op.Outcome, op.Code = history.Fail, "OUT_OF_SERVICE"
	case x != a.home && !e.talk(x, a.home):
		op.Outcome = history.Unknown
		e.op(op, 2*time.Second)
		return
	case a.until > e.now:
		op.Outcome, op.Code = history.Fail, "RESOURCE_SEIZED"
	case op.Kind == history.Route:
		return // its call would keep the agent for a time of its own
	default:
		op.Outcome = history.OK
		a.until = e.now + op.Expires
	}
	e.op(op, 5*time.Millisecond)
}

// order brings the looks in order.
func (e *edges) order() {
	slices.SortStableFunc(e.h.Holds, func(a, b history.Holds) int { return int(a.Asked - b.Asked) })
}
