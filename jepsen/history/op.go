package history

import "time"

// Kind of an operation. What Arg, Result and the other fields of Op mean is
// said at each kind.
type Kind string

const (
	// Register: a REGISTER of the phone Key at Node. Arg is the binding (the
	// phone's Contact and Call-ID: a phone that moves or restarts makes a new
	// one, a refresh repeats it), Expires what was asked for and, once ok, what
	// was granted. A client waits for the end of a time-out before it sends its
	// next request from the same socket, and does not configure or delete DNs
	// that are registered.
	Register Kind = "register"
	// Unregister takes the binding Arg of Key back at Node; Arg "*" all of them.
	Unregister Kind = "unregister"
	// Gone: the phone that has the binding Arg of Key at Node is switched off without a
	// word. Its binding may last until its end, or go when it does not answer.
	Gone Kind = "gone"
	// Options: an OPTIONS to the node itself; asks nobody else.
	Options Kind = "options"
	// Query: a question about the DN Key that needs no other node.
	Query Kind = "query"
	// Invite: a call to the DN Key that arrives at Node. Code is the final answer.
	Invite Kind = "invite"

	// RegisterAddress: the desktop gateway's session Arg registers the DN Key at
	// Node, to have it in service until the session ends.
	RegisterAddress Kind = "register-address"
	// UnregisterAddress takes the registration of the session Arg back.
	UnregisterAddress Kind = "unregister-address"
	// HangUp: the session Arg, which registered Key at Node, is over for its
	// client, without goodbye. Nobody answers: the node notices within the bound.
	HangUp Kind = "hang-up"
	// Agent: a request about the agent at Key. Arg is what Row.Agent must be
	// once it is ok, never the same twice.
	Agent Kind = "agent"
	// Person: a request about the agent From, who works at several DNs, at Key. Arg is
	// what Row.Agent is once it is ok, never the same twice.
	Person Kind = "person"
	// Reserve: the router Arg asks Node to reserve Key for Expires, from when it
	// is granted.
	Reserve Kind = "reserve"
	// Release: the router Arg takes its reservation of Key back.
	Release Kind = "release"

	// Read: a linearizable read of Key; Result is its value, "" when there is none.
	Read Kind = "read"
	// Write sets Key to Arg. No two writes and swaps of a run give the same
	// key the same value. Arg "" deletes.
	Write Kind = "write"
	// Swap is compare-and-set: Key from From ("" is: does not exist) to Arg. Ok
	// when the cluster decided it: Swapped says how (false: it refused,
	// because the revision differed).
	Swap Kind = "swap"
	// Add puts the element Key into the set: an object that is never changed or deleted.
	Add Kind = "add"
	// Roster adds or removes the node Key; Arg is "join" or "remove".
	Roster Kind = "roster"
	// Clone starts a second process of the node Key, from a copy of its data directory,
	// while the first one runs at the address From. Failed when the second ended by
	// itself, Error is what it said; ok when it went on.
	Clone Kind = "clone"
	// Restore makes the registers and the set what Entries says, and the rest of the
	// configuration what it was then.
	Restore Kind = "restore"
	// Recover: Node goes on alone with what it knows, which is all up to Revision, under
	// the name Key. What others acknowledged beyond that is lost. While it returns, Node
	// does not run. Arg Mistaken: another one is recovered, too, and Node accepts that later.
	Recover Kind = "recover"
	// Accept: Node, which was recovered itself, sets that aside and takes part in the
	// recovery Key.
	Accept Kind = "accept"
	// Claim: somebody who has From, which does not allow it, wants Key of Node. Ok when
	// it was given, failed when it was refused.
	Claim Kind = "claim"
)

// Mistaken is the Arg of a Recover that is set aside later.
const Mistaken = "mistaken"

// StolenFiles is how the From of a Claim begins by whoever says to be a node.
const StolenFiles = "the files of "

// Outcome of an operation.
type Outcome string

const (
	// OK: it was done and its result is known.
	OK Outcome = "ok"
	// Fail: it was surely not done.
	Fail Outcome = "fail"
	// Unknown: it may have been done at any time after its invocation, also
	// later than its return, or never.
	Unknown Outcome = "unknown"
)

// Op is one operation of a client, from its invocation to its return.
type Op struct {
	// ID is given by the Recorder.
	ID int64 `json:"id"`
	// Process is the client. It does one thing at a time.
	Process string `json:"process"`
	Kind    Kind   `json:"kind"`
	// Node that was asked.
	Node string `json:"node"`
	// Home is the node in whose site the client stands, so that cuts of that
	// site concern it when it asks another node; "" is a client that no cut concerns.
	Home string `json:"home,omitempty"`
	Key  string `json:"key,omitempty"`
	From string `json:"from,omitempty"`
	Arg  string `json:"arg,omitempty"`
	// Expires is a registration's lifetime.
	Expires time.Duration `json:"expires,omitempty"`

	Invoke time.Duration `json:"-"`
	// Return is Never when no answer was recorded.
	Return  time.Duration `json:"-"`
	Outcome Outcome       `json:"outcome,omitempty"`
	Result  string        `json:"result,omitempty"`
	Swapped bool          `json:"swapped,omitempty"`
	// Revision of a write: its place among all of them.
	Revision uint64 `json:"revision,omitempty"`
	// Entries of a Restore.
	Entries []Entry `json:"entries,omitempty"`
	// Code is the answer's SIP status ("200") or gRPC code ("Unavailable").
	Code string `json:"code,omitempty"`
	// Error is the answer's text.
	Error string `json:"error,omitempty"`
	// Later: a SIP answer said when to ask again (Retry-After).
	Later bool `json:"later,omitempty"`
}

// OK tells whether the operation was acknowledged.
func (o *Op) OK() bool { return o.Outcome == OK }

// Done is the latest time at which the operation can have taken effect: its
// return when it is ok, its invocation when it failed, Never otherwise.
func (o *Op) Done() time.Duration {
	switch o.Outcome {
	case OK:
		return o.Return
	case Fail:
		return o.Invoke
	default:
		return Never
	}
}
