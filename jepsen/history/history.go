// Package history is what a run of the suite saw: operations of clients,
// observations of nodes, faults and the lives of processes, all stamped by one
// monotonic clock. The runner writes it while it goes on; checkers and the
// report read it, then or years later, without a cluster.
//
// On disk it is one JSON object a line: the Header, then an entry a line, only
// ever appended. A file whose end was lost with its writer can be read.
package history

import (
	"math"
	"time"
)

// Version of the file format.
const Version = 1

// Never is the time of what did not happen during the run: the return of an
// operation that was never answered, the end of a fault that was not healed.
const Never = time.Duration(math.MaxInt64)

// Header describes the run.
type Header struct {
	Version  int    `json:"version"`
	Scenario string `json:"scenario"`
	Seed     uint64 `json:"seed"`
	// Repeat is the command that runs it again.
	Repeat string `json:"repeat"`
	// Began is the wall clock at 0, for people; nothing is judged by it.
	Began  time.Time `json:"began"`
	Nodes  []Node    `json:"nodes"`
	Bounds Bounds    `json:"bounds"`
	Expect Expect    `json:"expect"`
	Tools  []Tool    `json:"tools,omitempty"`
}

// Node of the cluster, also one that joins later.
type Node struct {
	Name string `json:"name"`
	Site string `json:"site,omitempty"`
}

// Tool is a program that took part, the tested server among them.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Bounds are the times within which something must have happened. Zero means
// the default that is named.
type Bounds struct {
	// LossKill: a killed node's DNs are OOS at its peers; 100 ms.
	LossKill time.Duration `json:"loss_kill"`
	// LossCut: a node that is cut from all others; 1 s.
	LossCut time.Duration `json:"loss_cut"`
	// LossPair: a cut that leaves the two a common neighbour; 1.5 s.
	LossPair time.Duration `json:"loss_pair"`
	// LossHung: a node that stands still (paused); 4 s.
	LossHung time.Duration `json:"loss_hung"`
	// Converge after the last fault was healed; 2 s.
	Converge time.Duration `json:"converge"`
	// ConvergeRestart: the same when a process was started again; 10 s.
	ConvergeRestart time.Duration `json:"converge_restart"`
	// Restart: from the start of a process until it serves; 5 s.
	Restart time.Duration `json:"restart"`
	// Spread: a change is known at a node that hears the owner, no fault near; 500 ms.
	Spread time.Duration `json:"spread"`
	// WriteFails: a write without a quorum is refused; 2 s.
	WriteFails time.Duration `json:"write_fails"`
	// Local: an answer that needs no other node (REGISTER, OPTIONS, a query); 1 s.
	Local time.Duration `json:"local"`
	// Expiry: how far an expiry may be from its time; 1 s.
	Expiry time.Duration `json:"expiry"`
	// Desktop: a desktop gateway that is gone is noticed by its node; 3 s.
	Desktop time.Duration `json:"desktop"`
	// FlowGrace: how long a call outlives the connection of one of its parties, as the
	// run configures it; 3 s.
	FlowGrace time.Duration `json:"flow_grace"`
	// Failover: a new leader is there after the old one was lost; 10 s.
	Failover time.Duration `json:"failover"`
	// FirstWrite: a write succeeds after a majority runs again; 5 s.
	FirstWrite time.Duration `json:"first_write"`
	// HandOver: writes are refused when the leader stops in good order; 300 ms.
	HandOver time.Duration `json:"hand_over"`
	// Stop: a process ends after SIGTERM; 5 s.
	Stop time.Duration `json:"stop"`
}

// WithDefaults fills in what is zero.
func (b Bounds) WithDefaults() Bounds {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&b.LossKill, 100*time.Millisecond)
	set(&b.LossCut, time.Second)
	set(&b.LossPair, 1500*time.Millisecond)
	set(&b.LossHung, 4*time.Second)
	set(&b.Converge, 2*time.Second)
	set(&b.ConvergeRestart, 10*time.Second)
	set(&b.Restart, 5*time.Second)
	set(&b.Spread, 500*time.Millisecond)
	set(&b.WriteFails, 2*time.Second)
	set(&b.Local, time.Second)
	set(&b.Expiry, time.Second)
	set(&b.Desktop, 3*time.Second)
	set(&b.FlowGrace, 3*time.Second)
	set(&b.Failover, 10*time.Second)
	set(&b.FirstWrite, 5*time.Second)
	set(&b.HandOver, 300*time.Millisecond)
	set(&b.Stop, 5*time.Second)
	return b
}

// Expect is what the run must have seen to be worth a verdict.
type Expect struct {
	// OK operations of each kind named here.
	OK []AtLeast `json:"ok,omitempty"`
	// Seen counts of further kinds.
	Seen map[Sight]int `json:"seen,omitempty"`
	// Unknown outcomes.
	Unknown int `json:"unknown,omitempty"`
	// LeaderChanges seen in the nodes' status.
	LeaderChanges int `json:"leader_changes,omitempty"`
	// Faults injected and confirmed.
	Faults int `json:"faults,omitempty"`
	// Polls answered by each node.
	Polls int `json:"polls,omitempty"`
	// Items of streams seen at each node.
	Items int `json:"items,omitempty"`
}

// Sight is something that a run may have seen, in the words in which a run that
// saw too little of it says so.
type Sight string

// Sights that are told apart.
const (
	Delivered     Sight = "MESSAGEs that a phone got"
	Refused       Sight = "requests outside of calls that were refused with 480 or 404"
	TCPFlows      Sight = "registrations over TCP"
	TLSFlows      Sight = "registrations over TLS"
	WSFlows       Sight = "registrations over WebSocket"
	LongRings     Sight = "calls that rang for longer than 35 s and were answered"
	TrunkIn       Sight = "calls from a trunk that were answered"
	TrunkOut      Sight = "calls to a trunk that were answered"
	Routes        Sight = "calls that a router sent to an agent"
	RoutesRefused Sight = "routes that were refused"
	Restores      Sight = "configurations that came by a snapshot"
	LooksAtHolds  Sight = "looks at who is reserved"
	MovedInCall   Sight = "telephones that registered at another node while they were in a call"
	StrangeWays   Sight = "answered calls by way of a node at which the caller isn't registered"
	Silences      Sight = "telephones that went silent, or lost their connection, in a call"
	Vain          Sight = "telephones that were silent when somebody called them, and then routable nowhere"
	TakeOvers     Sight = "logins of agents who were logged in at another DN"
	SecondStarts  Sight = "second processes of a node, started beside the first"
	Moves         Sight = "nodes that came back at another address"
	Removals      Sight = "acknowledged removals"
	Comebacks     Sight = "times that a majority ran again and wrote"
	HandOvers     Sight = "writes beside a leader that stops in good order"
	PSTNCalls     Sight = "answered calls to an agent with a telephone elsewhere"
)

// AtLeast is the least number of ok operations of a kind.
type AtLeast struct {
	Kind  Kind `json:"kind"`
	Count int  `json:"count"`
}

// History is a whole run in memory. Everything is ordered by its first time.
type History struct {
	Header
	Ops      []Op
	Polls    []Poll
	Items    []Item
	Statuses []Status
	Sums     []Sums
	Holds    []Holds
	Dumps    []Dump
	Faults   []Fault
	Lives    []Life
	Notes    []Note
	Stalls   []Stall
	// End is the last time in the run.
	End time.Duration
	// Torn: the file's end was lost with its writer.
	Torn bool
}
