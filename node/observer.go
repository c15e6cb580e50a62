package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/membership"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/problem"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// skewWorth is the clock difference that status warns of.
const skewWorth = 500 * time.Millisecond

// observer tells the API how this node sees the cluster.
type observer struct{ n *Node }

// Peers are the other nodes of the roster.
func (o observer) Peers() []api.Peer {
	var out []api.Peer
	for _, p := range o.n.mesh.Status() {
		a := api.Peer{ID: p.ID, Reachable: p.Heard, Reason: p.Reason, Connecting: p.Connecting(), Since: p.Since, Link: linkOf(&p, o.n.links.Backlog(p.ID)), Part: o.n.partOf(p.ID)}
		if alive, known := o.n.gossip.Alive(membership.NodeID(p.ID)); known {
			a.Gossip = map[bool]string{true: "alive", false: "dead"}[alive]
		}
		out = append(out, a)
	}
	return out
}

// linkOf puts together the two links to a peer: the one by which it is followed,
// whose pings measure, and the one by which it follows.
func linkOf(p *tcontroller.PeerStatus, b tcontroller.Backlog) api.Link {
	return api.Link{
		RTT: p.RTT, ToPeer: p.ToPeer, FromPeer: p.FromPeer, ClockSkew: p.Skew, LastAnswer: p.LastAnswer,
		SendQueue: b.Changes + b.CallEvents, SendQueueBytes: p.Unacked + b.Unacked, ReceiveQueueBytes: p.Unread + b.Unread,
	}
}

// Raft is the state of the configuration plane here.
func (o observer) Raft() api.Raft {
	s := o.n.group.Status()
	r := api.Raft{State: s.State, Leader: s.Leader, Term: s.Term, Applied: s.Applied, Quorum: s.Quorum, Level: o.n.machine.View().Level(), Features: fsm.Program(), Mark: o.n.machine.Mark(), Part: o.n.partOf(dn.Node(o.n.id.ID))}
	if err := o.n.machine.Parked(); err != nil {
		r.Parked = err.Error()
	}
	return r
}

// Problems are this node's open faults.
func (o observer) Problems() []problem.Problem { return o.n.problems.List() }

// followProblems has the set of problems look at what this node's parts say of themselves.
func (n *Node) followProblems() {
	n.problems.Follow(n.planeProblems)
	n.problems.Follow(n.stalls)
	n.problems.Follow(n.denied.problems)
	n.problems.Follow(n.behind)
	n.problems.Follow(n.doubted)
	n.problems.Follow(n.strays)
	n.problems.Follow(func(report func(problem.Problem)) {
		if here := n.here.Load(); here != nil {
			n.cfg.unbound(*here, report)
		}
	})
	n.problems.Follow(func(report func(problem.Problem)) { skews(n.mesh.Status(), report) })
}

// planeProblems are what the parts that write to the disk can't do.
func (n *Node) planeProblems(report func(problem.Problem)) {
	if err := n.group.Err(); err != nil {
		report(problem.Problem{Code: "configuration-stopped", Text: "the configuration can't be changed through this node: " + err.Error(), Advice: n.stoppedAdvice()})
	}
	if lost := n.group.Lost(); lost != nil && lost.Aside != "" {
		report(problem.Problem{
			Code: "file-damaged", Subject: "raft", Text: "the log of the configuration was damaged and is set aside: " + lost.Why,
			Advice: "look at the disk, then remove it: rm -r " + lost.Aside + "; this line ends with the next start",
		})
	}
	n.damage.problems(report)
	if err := n.machine.Parked(); err != nil {
		report(problem.Problem{Code: "configuration-parked", Text: err.Error(), Advice: parkedAdvice(err)})
	}
	for _, id := range n.group.Differing() {
		name := n.nameOf(dn.Node(id))
		report(problem.Problem{Code: "configuration-differs", Subject: name, Text: "node " + name + " has another configuration at the same index", Advice: "compare what they export; the one that is wrong takes the right one when a majority of the nodes has it"})
	}
	if err := n.store.Failing(); err != nil {
		report(problem.Problem{Code: "registrations-not-kept", Text: "registrations are not kept over a restart: " + err.Error()})
	}
	if err := n.agents.Failing(); err != nil {
		report(problem.Problem{Code: "agents-not-kept", Text: "agents and reservations are not kept over a restart: " + err.Error()})
	}
	if n.who != nil {
		for _, name := range n.who.Distrusted() {
			report(problem.Problem{Code: "node-distrusted", Subject: name, Text: "node " + name + " is refused by this node alone", Advice: "sipcluster node remove " + name})
		}
	}
}

// stoppedAdvice says what has the configuration plane go on.
func (n *Node) stoppedAdvice() string {
	if lost := n.group.Lost(); lost == nil || !lost.Waits {
		return ""
	}
	dir := n.cfg.DataDir
	if len(n.machine.View().Nodes()) < 2 {
		return "stop this node, run sipcluster recover --data-dir " + dir + " and start it again"
	}
	return "it comes back by itself as soon as the other nodes have a leader: start them; if all of them run and have none, stop one of them, run sipcluster recover --data-dir with its data directory, and do what that prints: this node's name is " + n.cfg.Name
}

// parkedAdvice says what ends that a node applies nothing.
func parkedAdvice(err error) string {
	if errors.Is(err, fsm.ErrLevel) {
		return "install the version that the other nodes have and start this node again"
	}
	return "it takes all of the configuration from another node"
}

// disks are what the stores have under way in the file system.
func (n *Node) disks() []*disk.Watch {
	all := append(n.store.Disks(), n.agents.Disk(), n.machine.Disk())
	if group := n.leads.Load(); group != nil {
		all = append(all, group.Disks()...)
	}
	return all
}

// stalls are the stores whose disk does not answer.
func (n *Node) stalls(report func(problem.Problem)) {
	for _, d := range n.disks() {
		if d.Stalled() != nil {
			report(problem.Problem{
				Code: "disk-stalled", Subject: d.Store, Since: d.Since(), Text: "the disk of " + d.Store + " does not answer: SIP goes on from memory, what is written now is lost if the node ends",
				Advice: "look at the file system of " + n.cfg.DataDir + "; what waits is written by itself when it answers again",
			})
		}
	}
}

// skews are problems of clocks that go wrong, ahead or behind.
func skews(peers []tcontroller.PeerStatus, report func(problem.Problem)) {
	for _, p := range peers {
		if p.Skew.Abs() > skewWorth {
			report(problem.Problem{Code: "clock-skew", Subject: p.Name, Text: fmt.Sprintf("the clock of %s differs by %s", p.Name, p.Skew.Round(time.Millisecond)), Advice: "check NTP"})
		}
	}
}

// nameOf maps ids to names for metrics.
func (n *Node) nameOf(id dn.Node) string {
	if node := n.machine.View().Node(string(id)); node != nil {
		return node.GetName()
	}
	return string(id)
}
