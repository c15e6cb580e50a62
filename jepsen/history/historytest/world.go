package historytest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// phone registers one DN.
type phone struct {
	dn      string
	node    *node
	binding int
	busy    time.Duration // until then it waits for an answer
	next    time.Duration
}

func (p *phone) name() string { return fmt.Sprintf("%s/%d", p.dn, p.binding) }

// traffic lets phones and writers do something.
func (m *model) traffic() {
	for _, p := range m.phones {
		if p.busy <= m.now && p.next <= m.now {
			m.dial(p)
		}
	}
	if m.now%(200*time.Millisecond) == 0 {
		m.write(m.nodes[m.rng.IntN(len(m.nodes))])
	}
}

// dial makes the phone refresh, move, restart, un-register or fall silent.
func (m *model) dial(p *phone) {
	p.next = m.now + time.Duration(4000+m.rng.IntN(4000))*time.Millisecond
	kind, expires := history.Register, 60*time.Second
	switch chance := m.rng.IntN(20); {
	case chance < 3 && p != m.phones[len(m.phones)-1]: // the last one stays
		p.node = m.nodes[m.rng.IntN(len(m.nodes))]
		p.binding++
	case chance == 3:
		kind = history.Unregister
	case chance == 4:
		expires = 8 * time.Second
		p.next = m.now + 12*time.Second
	}
	op := history.Op{Process: "phone-" + p.dn, Kind: kind, Node: p.node.name, Key: p.dn, Arg: p.name(), Home: p.node.name, Outcome: history.OK, Code: "200"}
	if kind == history.Register {
		op.Expires = expires
	}
	if !p.node.runs() {
		op.Outcome, op.Code = history.Unknown, ""
		p.busy = m.now + 2*time.Second
		m.op(op, 2*time.Second)
		return
	}
	own, there := p.node.own[p.dn]
	if kind == history.Register {
		m.claim++
		own.claim = m.claim
		p.node.own[p.dn] = own.with(p.name(), m.now+expires, "registered")
	} else if there {
		p.node.own[p.dn] = own.with(p.name(), 0, "unregistered")
	}
	m.op(op, 5*time.Millisecond)
}

func (m *model) op(op history.Op, took time.Duration) {
	m.lastID++
	op.ID, op.Invoke, op.Return = m.lastID, max(0, m.now-2*time.Millisecond), m.now+took-2*time.Millisecond
	m.h.Ops = append(m.h.Ops, op)
}

// write changes the configuration at a node.
func (m *model) write(x *node) {
	m.wrote++
	op := history.Op{Process: fmt.Sprintf("writer-%d", m.wrote), Node: x.name, Key: fmt.Sprint("register-", m.rng.IntN(3)), Outcome: history.OK}
	switch m.rng.IntN(4) {
	case 0:
		op.Kind, op.Result = history.Read, m.values[op.Key]
	case 1:
		op.Kind, op.Key = history.Add, fmt.Sprint("element-", m.wrote)
	case 2:
		op.Kind, op.From, op.Arg, op.Swapped = history.Swap, m.values[op.Key], fmt.Sprint(m.wrote), true
	default:
		op.Kind, op.Arg = history.Write, fmt.Sprint(m.wrote)
	}
	switch {
	case !x.runs():
		op.Outcome, op.Code, op.Result, op.Swapped = history.Unknown, "DeadlineExceeded", "", false
		m.op(op, 2*time.Second)
		return
	case m.leader == "" || m.node(m.leader) != x && !m.talk(x, m.node(m.leader)):
		op.Outcome, op.Code, op.Result, op.Swapped = history.Fail, "Unavailable", "", false
		m.op(op, 1500*time.Millisecond)
		return
	}
	if op.Kind != history.Read {
		m.index++
		m.values[op.Key] = op.Arg
	}
	m.op(op, 5*time.Millisecond)
}

// elect finds a leader with a majority.
func (m *model) elect() {
	whole := func(x *node) bool {
		n := 0
		for _, p := range m.nodes {
			if p == x && x.runs() || p != x && m.talk(x, p) {
				n++
			}
		}
		return n > len(m.nodes)/2
	}
	if m.leader != "" && whole(m.node(m.leader)) {
		return
	}
	m.leader = ""
	for _, x := range m.nodes {
		if whole(x) {
			m.leader = x.name
			m.term++
			return
		}
	}
}

