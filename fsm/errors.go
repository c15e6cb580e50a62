package fsm

import (
	"errors"
	"fmt"
)

// What a command can be rejected for. A rejected command changes nothing; its
// error is a *Rejection that wraps one of these.
var (
	// ErrInvalid: an object is malformed, or names a group that does not exist.
	ErrInvalid = errors.New("invalid")
	// ErrNotFound: what was to be deleted does not exist.
	ErrNotFound = errors.New("not found")
	// ErrRevision: if_revision is not the object's present revision.
	ErrRevision = errors.New("revision differs")
	// ErrConflict: what exists does not allow it (a group in use, the realm, the last node).
	ErrConflict = errors.New("conflict")
	// ErrNameTaken: another node has the name.
	ErrNameTaken = errors.New("name taken")
	// ErrInvite: a node may not join, or not by this invite.
	ErrInvite = errors.New("no valid invite")
	// ErrDenied: who gave the command may not do that.
	ErrDenied = errors.New("permission denied")
	// ErrReused: the request id was given to another content before.
	ErrReused = errors.New("request id used for another content")
	// ErrVersion: the command was written by a newer program.
	ErrVersion = errors.New("unknown command version")
)

// What can become of a write on its way to the state machine; package consensus
// returns them.
var (
	// ErrRejected wraps a Rejection. Not applied.
	ErrRejected = errors.New("not applied")
	// ErrNoQuorum: no leader could be reached in time. The write was not applied
	// and never will be.
	ErrNoQuorum = errors.New("not applied: this node reaches no quorum of the cluster's nodes; try again when enough of them are connected")
	// ErrUnknownOutcome: the answer to a write was lost. It may have been applied or
	// may be still; repeating it under the same request id is safe.
	ErrUnknownOutcome = errors.New("unknown outcome: the write may or may not be applied, read before trying again")
	// ErrPlaneFailed: this node can't write its log or its configuration store. Not applied.
	ErrPlaneFailed = errors.New("not applied: the configuration plane of this node failed")
	// ErrOtherRecovery: the caller's configuration comes from another recovery of this
	// cluster, or from none.
	ErrOtherRecovery = errors.New("another recovery of this cluster")
	// ErrOtherCluster: the caller belongs to another cluster.
	ErrOtherCluster = errors.New("another cluster")
)

// AskLeader says that a write was not applied, and that only the leader takes it: a
// client certificate proves itself to nobody else.
type AskLeader struct {
	// Name of the leader, and the address of its TCport.
	Name, Addr string
}

func (e *AskLeader) Error() string {
	return fmt.Sprintf("with a client certificate only the leader, %s, takes a change: ask it at %s", e.Name, e.Addr)
}

// ErrFailed says that the store could not be written. The machine applies
// nothing any more until it is opened again; its View stays as it was.
var ErrFailed = errors.New("the configuration store failed")

// ErrCorrupt says that the store can't be read. The message names the file and
// says what to do.
var ErrCorrupt = errors.New("damaged configuration store")

// kinds numbers the sentinels in stored outcomes: append only.
var kinds = [...]error{nil, ErrInvalid, ErrNotFound, ErrRevision, ErrConflict, ErrNameTaken, ErrVersion, ErrInvite, ErrDenied, ErrReused}

// Rejection is why a command was not applied.
type Rejection struct {
	// Mutation counts from 1; 0 means the command as a whole.
	Mutation int
	// Kind is one of the sentinels above.
	Kind error
	Text string
}

func (r *Rejection) Error() string {
	if r.Mutation == 0 {
		return r.Text
	}
	return fmt.Sprintf("mutation %d: %s", r.Mutation, r.Text)
}

// Unwrap returns the Kind.
func (r *Rejection) Unwrap() error { return r.Kind }

func reject(kind error, format string, args ...any) *Rejection {
	return &Rejection{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

func (r *Rejection) at(mutation int) *Rejection {
	r.Mutation = mutation
	return r
}

func kindNumber(kind error) byte {
	for i, k := range kinds[1:] {
		if errors.Is(kind, k) {
			return byte(i + 1)
		}
	}
	return 1
}
