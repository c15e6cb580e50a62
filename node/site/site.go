// Package site says how the sites of the cluster are, as one node sees them: pure functions
// of its verdicts on the other nodes and of the sites that the configuration gives these.
// It keeps nothing and counts nothing. Called by packages node, api and node/session.
package site

import (
	"cmp"
	"slices"
	"time"
)

// Settle is how long a process that has just begun to look for a node doesn't count it as
// lost. It is longer than the longest loss bound.
const Settle = 5 * time.Second

// Node is one of the roster.
type Node struct {
	// Name of the node, Site where it is.
	Name, Site string
	// Heard: its DNs count here. The node that judges hears itself.
	Heard bool
	// Connecting: this process has never heard it.
	Connecting bool
	// Since is when Heard last changed, or when this process began to look for the node.
	Since time.Time
	// InService is how many DNs have the node as their owner.
	InService int
}

// State of a site.
type State struct {
	Site string
	// Heard, Lost and Awaited are the names of its nodes, each in one of them: a node is
	// awaited when this process has looked for it for less than Settle, and never heard it.
	Heard, Lost, Awaited []string
	// InService is how many DNs are in service by the nodes that are heard.
	InService int
	// Since is when the verdict on one of its nodes changed last; zero for unknown.
	Since time.Time
	// Within is how long it took from the first to the last of the losses; 0 while a node
	// is heard. That of a cut is as short as the loss bound.
	Within time.Duration
}

// Gone tells whether the site is lost: none of its nodes is heard, and none awaited.
func (s *State) Gone() bool { return len(s.Heard) == 0 && len(s.Awaited) == 0 }

// Of gives the sites of the nodes, ordered by name, at a moment. next is when time alone may
// change the answer; the zero time is never.
func Of(nodes []Node, now time.Time) (states []State, next time.Time) {
	nodes = slices.Clone(nodes)
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Name, b.Name)) })
	for len(nodes) > 0 {
		end := slices.IndexFunc(nodes, func(n Node) bool { return n.Site != nodes[0].Site })
		if end < 0 {
			end = len(nodes)
		}
		states = append(states, of(nodes[:end], now, &next))
		nodes = nodes[end:]
	}
	return states, next
}

func of(nodes []Node, now time.Time, next *time.Time) State {
	s := State{Site: nodes[0].Site}
	var first time.Time
	for _, n := range nodes {
		if n.Since.After(s.Since) {
			s.Since = n.Since
		}
		settled := n.Since.Add(Settle)
		switch {
		case n.Heard:
			s.Heard, s.InService = append(s.Heard, n.Name), s.InService+n.InService
		case n.Connecting && now.Before(settled):
			s.Awaited = append(s.Awaited, n.Name)
			if next.IsZero() || settled.Before(*next) {
				*next = settled
			}
		default:
			s.Lost = append(s.Lost, n.Name)
			if first.IsZero() || n.Since.Before(first) {
				first = n.Since
			}
		}
	}
	if s.Gone() {
		s.Within = s.Since.Sub(first)
	}
	return s
}

// Changed gives the sites that are lost now and were not, and those that were and are heard
// again, of two answers of Of. A site without nodes is neither: they were removed. One that is
// awaited counts as it did before.
func Changed(gone map[string]bool, states []State) (lost, back []State) {
	for _, s := range states {
		switch {
		case s.Gone() && !gone[s.Site]:
			lost = append(lost, s)
		case len(s.Heard) > 0 && gone[s.Site]:
			back = append(back, s)
		}
	}
	return lost, back
}

// Gone are the names of the sites that are lost: those of before that are not heard, and
// the new ones.
func Gone(gone map[string]bool, states []State) map[string]bool {
	now := map[string]bool{}
	for _, s := range states {
		if s.Gone() || len(s.Heard) == 0 && gone[s.Site] {
			now[s.Site] = true
		}
	}
	return now
}
