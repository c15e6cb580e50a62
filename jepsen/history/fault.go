package history

import "time"

// Phase of a fault.
type Phase string

const (
	// Inject: the nemesis begins; some of the effect may be there from now on.
	Inject Phase = "inject"
	// Confirmed: a prober saw the whole effect.
	Confirmed Phase = "confirmed"
	// Heal: the nemesis begins to undo it; some of it may be gone from now on.
	Heal Phase = "heal"
	// Healed: a prober saw that nothing of it is left. For a process: it serves again.
	Healed Phase = "healed"
)

// Pair is an ordered pair of nodes: what From sends To.
type Pair struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Effect is what a fault does to the cluster, for the model of who can hear
// whom. It names every pair and node concerned.
type Effect struct {
	// Cut: nothing that From sends arrives at To.
	Cut []Pair `json:"cut,omitempty"`
	// CutPorts: nothing to or from these ports of To arrives; see Ports.
	CutPorts []Pair `json:"cut_ports,omitempty"`
	// Ports of CutPorts: "cluster" (links and Raft), "gossip", "sip", "tc".
	Ports []string `json:"ports,omitempty"`
	// Unsteady: packets between the pair are lost at random or in bursts:
	// whether one hears the other is open.
	Unsteady []Pair `json:"unsteady,omitempty"`
	// Loss in percent, of Unsteady; 0 when it is not a plain loss (flapping).
	Loss int `json:"loss,omitempty"`
	// Down: the processes are not there (killed or stopped).
	Down []string `json:"down,omitempty"`
	// Paused: SIGSTOP.
	Paused []string `json:"paused,omitempty"`
	// Clock: these nodes' wall clocks are wrong.
	Clock []string `json:"clock,omitempty"`
	// Drained: these nodes drain.
	Drained []string `json:"drained,omitempty"`
	// Full: these nodes' disks are full.
	Full []string `json:"full,omitempty"`
	// Frozen: these nodes' disks do not answer to whoever writes.
	Frozen []string `json:"frozen,omitempty"`
	// Parked: these nodes apply nothing, because their programs don't know the feature level.
	Parked []string `json:"parked,omitempty"`
	// Lost: these nodes are given up for good, and the others go on without them.
	Lost []string `json:"lost,omitempty"`
	// Wiped: these nodes' data directories are lost.
	Wiped []string `json:"wiped,omitempty"`
	// Moved: these nodes are at other addresses when they are back.
	Moved []string `json:"moved,omitempty"`
	// Lies is what a false or faulty peer says about DNs that it does not own.
	Lies []Row `json:"lies,omitempty"`
	// Busy: these nodes are starved of CPU.
	Busy []string `json:"busy,omitempty"`
}

// Fault is one injection of a nemesis, from its begin to its end.
type Fault struct {
	// ID is given by the Recorder.
	ID int64 `json:"id"`
	// Nemesis is its name, Params its parameters as people read them.
	Nemesis string `json:"nemesis"`
	Params  string `json:"params,omitempty"`
	Effect  Effect `json:"effect"`

	// The times of the phases; Never when one was not reached.
	Inject, Confirmed, Heal, Healed time.Duration `json:"-"`
}

// LifeKind is what happens to a process.
type LifeKind string

const (
	// Launched: the process was started.
	Launched LifeKind = "launched"
	// Ready: it answers.
	Ready LifeKind = "ready"
	// Killed: kill -9 was sent.
	Killed LifeKind = "killed"
	// Stopping: SIGTERM was sent.
	Stopping LifeKind = "stopping"
	// Exited: it is gone.
	Exited LifeKind = "exited"
	// Stopped: SIGSTOP was sent; Resumed: SIGCONT.
	Stopped LifeKind = "paused"
	Resumed LifeKind = "resumed"
)

// Life is an event in the life of a node's process.
type Life struct {
	At   time.Duration `json:"-"`
	Node string        `json:"node"`
	Kind LifeKind      `json:"kind"`
	PID  int           `json:"pid,omitempty"`
	// Error is why it exited.
	Error string `json:"error,omitempty"`
}
