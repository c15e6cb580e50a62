package consensus

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// The documented errors; their words are those of package fsm, so that package
// api knows them without knowing Raft.
var (
	ErrNoQuorum       = fsm.ErrNoQuorum
	ErrUnknownOutcome = fsm.ErrUnknownOutcome
	ErrFailed         = fsm.ErrPlaneFailed
	ErrRejected       = fsm.ErrRejected
	ErrOtherCluster   = fsm.ErrOtherCluster
	ErrOtherRecovery  = fsm.ErrOtherRecovery
	// ErrNameTaken: a joining node's name belongs to another one.
	ErrNameTaken = fsm.ErrNameTaken
	// ErrMember: the data directory belongs to a cluster that the node joined.
	ErrMember = errors.New("the data directory belongs to a cluster already")
)

// errNotLeader is what a node answers that was asked as the leader: not applied.
var errNotLeader = errors.New("not the leader")

// Domain of the ErrorInfo that carries the sentinel across the wire.
const errorDomain = "consensus.sipcluster"

// wire lists each sentinel's reason and code; the first that fits counts.
var wire = []struct {
	err    error
	reason string
	code   codes.Code
}{
	{errNotLeader, "NOT_LEADER", codes.FailedPrecondition},
	{ErrOtherCluster, "OTHER_CLUSTER", codes.PermissionDenied},
	{ErrOtherRecovery, "OTHER_RECOVERY", codes.FailedPrecondition},
	{ErrUnknownOutcome, "UNKNOWN_OUTCOME", codes.Unavailable},
	{ErrNoQuorum, "NO_QUORUM", codes.Unavailable},
	{ErrFailed, "FAILED", codes.Unavailable},
	{fsm.ErrInvalid, "INVALID", codes.InvalidArgument},
	{fsm.ErrNotFound, "NOT_FOUND", codes.NotFound},
	{fsm.ErrRevision, "REVISION", codes.FailedPrecondition},
	{fsm.ErrConflict, "CONFLICT", codes.FailedPrecondition},
	{fsm.ErrNameTaken, "NAME_TAKEN", codes.AlreadyExists},
	{fsm.ErrReused, "REUSED", codes.AlreadyExists},
	{fsm.ErrInvite, "INVITE", codes.PermissionDenied},
	{fsm.ErrVersion, "VERSION", codes.FailedPrecondition},
	{fsm.ErrDenied, "DENIED", codes.PermissionDenied},
}

// toStatus is the one mapping of errors to gRPC status between nodes.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	for _, w := range wire {
		if !errors.Is(err, w.err) {
			continue
		}
		text, info := err.Error(), &errdetails.ErrorInfo{Domain: errorDomain, Reason: w.reason}
		var r *fsm.Rejection
		if errors.As(err, &r) {
			text, info.Metadata = r.Text, map[string]string{"mutation": fmt.Sprint(r.Mutation)}
		}
		s, detailErr := status.New(w.code, text).WithDetails(info)
		if detailErr != nil {
			return status.Error(w.code, text)
		}
		return s.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return status.FromContextError(err).Err()
	}
	return status.Error(codes.Internal, err.Error())
}

// StatusError is an error of this package as another node gets it.
func StatusError(err error) error { return toStatus(err) }

// fromStatus undoes toStatus. An error that no node wrote, so that nobody knows
// what became of the request, comes back as ErrUnknownOutcome.
func fromStatus(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	for _, d := range s.Details() {
		info, ok := d.(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != errorDomain {
			continue
		}
		for _, w := range wire {
			if w.reason == info.GetReason() {
				return sentinel(w.err, s.Message(), info.GetMetadata()["mutation"])
			}
		}
	}
	if s.Code() == codes.PermissionDenied || s.Code() == codes.Unauthenticated || s.Code() == codes.Unimplemented {
		return fmt.Errorf("%w: %s", ErrOtherCluster, s.Message())
	}
	if s.Code() == codes.InvalidArgument { // refused before it was looked at
		return fmt.Errorf("%w: %w", ErrRejected, &fsm.Rejection{Kind: fsm.ErrInvalid, Text: s.Message()})
	}
	return fmt.Errorf("%w (%s)", ErrUnknownOutcome, s.Message())
}

func sentinel(err error, text, mutation string) error {
	if mutation != "" {
		r := &fsm.Rejection{Kind: err, Text: text}
		_, _ = fmt.Sscan(mutation, &r.Mutation) // what is no number counts as the whole command
		return fmt.Errorf("%w: %w", ErrRejected, r)
	}
	return &remote{text, err}
}

// remote is a sentinel with the text of the node that sent it.
type remote struct {
	text string
	err  error
}

func (r *remote) Error() string { return r.text }
func (r *remote) Unwrap() error { return r.err }

// otherCluster compares lineages that differ.
func otherCluster(theirs, ours string) error {
	a, comes := fsm.SplitLineage(theirs)
	if b, has := fsm.SplitLineage(ours); a == b && a != "" {
		return fmt.Errorf("%w: the request is for recovery %q, this node belongs to %q", ErrOtherRecovery, comes, has)
	}
	return fmt.Errorf("%w: the request is for cluster %q, this node belongs to %q", ErrOtherCluster, theirs, ours)
}

// result turns the state machine's answer into that of Propose.
func result(response any) (uint64, error) {
	r, ok := response.(fsm.Result)
	var rejection *fsm.Rejection
	switch {
	case !ok:
		return 0, ErrUnknownOutcome
	case r.Err == nil:
		return r.Index, nil
	case errors.As(r.Err, &rejection):
		return r.Index, fmt.Errorf("%w: %w", ErrRejected, r.Err)
	}
	return 0, fmt.Errorf("%w: %w", ErrUnknownOutcome, r.Err) // in the log, but not applied here
}

// proposal fills in what every command has.
func proposal(mutations ...*configpb.Mutation) *peerpb.Command {
	return &peerpb.Command{Version: fsm.Version, Mutations: mutations}
}
