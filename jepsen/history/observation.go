package history

import "time"

// Row is one DN as a node sees it.
type Row struct {
	DN    string `json:"dn"`
	InSrv bool   `json:"in,omitempty"`
	// Owner is a node's name, "" when nobody has the DN.
	Owner string `json:"own,omitempty"`
	// Reason as the API spells it in lower case: "registered", "peer-lost".
	Reason string `json:"why,omitempty"`
	// Agent at the DN: state, id and the request that brought it there ("ready
	// 7001 12"), "" when nobody ever logged in. A snapshot leaves the last out.
	Agent string `json:"agent,omitempty"`
}

// View is which question a Poll asked.
type View string

const (
	// Routable is ListRoutable: only DNs that a call can be sent to.
	Routable View = "routable"
	// Table is ListDNs: every DN that is configured or known.
	Table View = "table"
)

// Poll is one whole look at a node's table; what it says was so at some time
// between Asked and Answered (each DN at a time of its own).
type Poll struct {
	Asked    time.Duration `json:"-"`
	Answered time.Duration `json:"to"`
	Node     string        `json:"node"`
	View     View          `json:"view"`
	// Rows ordered by DN; equal polls of a node share them once read.
	Rows []Row `json:"rows,omitempty"`
	// Same on disk: the rows of the node's last poll of this view.
	Same bool `json:"same,omitempty"`
	// Error: the node did not answer; Rows say nothing.
	Error string `json:"error,omitempty"`
}

// ItemKind is what an Item of a stream is.
type ItemKind string

const (
	// Opened: the observer asks for a stream; Incarnation and Seq are what it
	// wants to resume from, 0 for a snapshot. Not from the node.
	Opened ItemKind = "opened"
	// Started is WatchStarted: with Incarnation and Resumed.
	Started ItemKind = "started"
	// Event is a DNEvent, of the snapshot or the tail.
	Event ItemKind = "event"
	// AgentEvent is a change of the agent at a DN, of which only the Agent is told.
	AgentEvent ItemKind = "agent"
	// EndOfSnapshot carries Seq.
	EndOfSnapshot ItemKind = "end"
	// Heartbeat carries Seq: everything up to it was sent.
	Heartbeat ItemKind = "heartbeat"
	// Closed: the stream is over, with Error. Not from the node.
	Closed ItemKind = "closed"
)

// Item is one thing that an observer of a node's stream (a Stat Server) was
// told, or did, in the order in which it saw them. An observer follows one
// node, by one stream at a time.
type Item struct {
	At       time.Duration `json:"-"`
	Observer string        `json:"obs"`
	Node     string        `json:"node"`
	Kind     ItemKind      `json:"kind"`
	// Stream counts the observer's streams.
	Stream      int    `json:"stream"`
	Incarnation uint64 `json:"inc,omitempty"`
	Seq         uint64 `json:"seq,omitempty"`
	Resumed     bool   `json:"resumed,omitempty"`
	Snapshot    bool   `json:"snap,omitempty"`
	// Agents: a stream that was Started tells the agents too.
	Agents bool `json:"agents,omitempty"`
	Row
	// Call of CallTold.
	Call  *Call  `json:"call,omitempty"`
	Error string `json:"error,omitempty"`
}

// Holds is one whole look at which telephones a node shows as reserved and as
// busy, at some time between Asked and Answered.
type Holds struct {
	Asked    time.Duration `json:"-"`
	Answered time.Duration `json:"to"`
	Node     string        `json:"node"`
	// DNs that are reserved, for whomever.
	DNs []string `json:"dns"`
	// Busy are DNs that have a call, Free those that are routable, Out those that are
	// out of service.
	Busy []string `json:"busy,omitempty"`
	Free []string `json:"free,omitempty"`
	Out  []string `json:"out,omitempty"`
}

// Status is how a node saw the cluster, at some time between Asked and Answered.
type Status struct {
	Asked    time.Duration `json:"-"`
	Answered time.Duration `json:"to"`
	Node     string        `json:"node"`
	// State in Raft: "leader", "follower", "candidate", "failed".
	State   string `json:"state,omitempty"`
	Leader  string `json:"leader,omitempty"`
	Term    uint64 `json:"term,omitempty"`
	Applied uint64 `json:"applied,omitempty"`
	Quorum  bool   `json:"quorum,omitempty"`
	Peers   []Peer `json:"peers,omitempty"`
	// Refused counts what the node was told by a peer and had no right to say;
	// it starts anew with the process. nil: not known.
	Refused *uint64 `json:"refused,omitempty"`
	// Strangers counts whom the node refused who said to be somebody; it starts anew with
	// the process. nil: not known.
	Strangers *uint64 `json:"strangers,omitempty"`
	// Clones counts the second processes of other nodes that the node refused; it starts
	// anew with the process. nil: not known.
	Clones *uint64 `json:"clones,omitempty"`
	// Voters are those whose votes count, as the node knows, in order.
	Voters []string `json:"voters,omitempty"`
	// Restores counts the snapshots that replaced the node's configuration; it
	// starts anew with the process.
	Restores uint64 `json:"restores,omitempty"`
	// Problems are the codes of what the node says is wrong with it.
	Problems []string `json:"problems,omitempty"`
	// Digest of the configuration at DigestIndex.
	Digest      string `json:"digest,omitempty"`
	DigestIndex uint64 `json:"digest_index,omitempty"`
	// Level of the configuration, and the greatest that the node's program knows.
	Level uint32 `json:"level,omitempty"`
	Known uint32 `json:"known,omitempty"`
	// Recovery that the configuration comes from.
	Recovery string `json:"recovery,omitempty"`
	Error    string `json:"error,omitempty"`
}

// Sums is a comparison of a node's statistics of agents with its own table, at some time
// between Asked and Answered.
type Sums struct {
	Asked    time.Duration `json:"-"`
	Answered time.Duration `json:"to"`
	Node     string        `json:"node"`
	// Differs is what differs; "" for nothing.
	Differs string `json:"differs,omitempty"`
}

// Peer as a node sees it.
type Peer struct {
	Node   string `json:"node"`
	Heard  bool   `json:"heard,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Dump is the whole configuration at a node. Digest covers everything that
// must be equal at nodes with an equal Index.
type Dump struct {
	Asked    time.Duration `json:"-"`
	Answered time.Duration `json:"to"`
	Node     string        `json:"node"`
	// Final: read after the last fault was healed and everybody caught up.
	Final bool `json:"final,omitempty"`
	// Objects are all of them, as "kind/name", with a checksum of what the node
	// says of each.
	Objects []Entry `json:"objects,omitempty"`
	Index   uint64  `json:"index,omitempty"`
	Digest  string  `json:"digest,omitempty"`
	Entries []Entry `json:"entries,omitempty"`
	// Misplaced are the nodes that run, and are not where the roster has them.
	Misplaced []string `json:"misplaced,omitempty"`
	Error     string   `json:"error,omitempty"`
}

// Entry is an object of the configuration: a register with its value or an
// element of the set.
type Entry struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

// Stall is a time in which the runner itself, and so the machine, stood still:
// what took longer in it says nothing about the cluster.
type Stall struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"-"`
}

// Note is a remark for people: a phase of the run.
type Note struct {
	At   time.Duration `json:"-"`
	Text string        `json:"text"`
}
