package call

import (
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// traced is a message that a node has received or sent.
type traced struct {
	*tcpb.SIPMessage
	node string
	// at is its time by the clock of the node that was asked.
	at time.Time
	// pair is the same message at the other node; nil for none that is known.
	pair *traced
	// missed: the other node remembers all of that time, but not this message.
	missed bool
}

// other is where the message came from, or where it went.
func (m *traced) other() string {
	if m.GetPeer() != "" {
		return m.GetPeer()
	}
	return m.GetTransport() + " " + m.GetAddress()
}

// label says what message it is.
func (m *traced) label() string {
	s := m.GetMethod()
	if m.GetCode() != 0 {
		s = fmt.Sprintf("%d %s", m.GetCode(), m.GetReason())
		if m.GetMethod() != "INVITE" {
			s += " (" + m.GetMethod() + ")"
		}
	}
	if m.GetAgain() {
		s += " again"
	}
	return s
}

// sameness is what a message has in common at both of its nodes; times is how many such
// went before.
type sameness struct {
	from, to, method string
	cseq, code       uint32
	times            int
}

// merge are the messages of all nodes in their order.
func merge(views []*tcpb.CallTrace) (all []*traced) {
	byNode := map[string][]*traced{}
	for _, v := range views {
		for _, m := range v.GetMessages() {
			byNode[v.GetNode()] = append(byNode[v.GetNode()], &traced{SIPMessage: m, node: v.GetNode(), at: m.GetTime().AsTime()})
		}
	}
	match(views, byNode)
	ahead := clocks(views, byNode)
	for n, list := range byNode {
		for _, m := range list {
			m.at = m.at.Add(-ahead[n])
		}
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(a, b *traced) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		if a.pair == b && a.GetSent() {
			return -1
		}
		if a.pair == b {
			return 1
		}
		return 0
	})
	return all
}

// match finds what of one node is what of another.
func match(views []*tcpb.CallTrace, byNode map[string][]*traced) {
	sent := map[sameness]*traced{}
	each(byNode, true, func(k sameness, m *traced) { sent[k] = m })
	each(byNode, false, func(k sameness, m *traced) {
		if s := sent[k]; s != nil {
			s.pair, m.pair = m, s
		}
	})
	remembers := map[string]bool{}
	for _, v := range views {
		remembers[v.GetNode()] = v.GetError() == "" && !v.GetOff() && !v.GetCut() && v.GetSince() == nil
	}
	for _, m := range sent {
		m.missed = m.pair == nil && remembers[m.GetPeer()]
	}
}

// each calls f for the messages between nodes that were sent, or else those received.
func each(byNode map[string][]*traced, sent bool, f func(sameness, *traced)) {
	times := map[sameness]int{}
	for n, list := range byNode {
		for _, m := range list {
			if m.GetPeer() == "" || m.GetSent() != sent {
				continue
			}
			k := sameness{from: m.GetPeer(), to: n, method: m.GetMethod(), cseq: m.GetCseq(), code: m.GetCode()}
			if sent {
				k.from, k.to = k.to, k.from
			}
			times[k]++
			k.times = times[k]
			f(k, m)
		}
	}
}

// clocks are how much each node's clock is ahead of the first one's: as it was measured, and
// so that no message comes before it went.
func clocks(views []*tcpb.CallTrace, byNode map[string][]*traced) map[string]time.Duration {
	ahead, settled := map[string]time.Duration{}, map[string]bool{}
	for _, v := range views {
		least, most := time.Duration(-1<<62), time.Duration(1<<62)
		for _, m := range byNode[v.GetNode()] {
			if m.pair == nil || !settled[m.pair.node] {
				continue
			}
			d := m.at.Sub(m.pair.at.Add(-ahead[m.pair.node]))
			if m.GetSent() {
				least = max(least, d) // it came later than it went
			} else {
				most = min(most, d)
			}
		}
		a := v.GetAhead().AsDuration()
		if least <= most {
			a = min(max(a, least), most)
		}
		ahead[v.GetNode()], settled[v.GetNode()] = a, true
	}
	return ahead
}
