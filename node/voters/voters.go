// Package voters is the rule by which the nodes of the roster become those of the Raft
// group, and by which voters follow life: one step at a time, a pure function of what
// the leader knows. It never takes the last majority of living voters away, and it
// does nothing without one. Called by node/consensus at the leader.
package voters

import "time"

// DefaultMax is how many nodes vote unless the options say otherwise.
const DefaultMax = 5

// DefaultDead is how long a voter may say nothing before another node votes instead.
const DefaultDead = 10 * time.Minute

// Member is a node of the roster.
type Member struct {
	ID, Site, Addr string
	// NonVoter: it shall not vote.
	NonVoter bool
}

// Server is a node of the Raft group.
type Server struct {
	ID, Addr string
	Voter    bool
}

// Situation is what the leader knows.
type Situation struct {
	// Self is the leader.
	Self    string
	Roster  []Member
	Servers []Server
	// Silent is how long a node has not answered; Alive is less than that for those
	// who live.
	Silent func(id string) time.Duration
	Alive  time.Duration
	// CaughtUp tells whether a living node has the log.
	CaughtUp func(id string) bool
	// Max is how many vote, Dead how long a voter is silent before it is replaced; 0
	// means never.
	Max  int
	Dead time.Duration
}

// Action is what a Step does.
type Action uint8

// The actions.
const (
	// None: both agree, or nothing can be done yet.
	None Action = iota
	// Follow: a node is new, or one that does not vote has moved.
	Follow
	// Vote: a node shall vote, or a voter has moved.
	Vote
	// Demote: a node shall not vote any more; it follows on.
	Demote
	// Remove: it is off the roster.
	Remove
	// HandOver: the leader itself is off the roster; another one has to remove it.
	HandOver
)

// Step is the next change of the group.
type Step struct {
	Action   Action
	ID, Addr string
}

// Plan returns the next step.
func Plan(s Situation) Step {
	p := newPlan(s)
	for _, rule := range []func() Step{p.remove, p.moved, p.follow, p.demoteUnwanted, p.demoteSurplus, p.fill, p.replace, p.handOver} {
		if step := rule(); step.Action != None {
			return step
		}
	}
	return Step{}
}

// plan is a Situation with what follows from it.
type plan struct {
	Situation
	wanted  map[string]Member
	present map[string]Server
	voters  []Server
}

func newPlan(s Situation) plan {
	p := plan{Situation: s, wanted: map[string]Member{}, present: map[string]Server{}}
	for _, m := range s.Roster {
		p.wanted[m.ID] = m
	}
	for _, v := range s.Servers {
		p.present[v.ID] = v
		if v.Voter {
			p.voters = append(p.voters, v)
		}
	}
	return p
}

func (p *plan) alive(id string) bool { return id == p.Self || p.Silent(id) < p.Alive }

// quorum tells whether the living are a majority when one more votes, or one less; ""
// is nobody.
func (p *plan) quorum(more, less string) bool {
	alive, all := 0, 0
	count := func(id string) {
		if all++; p.alive(id) {
			alive++
		}
	}
	for _, v := range p.voters {
		if v.ID != less {
			count(v.ID)
		}
	}
	if more != "" {
		count(more)
	}
	return alive > all/2
}

// remove takes out who is off the roster.
func (p *plan) remove() Step {
	for _, v := range p.Servers {
		if _, wanted := p.wanted[v.ID]; !wanted && v.ID != p.Self {
			return Step{Action: Remove, ID: v.ID}
		}
	}
	return Step{}
}

func (p *plan) follow() Step {
	for _, m := range p.Roster {
		if _, present := p.present[m.ID]; !present {
			return Step{Follow, m.ID, m.Addr}
		}
	}
	return Step{}
}