// observe polls every node.
func (m *model) observe() {
	for _, x := range m.nodes {
		asked := m.now + 5*time.Millisecond
		if m.now%(200*time.Millisecond) == 0 {
			p := history.Poll{Asked: asked, Answered: asked + 3*time.Millisecond, Node: x.name, View: history.Table, Rows: x.table()}
			if !x.runs() {
				p.Rows, p.Error, p.Answered = nil, "unavailable", asked+time.Second
			}
			m.h.Polls = append(m.h.Polls, p)
		}
		if x.runs() && m.now%time.Second == 0 {
			m.item(x, history.Item{Kind: history.Heartbeat, Seq: x.seq})
		}
		if x.runs() && m.now%(500*time.Millisecond) == 0 {
			m.h.Statuses = append(m.h.Statuses, m.status(x, asked))
		}
	}
}

func (m *model) status(x *node, asked time.Duration) history.Status {
	s := history.Status{Asked: asked, Answered: asked + time.Millisecond, Node: x.name, State: "follower", Term: m.term, Applied: m.index,
		DigestIndex: m.index, Digest: fmt.Sprint("digest-", m.index)}
	if m.leader == x.name {
		s.State = "leader"
	}
	for _, p := range m.nodes {
		if q := x.peers[p.name]; q != nil {
			s.Peers = append(s.Peers, history.Peer{Node: p.name, Heard: q.heard})
		}
	}
	return s
}

// plan lays the faults out over the run, one after the other, the last 30 s quiet.
func (m *model) plan(length time.Duration) {
	faults := []func(start, end time.Duration){m.cutOff, m.kill, m.pause, m.cutPair}
	for i, start := 0, 15*time.Second; start+35*time.Second < length; i++ {
		lasts := 6*time.Second + time.Duration(m.rng.IntN(6000))*time.Millisecond
		faults[i%len(faults)](start, start+lasts.Truncate(tick))
		start += 25 * time.Second
	}
}

// fault records the phases and does both steps.
func (m *model) fault(start, end time.Duration, f history.Fault, inject, heal func()) {
	f.ID = int64(len(m.h.Faults) + 1)
	f.Inject, f.Confirmed, f.Heal, f.Healed = start, start+60*time.Millisecond, end, end+100*time.Millisecond
	m.h.Faults = append(m.h.Faults, f)
	m.later = append(m.later, action{start, inject}, action{end, heal})
}

func (m *model) pairs(a *node, others ...*node) []history.Pair {
	var out []history.Pair
	for _, b := range others {
		out = append(out, history.Pair{From: a.name, To: b.name}, history.Pair{From: b.name, To: a.name})
	}
	return out
}

func (m *model) cutting(start, end time.Duration, nemesis, params string, pairs []history.Pair) {
	set := func(on bool) func() {
		return func() {
			for _, p := range pairs {
				m.cut[p] = on
			}
		}
	}
	m.fault(start, end, history.Fault{Nemesis: nemesis, Params: params, Effect: history.Effect{Cut: pairs}}, set(true), set(false))
}

func (m *model) cutOff(start, end time.Duration) {
	x := m.nodes[m.rng.IntN(len(m.nodes))]
	others := slices.DeleteFunc(slices.Clone(m.nodes), func(n *node) bool { return n == x })
	m.cutting(start, end, "cut off", x.name, m.pairs(x, others...))
}

func (m *model) cutPair(start, end time.Duration) {
	m.cutting(start, end, "cut pair", "n1 n2", m.pairs(m.nodes[0], m.nodes[1]))
}

func (m *model) pause(start, end time.Duration) {
	x := m.nodes[m.rng.IntN(len(m.nodes))]
	m.fault(start, end, history.Fault{Nemesis: "pause", Params: x.name, Effect: history.Effect{Paused: []string{x.name}}},
		func() { x.paused = true; m.life(x, history.Stopped) },
		func() { x.paused = false; m.life(x, history.Resumed) })
}

func (m *model) kill(start, end time.Duration) {
	x := m.nodes[m.rng.IntN(len(m.nodes))]
	m.fault(start, end, history.Fault{Nemesis: "kill -9", Params: x.name, Effect: history.Effect{Down: []string{x.name}}},
		func() {
			x.up = false
			m.life(x, history.Killed)
			m.life(x, history.Exited)
			m.item(x, history.Item{Kind: history.Closed, Error: "unavailable"})
		},
		func() { m.life(x, history.Launched); m.after(tick, func() { x.restart(m) }) })
}

func (m *model) life(x *node, k history.LifeKind) {
	m.h.Lives = append(m.h.Lives, history.Life{At: m.now, Node: x.name, Kind: k})
}

// restart begins a new life with the registrations of the old one.
func (x *node) restart(m *model) {
	x.up, x.seq = true, 0
	x.incarnation++
	for name := range x.peers {
		x.peers[name] = &peer{}
	}
	x.expire(m)
	clear(x.view)
	for _, p := range m.phones {
		x.view[p.dn] = x.row(p.dn)
	}
	m.life(x, history.Ready)
	x.watch(m)
}
