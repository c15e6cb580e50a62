package api

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// codeOf lists the sentinels of the packages below; the first that fits counts.
var codeOf = []struct {
	err  error
	code codes.Code
}{
	{fsm.ErrUnknownOutcome, codes.Unavailable},
	{fsm.ErrNoQuorum, codes.Unavailable},
	{fsm.ErrPlaneFailed, codes.Unavailable},
	{fsm.ErrOtherCluster, codes.PermissionDenied},
	{fsm.ErrInvalid, codes.InvalidArgument},
	{fsm.ErrNotFound, codes.NotFound},
	{fsm.ErrRevision, codes.FailedPrecondition},
	{fsm.ErrConflict, codes.FailedPrecondition},
	{fsm.ErrVersion, codes.FailedPrecondition},
	{fsm.ErrNameTaken, codes.AlreadyExists},
	{fsm.ErrFailed, codes.Unavailable},
	{dn.ErrNumber, codes.InvalidArgument},
	{context.DeadlineExceeded, codes.DeadlineExceeded},
	{context.Canceled, codes.Canceled},
}

// StatusError turns an error of the packages below into the gRPC status that a
// client sees. It is the only such mapping of the public API; nil stays nil and a
// status stays as it is. A write that failed for want of a quorum is
// Unavailable, and its text says "not applied" or "unknown outcome".
func StatusError(err error) error {
	if err == nil {
		return nil
	}
	for _, c := range codeOf {
		if errors.Is(err, c.err) {
			return status.Error(c.code, textOf(err))
		}
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.Internal, err.Error())
}

// textOf leaves "not applied" out where the code says it: a rejected write.
func textOf(err error) string {
	if errors.Is(err, fsm.ErrRejected) {
		return strings.TrimPrefix(err.Error(), fsm.ErrRejected.Error()+": ")
	}
	return err.Error()
}
