// Package nemesis breaks a cluster: its network, its processes, its disks. Each
// nemesis plans strikes by a seeded random source; a strike is injected,
// confirmed by a prober that uses the same network, held, healed, confirmed
// again, and every step is in the history. Strikes of several nemeses may be
// there at a time: each has a packet filter of its own and the processes that
// it claimed to itself.
package nemesis

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Strike is one planned fault.
type Strike struct {
	// Nemesis that planned it and its parameters for people.
	Nemesis, Params string
	Effect          history.Effect
	// Hold is how long it lasts once confirmed.
	Hold time.Duration

	// ways that nothing passes while it lasts, nodes whose processes it claimed.
	ways  []cluster.Way
	nodes []*cluster.Node
	shut  bool // ways are counted as cut
	brief bool // does not hold: heals at once

	inject, confirm, heal, healed func(context.Context) error
	// during is what happens while it lasts, and how long that is; nil: nothing for Hold.
	during func(ctx context.Context, hold time.Duration) error
}

type plan func(context.Context, *Arena, *rand.Rand) ([]Strike, error)

// Nemesis is a way to break a cluster.
type Nemesis struct {
	Name, What string
	// Least nodes that it makes sense with.
	Least int
	plan  plan
}

// Plan makes the strikes of one attack, to be played one after the other.
// ErrBusy: not now.
func (n *Nemesis) Plan(ctx context.Context, a *Arena, r *rand.Rand, hold time.Duration) ([]Strike, error) {
	if len(a.members()) < n.Least {
		return nil, ErrBusy
	}
	all, err := n.plan(ctx, a, r)
	for i := range all {
		all[i].Nemesis = n.Name
		if !all[i].brief {
			all[i].Hold = hold
		}
	}
	return all, err
}

// Attack plans and plays.
func (n *Nemesis) Attack(ctx context.Context, a *Arena, r *rand.Rand, hold time.Duration) error {
	strikes, err := n.Plan(ctx, a, r, hold)
	for i, s := range strikes {
		if err = a.Play(ctx, s); err != nil {
			for _, rest := range strikes[i:] {
				a.release(rest.nodes...)
			}
			break
		}
	}
	return err
}

// All nemeses.
func All() []Nemesis {
	return []Nemesis{
		{"cut-one", "one node cut off from all others", 2, cutOne},
		{"cut-leader", "the Raft leader cut off from all others", 2, cutLeader},
		{"halves", "two groups that don't reach each other", 2, halves},
		{"bridge", "two groups that both reach one node only", 3, bridge},
		{"cut-pair", "only the link between two nodes", 3, cutPair},
		{"one-way", "what one node sends does not arrive", 2, oneWay},
		{"gossip-port", "the gossip port alone", 2, port(cluster.GossipPort, "gossip")},
		{"cluster-port", "links and Raft alone, gossip goes on", 2, port(cluster.ClusterPort, "cluster")},
		{"sip-port", "no phone reaches a node", 2, sipPort},
		{"loss", "1 to 20 % of the packets between all nodes", 2, loss},
		{"flapping", "a cut that comes and goes", 2, flapping},
		{"kill", "kill -9 of one node", 2, kill},
		{"kill-leader", "kill -9 of the Raft leader", 2, killLeader},
		{"kill-all", "kill -9 of all nodes at once", 1, killAll},
		{"pause", "SIGSTOP of one node", 2, pause},
		{"pause-leader", "SIGSTOP of the Raft leader", 2, pauseLeader},
		{"rolling-restart", "all nodes in good order, one after the other", 2, rolling},
		{"upgrade", "a program that knows one feature level more replaces that of a node, or is replaced", 3, upgrade},
		{"full-disk", "no room in the data directory", 2, fullDisk},
		{"full-disk-leader", "no room in the data directory of the Raft leader", 2, fullDiskLeader},
		{"full-disk-kill", "no room in the data directory, and kill -9: then, or when there is room again", 2, fullDiskKill},
		{"frozen-disk", "the disk of a node that does not lead does not answer", 2, frozenDisk},
		{"frozen-disk-leader", "the disk of the Raft leader does not answer", 2, frozenDiskLeader},
		{"frozen-disks", "the disks of all nodes do not answer, one after the other", 2, frozenDisks},
		{"frozen-disk-stop", "a node is told to stop while its disk does not answer", 2, frozenDiskStop},
		{"lost-disk", "a data directory is lost, the node comes back as a new one", 3, lostDisk},
		{"majority-lost", "all nodes but one are lost for good, and it goes on alone", 3, loseMajority},
		{"backup-restore", "a backup of some node is restored into the cluster while all goes on", 2, backupRestore},
		{"lost-location", "the store of bindings is lost while the node is down", 2, lostLocation},
		{"removed-while-down", "a node that is down is removed and then started as if nobody had", 3, removedWhileDown},
		{"liar", "a false peer in the place of a node says what it has no right to say", 3, liar},
		{"clock", "a wall clock is wrong by seconds to an hour", 2, clock},
		{"drain", "a node drains, and takes part again", 2, drain},
		{"rotate", "all keys, the authority and a token change at a time", 2, rotate},
		{"cut-rotation", "one node, or the leader, cut off in the middle of that", 3, cutRotation},
		{"far", "all nodes 250 ms from each other, 30 ms more or less, 1 % loss", 2, far},
		{"reroute", "the round trip jumps to 300 ms and back", 2, reroute},
		{"narrow", "256 kbit/s between all nodes", 2, narrow},
		{"asymmetric", "what one node sends takes 200 ms, what it gets 10 ms", 2, asymmetric},
		{"join", "a node joins and is removed again", 2, join},
		{"move-one", "a node stops and starts at another address", 2, moveOne},
		{"move-all", "all nodes stop and start at other addresses", 2, moveAll},
		{"swap-addresses", "two nodes start with each other's addresses", 2, swapAddresses},
		{"take-address", "a node starts with the address of a dead one, which comes back at its", 3, takeAddress},
		{"take-and-cut", "as that, and two others cut away meanwhile", 5, takeAndCut},
		{"clone", "a copy of a node starts beside it, and in its place when it is dead", 2, clone},
		{"remove", "a node is removed while it serves, and joins anew", 3, removeFollower},
		{"remove-leader", "the Raft leader is removed, and joins anew", 3, removeLeader},
		{"remove-to-one", "all nodes but one are removed one after the other, the leader last", 3, removeToOne},
		{"stop-leader", "the Raft leader stops in good order", 2, stopLeader},
	}
}

// Find returns the nemesis of that name, nil when there is none.
func Find(name string) *Nemesis {
	for _, n := range All() {
		if n.Name == name {
			return &n
		}
	}
	return nil
}

func one(s Strike) ([]Strike, error) { return []Strike{s}, nil }

// wipe takes a node's data: it joins as a new one.
func wipe(n *cluster.Node) error {
	n.Joins()
	return errors.Join(os.RemoveAll(n.DataDir()), os.MkdirAll(n.DataDir(), 0o700))
}