// moved gives a server the address that its node has now. In the group no two may have
// one address at any time: of those that changed places one has its id instead for a
// moment. Nobody dials it: where a node is, its own word says.
func (p *plan) moved() Step {
	taken := map[string]bool{}
	for _, v := range p.Servers {
		taken[v.Addr] = true
	}
	for _, free := range []bool{true, false} {
		for _, m := range p.Roster {
			v, present := p.present[m.ID]
			to := m.Addr
			if !free {
				to = m.ID
			}
			switch {
			case !present || v.Addr == m.Addr || taken[to]:
			case v.Voter:
				return Step{Vote, m.ID, to}
			default:
				return Step{Follow, m.ID, to}
			}
		}
	}
	return Step{}
}

// demoteUnwanted takes the vote from who shall have none.
func (p *plan) demoteUnwanted() Step {
	for _, m := range p.Roster {
		if m.NonVoter && p.present[m.ID].Voter && len(p.voters) > 1 && m.ID != p.Self && p.quorum("", m.ID) {
			return Step{Demote, m.ID, m.Addr}
		}
	}
	for _, m := range p.Roster { // somebody else has to take it from the leader
		if m.NonVoter && m.ID == p.Self && p.present[m.ID].Voter && len(p.voters) > 1 && p.quorum("", m.ID) {
			return Step{HandOver, m.ID, m.Addr}
		}
	}
	return Step{}
}

// demoteSurplus takes the vote from one of too many: from who has been silent for the
// longest time, or else where most vote.
func (p *plan) demoteSurplus() Step {
	if len(p.voters) <= max(p.Max, 1) {
		return Step{}
	}
	worst := Server{}
	for _, v := range p.voters {
		if v.ID != p.Self && p.quorum("", v.ID) && (worst.ID == "" || p.worse(v.ID, worst.ID)) {
			worst = v
		}
	}
	if worst.ID == "" {
		return Step{}
	}
	return Step{Demote, worst.ID, worst.Addr}
}

func (p *plan) worse(a, b string) bool {
	if deadA, deadB := !p.alive(a), !p.alive(b); deadA || deadB {
		return deadA && (!deadB || p.Silent(a) > p.Silent(b))
	}
	return p.votersAt(p.wanted[a].Site) > p.votersAt(p.wanted[b].Site)
}

func (p *plan) votersAt(site string) (n int) {
	for _, v := range p.voters {
		if p.wanted[v.ID].Site == site && p.alive(v.ID) {
			n++
		}
	}
	return n
}

// fill gives a free vote to who has the log, where fewest vote.
func (p *plan) fill() Step {
	if len(p.voters) >= p.Max {
		return Step{}
	}
	best := Member{}
	for _, m := range p.Roster {
		if p.candidate(m) && (best.ID == "" || p.votersAt(m.Site) < p.votersAt(best.Site)) {
			best = m
		}
	}
	return promote(best)
}

func promote(m Member) Step {
	if m.ID == "" {
		return Step{}
	}
	return Step{Vote, m.ID, m.Addr}
}

// candidate tells whether a node may get a vote.
func (p *plan) candidate(m Member) bool {
	v, present := p.present[m.ID]
	return present && !v.Voter && !m.NonVoter && p.alive(m.ID) && p.CaughtUp(m.ID) && p.quorum(m.ID, "")
}

// replace gives a vote to a node instead of a voter that is silent for too long, of its
// site where there is one. The dead one loses its own by the next step.
func (p *plan) replace() Step {
	if p.Dead == 0 || len(p.voters) > p.Max {
		return Step{}
	}
	for _, v := range p.voters {
		if v.ID == p.Self || p.Silent(v.ID) < p.Dead {
			continue
		}
		site, best := p.wanted[v.ID].Site, Member{}
		for _, m := range p.Roster {
			if p.candidate(m) && (best.ID == "" || m.Site == site && best.Site != site) {
				best = m
			}
		}
		if best.ID != "" {
			return promote(best)
		}
	}
	return Step{}
}

func (p *plan) handOver() Step {
	if _, wanted := p.wanted[p.Self]; !wanted && len(p.Roster) > 0 && p.present[p.Self].ID != "" {
		return Step{Action: HandOver, ID: p.Self}
	}
	return Step{}
}
